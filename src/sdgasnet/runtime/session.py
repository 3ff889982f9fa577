"""What a detector needs from a runtime, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.decision.rules import DecisionRules

Canvases = NDArray[np.unsignedinteger[Any]]
"""``(B, H, W, C)`` uint8 or uint16."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What one must know of a model to use it.

    Attributes:
        class_names: Class names; a label is an index into them.
        image_size: (height, width) of the canvas.
        channels: 1 (grey) or 3 (RGB).
        detection: Thresholds and limits that the model was made with.
        name: How the model is called in outputs.
        rules: What makes a picture NG; None if it was not decided.
        paired: Whether pictures are pairs, see :mod:`sdgasnet.imaging.template`.
    """

    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    channels: Literal[1, 3]
    detection: DetectionConfig
    name: str
    rules: DecisionRules | None = None
    paired: bool = False


class RawOutputs(NamedTuple):
    """The graph's outputs for a batch.

    Attributes:
        boxes_xyxy: ``(B, P, 4)`` float32, input pixels.
        scores: ``(B, P, K)`` float32 in [0, 1].
        embedding: ``(B, E)`` float32.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    embedding: NDArray[np.float32]


class Session(Protocol):
    """A model loaded into a runtime."""

    @property
    def spec(self) -> ModelSpec:
        """What the model expects and says."""
        ...

    def run(self, batch: Canvases) -> RawOutputs:
        """Run canvases through the graph."""
        ...


@runtime_checkable
class StreamingSession(Session, Protocol):
    """A session that works on several batches at a time."""

    def run_all(self, batches: Iterable[Canvases]) -> Iterator[RawOutputs]:
        """Outputs in the order of the batches; a bounded number of them is begun ahead."""
        ...


def run_all(session: Session, batches: Iterable[Canvases]) -> Iterator[RawOutputs]:
    """Run batch after batch, several at a time where the session can, outputs in their order."""
    return session.run_all(batches) if isinstance(session, StreamingSession) else map(session.run, batches)
