"""Run a detector over labelled pictures and compute every figure once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.evaluation.average_precision import AveragePrecision, compute_average_precision
from sdgasnet.evaluation.confusion import compute_confusion
from sdgasnet.evaluation.operating_point import OperatingCurve, compute_operating_curve
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.image import Image, read_image
from sdgasnet.runtime.detector import Detector

BATCH_SIZE = 8
"""Pictures a run of the session; changes memory, not results."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a detector does on labelled pictures.

    Attributes:
        average_precision: AP by the COCO protocol.
        curve: Precision, recall, F1 by threshold, over all classes.
        class_curves: The same a class.
        confusion: ``(K + 1, K + 1)`` counts at the model's threshold, see
            :func:`~sdgasnet.evaluation.confusion.compute_confusion`.
        detections: One value a picture, down to the score floor.
        records: The pictures.
        class_names: Class names.
        score_threshold: The model's threshold.
    """

    average_precision: AveragePrecision
    curve: OperatingCurve
    class_curves: dict[str, OperatingCurve]
    confusion: NDArray[np.int64]
    detections: tuple[Detections, ...]
    records: tuple[ImageRecord, ...]
    class_names: tuple[str, ...]
    score_threshold: float

    def to_json(self) -> dict[str, Any]:
        """Figures as plain values: AP, by size, per class, operating points, confusion, numbers of pictures."""
        return {
            **dataclasses.asdict(self.average_precision),
            "images": len(self.records),
            "boxes": sum(not thing.crowd for record in self.records for thing in record.objects),
            "best_F1": self.curve.best(),
            "at_score_threshold": self.curve.at(self.score_threshold),
            "confusion": self.confusion.tolist(),
        }


def measure(
    detector: Detector,
    records: Sequence[ImageRecord],
    class_names: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Detect down to the score floor and compare with the labels.

    Args:
        detector: The detector; its class names are those of the labels, in the same order.
        records: Pictures with labels.
        class_names: Names of the labels.
        progress: Called with pictures done and their number.

    Returns:
        All figures.

    Raises:
        ImageError: A picture can't be read.
        MissingExtraError: faster-coco-eval is not installed.
    """

    found = detect_records(detector, records, progress)
    score_threshold = detector.spec.detection.score_threshold
    truth: list[tuple[ObjectRecord, ...]] = [record.objects for record in records]
    return Measurement(
        average_precision=compute_average_precision(found, truth, class_names),
        curve=compute_operating_curve(found, truth),
        class_curves={
            name: compute_operating_curve(found, truth, label) for label, name in enumerate(class_names)
        },
        confusion=compute_confusion(found, truth, len(class_names), score_threshold),
        detections=found,
        records=tuple(records),
        class_names=tuple(class_names),
        score_threshold=score_threshold,
    )


def detect_records(
    detector: Detector, records: Sequence[ImageRecord], progress: Callable[[int, int], None] | None = None
) -> tuple[Detections, ...]:
    """Detections of labelled pictures, down to the score floor.

    Args:
        detector: The detector.
        records: The pictures.
        progress: Called with pictures done and their number.

    Raises:
        ImageError: A picture can't be read.
    """

    def pictures() -> Iterator[Image]:
        for number, record in enumerate(records, start=1):
            yield read_image(record.path, detector.spec.channels)
            if progress is not None:
                progress(number, len(records))

    return tuple(detector.detect_all(pictures(), BATCH_SIZE, detector.spec.detection.score_floor))
