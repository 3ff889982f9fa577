from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.imaging.detections import Detections

pytest.importorskip("faster_coco_eval")
NAMES = ("pit", "scratch", "stain", "never")


def reference(
    found: Sequence[Detections], truth: Sequence[Sequence[ObjectRecord]]
) -> tuple[np.ndarray, np.ndarray]:
    """pycocotools' stats, and its table of precision (IoU, recall, class, size, limit)."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    annotations = []
    for number, objects in enumerate(truth, start=1):
        for thing in objects:
            x1, y1, x2, y2 = thing.box_xyxy
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": thing.label + 1}
            annotations.append(
                {
                    **row,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": int(thing.crowd),
                }
            )
    rows = [
        {
            "image_id": number,
            "category_id": int(label) + 1,
            "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
            "score": float(score),
        }
        for number, one in enumerate(found, start=1)
        for box, score, label in zip(one.boxes_xyxy, one.scores, one.labels, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = coco.COCO()
        dataset.dataset = {
            "images": [{"id": n + 1, "height": 320, "width": 320} for n in range(len(truth))],
            "annotations": annotations,
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(NAMES)],
        }
        dataset.createIndex()
        evaluation = cocoeval.COCOeval(dataset, dataset.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats), evaluation.eval["precision"]


def test_equals_pycocotools_on_100_pictures(random_case) -> None:
    found, truth = random_case(0, 100, 4)
    ours, (stats, precision) = compute_average_precision(found, truth, NAMES), reference(found, truth)
    figures = (ours.AP, ours.AP50, ours.AP75, ours.AP_small, ours.AP_medium, ours.AP_large)
    assert figures == pytest.approx(stats[:6], abs=1e-6)
    for label, name in enumerate(NAMES[:3]):
        figures_of_class = {
            "AP": precision[:, :, label, 0, -1].mean(),
            "AP50": precision[0, :, label, 0, -1].mean(),
        }
        assert ours.per_class[name] == pytest.approx(figures_of_class, abs=1e-6)
    assert ours.per_class["never"] == {"AP": None, "AP50": None}


def test_perfect_detections_have_ap_of_one_and_unlabelled_classes_are_left_out(random_case) -> None:
    _, truth = random_case(1, 20, 4)
    truth = [[replace(thing, crowd=False) for thing in objects] for objects in truth]
    found = [
        Detections(
            np.array([thing.box_xyxy for thing in objects], np.float32).reshape(-1, 4),
            np.full(len(objects), 0.9, np.float32),
            np.array([thing.label for thing in objects], np.int64),
            (320, 320),
        )
        for objects in truth
    ]
    measured = compute_average_precision(found, truth, NAMES)
    assert pytest.approx(1.0) == measured.AP
    assert measured.per_class["never"] == {"AP": None, "AP50": None}


def test_no_detection_at_all_is_zero_and_no_label_at_all_is_none(random_case) -> None:
    _, truth = random_case(2, 10, 4)
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), (320, 320))
    assert compute_average_precision([nothing] * 10, truth, NAMES).AP50 == 0.0
    assert compute_average_precision([nothing] * 10, [[]] * 10, NAMES).AP50 is None
