"""Run a detector over labelled pictures and compute every figure once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.average_precision import (
    AveragePrecision,
    compute_average_precision,
    require_coco_protocol,
)
from sdgasnet.evaluation.confusion import compute_confusion
from sdgasnet.evaluation.operating_point import OperatingCurve, compute_operating_curves
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.image import Image
from sdgasnet.imaging.template import read_input
from sdgasnet.runtime.detector import Detector

BATCH_SIZE = 8
"""Pictures a run of the session; changes memory, not results."""
LISTED_THRESHOLDS = tuple(number / 20 for number in range(20))
"""Score thresholds whose figures stand in the JSON object."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a detector does on labelled pictures.

    Attributes:
        average_precision: AP by the COCO protocol.
        curve: Precision, recall, F1 by threshold, over all classes.
        class_curves: The same a class.
        confusion: ``(K + 1, K + 1)`` counts at the score threshold, see
            :func:`~sdgasnet.evaluation.confusion.compute_confusion`.
        detections: One value a picture, down to the score floor.
        records: The pictures.
        class_names: Class names.
        settings: Thresholds and limits that it was measured with.
    """

    average_precision: AveragePrecision
    curve: OperatingCurve
    class_curves: dict[str, OperatingCurve]
    confusion: NDArray[np.int64]
    detections: tuple[Detections, ...]
    records: tuple[ImageRecord, ...]
    class_names: tuple[str, ...]
    settings: DetectionConfig

    @property
    def score_threshold(self) -> float:
        """Detections below are not shown."""
        return self.settings.score_threshold

    def to_json(self) -> dict[str, Any]:
        """Figures as plain values: AP, by size, per class, operating points, confusion, numbers of pictures.

        Shares are in [0, 1]; None where nothing is labelled (AP, recall, F1) or detected (precision). Rows
        of ``confusion`` are true classes, columns detected ones, in the order of ``per_class``; background last.
        """
        return {
            **dataclasses.asdict(self.average_precision),
            "images": len(self.records),
            "boxes": self.curve.objects,
            "best_F1": self.curve.best(),
            "best_F1_per_class": {name: curve.best() for name, curve in self.class_curves.items()},
            "at_score_threshold": self.curve.at(self.score_threshold),
            "by_threshold": [self.curve.at(threshold) for threshold in LISTED_THRESHOLDS],
            "confusion": self.confusion.tolist(),
            "detection": self.settings.model_dump(),
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
    require_coco_protocol()
    found = detect_records(detector, records, progress)
    settings = detector.spec.detection
    truth = [record.objects for record in records]
    curves = compute_operating_curves(found, truth, len(class_names))
    return Measurement(
        average_precision=compute_average_precision(found, truth, class_names),
        curve=curves.overall,
        class_curves=dict(zip(class_names, curves.per_class, strict=True)),
        confusion=compute_confusion(found, truth, len(class_names), settings.score_threshold),
        detections=found,
        records=tuple(records),
        class_names=tuple(class_names),
        settings=settings,
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
        for record in records:
            yield read_input(record.path, detector.spec.channels, detector.spec.paired)

    found: list[Detections] = []
    for one in detector.detect_all(pictures(), BATCH_SIZE, detector.spec.detection.score_floor):
        found.append(one)
        if progress is not None:
            progress(len(found), len(records))
    return tuple(found)
