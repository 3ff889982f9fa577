from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.confusion import compute_confusion, pair_by_overlap
from sdgasnet.evaluation.matching import match_detections
from sdgasnet.evaluation.operating_point import compute_operating_curve
from sdgasnet.imaging.detections import Detections


def detections(*rows: tuple[list[float], float, int]) -> Detections:
    rows = tuple(sorted(rows, key=lambda row: -row[1]))
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
        (100, 100),
    )


A, B, FAR = [10.0, 10, 30, 30], [50.0, 50, 70, 70], [80.0, 0, 90, 10]


def thing(label: int, box: list[float], crowd: bool = False) -> ObjectRecord:
    return ObjectRecord(label, (box[0], box[1], box[2], box[3]), crowd=crowd)


def test_an_object_is_found_once_by_the_best_score() -> None:
    matches = match_detections(detections((A, 0.5, 0), (A, 0.9, 0), (B, 0.8, 1)), [thing(0, A), thing(0, B)])
    assert matches.true_positive.tolist() == [True, False, False]


def test_detections_in_a_crowd_region_are_neither_right_nor_wrong() -> None:
    matches = match_detections(detections((A, 0.9, 0), (B, 0.5, 0)), [thing(0, [0, 0, 40, 40], crowd=True)])
    assert matches.ignored.tolist() == [True, False]


def test_curve_by_hand() -> None:
    found = [detections((A, 0.9, 0), (FAR, 0.6, 0)), detections((B, 0.4, 1))]
    truth = [[thing(0, A), thing(1, B)], [thing(1, B)]]
    curve = compute_operating_curve(found, truth)
    assert curve.at(0.5) == {
        "threshold": 0.5,
        "precision": 0.5,
        "recall": pytest.approx(1 / 3),
        "F1": pytest.approx(0.4),
    }
    assert curve.at(0.3)["recall"] == pytest.approx(2 / 3)
    assert curve.at(1.0) == {"threshold": 1.0, "precision": 1.0, "recall": 0.0, "F1": 0.0}
    assert curve.best()["F1"] == pytest.approx(2 / 3)
    assert compute_operating_curve(found, truth, label=1).at(0.3)["recall"] == pytest.approx(0.5)


def test_curve_equals_counting_at_every_threshold() -> None:
    rng = np.random.default_rng(0)
    found, truth = [], []
    for _ in range(20):
        objects = [
            thing(int(rng.integers(2)), [x, x, x + 8, x + 8]) for x in rng.choice(9, 3, replace=False) * 10.0
        ]
        rows = [([*o.box_xyxy], float(rng.uniform()), int(rng.integers(2))) for o in objects for _ in range(2)]
        found.append(detections(*rows))
        truth.append(objects)
    curve = compute_operating_curve(found, truth)
    for threshold in (0.0, 0.25, 0.5, 0.9):
        kept = [one.above(threshold) for one in found]
        right = sum(match_detections(one, t).true_positive.sum() for one, t in zip(kept, truth, strict=True))
        figures = curve.at(threshold)
        assert figures["precision"] == pytest.approx(right / sum(map(len, kept)))
        assert figures["recall"] == pytest.approx(right / 60)


def test_confusion_by_hand() -> None:
    found = [detections((A, 0.9, 1), (FAR, 0.8, 0), (B, 0.1, 1)), detections((A, 0.9, 0))]
    truth = [[thing(0, A), thing(1, B)], [thing(0, A), thing(0, B, crowd=True)]]
    matrix = compute_confusion(found, truth, 2, score_threshold=0.25)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_pairs_take_the_largest_overlap_first() -> None:
    overlaps = np.array([[0.6, 0.9], [0.8, 0.95]])
    assert pair_by_overlap(overlaps) == [(1, 1), (0, 0)]
