"""The one value that stands for what was found in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes with scores and classes in one picture, best score first.

    Attributes:
        boxes_xyxy: ``(N, 4)`` float32, x1 y1 x2 y2 in pixels of the source picture, clipped to it.
        scores: ``(N,)`` float32 in [0, 1], not increasing.
        labels: ``(N,)`` int64 class indices.
        source_size: (height, width) of the source picture.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    source_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score_threshold: float) -> Self:
        """Keep what scores at least ``score_threshold``.

        Examples:
            >>> found = Detections(np.zeros((2, 4), np.float32), np.array([0.9, 0.2], np.float32),
            ...                    np.array([0, 1]), (10, 10))
            >>> len(found.above(0.5))
            1
        """
        return self.where(self.scores >= score_threshold)

    def above_of_class(self, score_thresholds: NDArray[np.float32]) -> Self:
        """Keep what scores at least the threshold of its class, ``(K,)``."""
        return self.where(self.scores >= score_thresholds[self.labels])

    def where(self, keep: NDArray[np.bool_]) -> Self:
        """Keep what is marked, ``(N,)``."""
        return type(self)(self.boxes_xyxy[keep], self.scores[keep], self.labels[keep], self.source_size)
