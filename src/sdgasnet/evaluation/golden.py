"""Golden vectors of a bundle: what torch said of a few pictures when the bundle was made."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import ParityConfig
from sdgasnet.errors import ModelError
from sdgasnet.evaluation.agreement import Spread, compare_raw
from sdgasnet.imaging.image import Image
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.session import Canvases, RawOutputs, Session

REFERENCE_FOLDER = "reference"


@dataclass(frozen=True, slots=True)
class GoldenCheck:
    """A float graph against the golden vectors.

    Attributes:
        pictures: Number of golden pictures.
        boxes: Canvas pixels.
        scores: Differences of scores.
        passed: Whether it is what torch said.
    """

    pictures: int
    boxes: Spread
    scores: Spread
    passed: bool


def check_golden(session: Session, bundle: Bundle, tolerances: ParityConfig) -> GoldenCheck:
    """Compare a session of the bundle's float graph with what torch wrote.

    Args:
        session: The float graph.
        bundle: The bundle.
        tolerances: Those of fp32 count.

    Raises:
        ModelError: The bundle has no golden vectors, or of other shapes.
    """
    differences = [
        compare_raw(expected, session.run(canvas), tolerances.raw_score)
        for canvas, expected in _read_vectors(bundle)
    ]
    if not differences:
        raise ModelError(
            f"Bundle {bundle.path} holds no golden vectors in {REFERENCE_FOLDER}/, so that nothing says what is "
            "right. Name the trained model: --reference MODEL."
        )
    boxes = Spread.of([one.boxes for one in differences])
    scores = Spread.of([one.scores for one in differences])
    allowed_boxes, allowed_scores = tolerances.fp32.boxes, tolerances.fp32.scores
    passed = (allowed_boxes is None or boxes.largest <= allowed_boxes) and (
        allowed_scores is None or scores.largest <= allowed_scores
    )
    return GoldenCheck(len(differences), boxes, scores, passed)


def golden_pictures(bundle: Bundle) -> Iterator[tuple[str, Image]]:
    """Name and pixels ``(H, W, C)`` of the pictures that the golden vectors are of."""
    flags = cv2.IMREAD_GRAYSCALE if bundle.manifest.input.channels == 1 else cv2.IMREAD_COLOR_RGB
    for place in _places(bundle):
        name = f"{place}/picture.png"
        stored = np.frombuffer(bundle.files[name], np.uint8)
        picture: NDArray[Any] | None = cv2.imdecode(stored, flags | cv2.IMREAD_ANYDEPTH)
        if picture is None:
            raise ModelError(f"Bundle {bundle.path}: {name} is damaged. Export the model again.")
        yield name, picture.reshape(*picture.shape[:2], bundle.manifest.input.channels)


def _read_vectors(bundle: Bundle) -> Iterator[tuple[Canvases, RawOutputs]]:
    for place in _places(bundle):
        outputs = (_array(bundle, f"{place}/{name}.npy") for name in RawOutputs._fields)
        yield _array(bundle, f"{place}/canvas.npy"), RawOutputs(*outputs)


def _places(bundle: Bundle) -> list[str]:
    ending = "/picture.png"
    names = (name.removesuffix(ending) for name in sorted(bundle.files) if name.endswith(ending))
    return [name for name in names if name.startswith(f"{REFERENCE_FOLDER}/")]


def _array(bundle: Bundle, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(io.BytesIO(bundle.files[name]), allow_pickle=False)
    except (KeyError, ValueError, EOFError):
        raise ModelError(f"Bundle {bundle.path}: {name} is missing or damaged. Export the model again.") from None
    return array
