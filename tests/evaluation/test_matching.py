from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import match_detections
from sdgasnet.imaging.detections import Detections

A, B = [10.0, 10, 30, 30], [50.0, 50, 70, 70]


def detections(*rows: tuple[list[float], float, int]) -> Detections:
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
        (100, 100),
    )


def thing(label: int, box: list[float], crowd: bool = False) -> ObjectRecord:
    return ObjectRecord(label, (box[0], box[1], box[2], box[3]), crowd=crowd)


def test_an_object_is_found_once_by_the_best_score() -> None:
    matches = match_detections(detections((A, 0.9, 0), (B, 0.8, 1), (A, 0.5, 0)), [thing(0, A), thing(0, B)])
    assert matches.true_positive.tolist() == [True, False, False]


def test_the_second_detection_takes_the_next_best_object() -> None:
    near = [12.0, 10, 32, 30]
    matches = match_detections(detections((A, 0.9, 0), (A, 0.5, 0)), [thing(0, A), thing(0, near)])
    assert matches.true_positive.tolist() == [True, True]


def test_detections_in_a_crowd_region_are_neither_right_nor_wrong() -> None:
    region = thing(0, [0, 0, 40, 40], crowd=True)
    matches = match_detections(detections((A, 0.9, 0), (A, 0.8, 1), (B, 0.5, 0)), [region])
    assert matches.ignored.tolist() == [True, False, False]
    assert not matches.true_positive.any()


@pytest.mark.parametrize("objects", [[], [thing(0, A)]])
def test_without_detections_there_is_nothing_to_match(objects: list[ObjectRecord]) -> None:
    assert match_detections(detections(), objects).true_positive.shape == (0,)


def iou(a: np.ndarray, b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def test_equals_a_plain_loop(random_case) -> None:
    for found, objects in zip(*random_case(5, 40, 3), strict=True):
        taken, expected = set(), []
        for box, label in zip(found.boxes_xyxy.astype(float), found.labels, strict=True):
            free = [
                (iou(box, other.box_xyxy), number)
                for number, other in enumerate(objects)
                if other.label == label and not other.crowd and number not in taken
            ]
            best = max(free, default=(0.0, -1), key=lambda pair: pair[0])
            expected.append(best[0] >= 0.5)
            if best[0] >= 0.5:
                taken.add(best[1])
        assert match_detections(found, objects).true_positive.tolist() == expected
