"""Average precision after the COCO protocol, computed by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.errors import MissingExtraError
from sdgasnet.imaging.detections import Detections


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """AP of a set of pictures; None where nothing is labelled that it could be of.

    Attributes:
        AP: Mean over IoU 0.50:0.95 and classes.
        AP50: At IoU 0.50.
        AP75: At IoU 0.75.
        AP_small: Of objects below 32x32 pixels.
        AP_medium: Between that and 96x96.
        AP_large: Above.
        per_class: Class name -> {"AP", "AP50"}.
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    AP_small: float | None
    AP_medium: float | None
    AP_large: float | None
    per_class: dict[str, dict[str, float | None]]


def compute_average_precision(
    detections: Sequence[Detections],
    ground_truth: Sequence[Sequence[ObjectRecord]],
    class_names: Sequence[str],
) -> AveragePrecision:
    """AP of detections against labels.

    At most 100 detections a picture count, as the protocol says; crowd regions are ignored; objects marked
    difficult count. Classes without a labelled object are left out of every mean.

    Args:
        detections: One value a picture, down to the score floor.
        ground_truth: Labelled objects of the same pictures, in the same order.
        class_names: Names of the labels.

    Returns:
        The figures, in [0, 1].

    Raises:
        MissingExtraError: faster-coco-eval is not installed.

    Source:
        Lin et al., Microsoft COCO, ECCV 2014.
    """
    require_coco_protocol()
    from faster_coco_eval import COCO, COCOeval_faster

    if not any(ground_truth):
        nothing: dict[str, dict[str, float | None]] = {name: {"AP": None, "AP50": None} for name in class_names}
        return AveragePrecision(None, None, None, None, None, None, nothing)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(_truth_document(detections, ground_truth, class_names))
        rows = _detection_rows(detections)
        # loadRes refuses an empty list; a set without annotations stands for it.
        nothing_found = _truth_document(detections, [[] for _ in detections], class_names)
        found = truth.loadRes(rows) if rows else COCO(nothing_found)
        evaluation = COCOeval_faster(truth, found, "bbox", print_function=lambda *_: None)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])
    return AveragePrecision(
        AP=_mean(precision[:, :, :, 0, -1]),
        AP50=_mean(precision[0, :, :, 0, -1]),
        AP75=_mean(precision[5, :, :, 0, -1]),
        AP_small=_mean(precision[:, :, :, 1, -1]),
        AP_medium=_mean(precision[:, :, :, 2, -1]),
        AP_large=_mean(precision[:, :, :, 3, -1]),
        per_class={
            name: {"AP": _mean(precision[:, :, label, 0, -1]), "AP50": _mean(precision[0, :, label, 0, -1])}
            for label, name in enumerate(class_names)
        },
    )


def require_coco_protocol() -> None:
    """Make sure that AP can be computed, before the work that it is computed from.

    Raises:
        MissingExtraError: faster-coco-eval is not installed.
    """
    if find_spec("faster_coco_eval") is None:
        raise MissingExtraError("eval", "Average precision")


def _mean(precision: NDArray[np.float64]) -> float | None:
    """Mean of what is defined; the library marks the rest by -1."""
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else None


def _truth_document(
    detections: Sequence[Detections],
    ground_truth: Sequence[Sequence[ObjectRecord]],
    class_names: Sequence[str],
) -> dict[str, Any]:
    images = [
        {"id": number, "height": found.source_size[0], "width": found.source_size[1]}
        for number, found in enumerate(detections, start=1)
    ]
    annotations: list[dict[str, Any]] = []
    for number, things in enumerate(ground_truth, start=1):
        for thing in things:
            x1, y1, x2, y2 = thing.box_xyxy
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": thing.label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": int(thing.crowd),
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(class_names)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _detection_rows(detections: Sequence[Detections]) -> list[dict[str, Any]]:
    rows = []
    for number, found in enumerate(detections, start=1):
        sizes = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
        boxes = np.concatenate([found.boxes_xyxy[:, :2], sizes], axis=1).astype(np.float64)
        for box, score, label in zip(boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True):
            rows.append({"image_id": number, "category_id": label + 1, "bbox": box, "score": score})
    return rows
