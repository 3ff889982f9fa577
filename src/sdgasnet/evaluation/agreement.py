"""How much two sessions of one model agree: raw outputs, and detections that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdgasnet.errors import ModelError
from sdgasnet.evaluation.matching import MATCH_IOU
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou
from sdgasnet.runtime.session import RawOutputs

LEAST_POINTS = 10
"""Compared in a picture where nothing scores: agreement on silence alone would prove little."""
HIGH_PERCENTILE = 99.9


@dataclass(frozen=True, slots=True)
class Spread:
    """Absolute differences.

    Attributes:
        largest: The largest.
        p999: Their 99.9 percentile.
    """

    largest: float
    p999: float

    @classmethod
    def of(cls, differences: Sequence[NDArray[np.float64]]) -> Spread:
        """Of one or more arrays that are not all empty; NaN stays NaN.

        Examples:
            >>> Spread.of([np.array([0.0, 2.0])]).largest
            2.0
        """
        joined = np.concatenate([part.ravel() for part in differences])
        return cls(float(joined.max()), float(np.percentile(joined, HIGH_PERCENTILE)))


@dataclass(frozen=True, slots=True, eq=False)
class RawDifferences:
    """Differences at the points of one picture that were compared.

    Attributes:
        boxes: ``(N, 4)`` canvas pixels, >= 0.
        scores: ``(N, K)`` >= 0.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MatchedDetections:
    """Detections of both at their thresholds, over all pictures.

    Attributes:
        matched: Pairs of one class at IoU 0.5 or more.
        unmatched_reference: Detections of the reference without a partner.
        unmatched_bundle: Detections of the bundle without a partner.
        mean_iou: Of the pairs; None without one.
        least_iou: Of the pairs; None without one.
        mean_score_shift: Bundle less reference over the pairs; None without one.
        largest_score_shift: Largest difference of scores in a pair, either way; None without one.
    """

    matched: int
    unmatched_reference: int
    unmatched_bundle: int
    mean_iou: float | None
    least_iou: float | None
    mean_score_shift: float | None
    largest_score_shift: float | None

    @property
    def any(self) -> bool:
        """Whether there was a detection at all."""
        return self.matched + self.unmatched_reference + self.unmatched_bundle > 0

    @property
    def unmatched_share(self) -> float:
        """Detections without a partner among all of both; 0 where there are none at all."""
        alone = self.unmatched_reference + self.unmatched_bundle
        return alone / max(1, alone + 2 * self.matched)


def compare_raw(reference: RawOutputs, bundle: RawOutputs, least_score: float) -> RawDifferences:
    """Differences of one picture's raw outputs.

    Args:
        reference: Outputs for a batch of 1.
        bundle: Outputs for the same canvas.
        least_score: Points count where the best score of either reaches it; where none does, the
            :data:`LEAST_POINTS` best points of the reference count.

    Raises:
        ModelError: The outputs have other shapes.
    """
    for name in ("boxes_xyxy", "scores"):
        expected, found = getattr(reference, name).shape, getattr(bundle, name).shape
        if expected != found:
            raise ModelError(f"Output {name} is {found}; the reference's is {expected}.")
    best = np.fmax(reference.scores[0].max(axis=1), bundle.scores[0].max(axis=1))
    points = np.flatnonzero(best >= least_score)
    if len(points) == 0:
        points = np.argsort(-reference.scores[0].max(axis=1), kind="stable")[:LEAST_POINTS]
    return RawDifferences(
        np.abs(reference.boxes_xyxy[0, points].astype(np.float64) - bundle.boxes_xyxy[0, points]),
        np.abs(reference.scores[0, points].astype(np.float64) - bundle.scores[0, points]),
    )


def compare_detections(reference: Sequence[Detections], bundle: Sequence[Detections]) -> MatchedDetections:
    """Which detections belong together, and how near they are.

    Args:
        reference: One value a picture, at the threshold.
        bundle: The same pictures, at the threshold of the bundle.
    """
    overlaps: list[float] = []
    shifts: list[float] = []
    for one, other in zip(reference, bundle, strict=True):
        for row, column, overlap in pair_detections(one, other):
            overlaps.append(overlap)
            shifts.append(float(other.scores[column]) - float(one.scores[row]))
    return MatchedDetections(
        matched=len(overlaps),
        unmatched_reference=sum(map(len, reference)) - len(overlaps),
        unmatched_bundle=sum(map(len, bundle)) - len(overlaps),
        mean_iou=float(np.mean(overlaps)) if overlaps else None,
        least_iou=min(overlaps, default=None),
        mean_score_shift=float(np.mean(shifts)) if shifts else None,
        largest_score_shift=max(map(abs, shifts), default=None),
    )


def pair_detections(one: Detections, other: Detections) -> Iterator[tuple[int, int, float]]:
    """Pairs of one class at IoU 0.5 or more, nearest first, none twice: (row, column, IoU)."""
    overlaps = pairwise_iou(one.boxes_xyxy.astype(np.float64), other.boxes_xyxy.astype(np.float64))
    overlaps[one.labels[:, None] != other.labels[None, :]] = 0.0
    while overlaps.size and overlaps.max() >= MATCH_IOU:
        row, column = (int(place) for place in np.unravel_index(overlaps.argmax(), overlaps.shape))
        yield row, column, float(overlaps[row, column])
        overlaps[row], overlaps[:, column] = 0.0, 0.0
