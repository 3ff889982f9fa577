from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import match_detections
from sdgasnet.evaluation.operating_point import THRESHOLDS, compute_operating_curves
from sdgasnet.imaging.detections import Detections

A, B, FAR = [10.0, 10, 30, 30], [50.0, 50, 70, 70], [80.0, 0, 90, 10]


def detections(*rows: tuple[list[float], float, int]) -> Detections:
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
        (100, 100),
    )


def thing(label: int, box: list[float]) -> ObjectRecord:
    return ObjectRecord(label, (box[0], box[1], box[2], box[3]))


def test_by_hand() -> None:
    found = [detections((A, 0.9, 0), (FAR, 0.6, 0)), detections((B, 0.4, 1))]
    truth = [[thing(0, A), thing(1, B)], [thing(1, B)]]
    curves = compute_operating_curves(found, truth, 2)
    third = pytest.approx(1 / 3)
    assert curves.overall.at(0.5) == {
        "threshold": 0.5,
        "precision": 0.5,
        "recall": third,
        "F1": pytest.approx(0.4),
    }
    assert curves.overall.at(1.0) == {"threshold": 1.0, "precision": None, "recall": 0.0, "F1": 0.0}
    assert curves.per_class[1].at(0.3)["recall"] == 0.5
    best = curves.overall.best()
    assert best is not None
    assert best["F1"] == pytest.approx(2 / 3)
    assert best["threshold"] <= 0.4


def test_a_score_equal_to_the_threshold_is_shown_as_the_detector_shows_it() -> None:
    found = detections((A, 0.35, 0))
    curve = compute_operating_curves([found], [[thing(0, A)]], 1).overall
    assert len(found.above(0.35)) == 1
    assert curve.at(0.35)["recall"] == 1.0
    assert curve.at(0.351)["recall"] == 0.0


def test_what_is_not_defined_is_none_and_never_a_number() -> None:
    curves = compute_operating_curves([detections((A, 0.9, 0))], [[]], 2)
    assert curves.overall.at(0.5) == {"threshold": 0.5, "precision": 0.0, "recall": None, "F1": None}
    assert curves.per_class[1].at(0.5) == {"threshold": 0.5, "precision": None, "recall": None, "F1": None}
    assert curves.overall.best() is None
    nothing = compute_operating_curves([detections()], [[thing(0, A)]], 1).overall
    assert (nothing.best(), nothing.at(0.5)["recall"]) == (None, 0.0)


def test_equals_counting_at_every_threshold(random_case) -> None:
    found, truth = random_case(7, 40, 3)
    curves = compute_operating_curves(found, truth, 3)
    for label, curve in ((None, curves.overall), (0, curves.per_class[0]), (1, curves.per_class[1])):
        objects = sum(not one.crowd and label in (None, one.label) for things in truth for one in things)
        for threshold in (0.0, 0.25, 0.5, 0.9):
            right = shown = 0
            for one, things in zip(found, truth, strict=True):
                kept = one.above(threshold)
                matches = match_detections(kept, things)
                counted = ~matches.ignored & ((kept.labels == label) | (label is None))
                right += int((matches.true_positive & counted).sum())
                shown += int(counted.sum())
            figures = curve.at(threshold)
            assert (figures["precision"], figures["recall"]) == pytest.approx((right / shown, right / objects))
            assert figures["F1"] == pytest.approx(2 * right / (shown + objects))


def test_the_curve_and_the_best_point_agree_with_single_thresholds(random_case) -> None:
    curve = compute_operating_curves(*random_case(7, 40, 3), 3).overall
    singles = [curve.at(float(threshold)) for threshold in THRESHOLDS]
    assert np.allclose(curve.f1(THRESHOLDS), [one["F1"] for one in singles])
    assert np.allclose(curve.recall(THRESHOLDS), [one["recall"] for one in singles])
    precision = [np.nan if one["precision"] is None else one["precision"] for one in singles]
    assert np.allclose(curve.precision(THRESHOLDS), precision, equal_nan=True)
    assert curve.best() == max(singles, key=lambda one: one["F1"])
    recall, precision_by_recall = curve.precision_by_recall()
    assert (np.diff(recall) >= 0).all()
    assert precision_by_recall[-1] == singles[0]["precision"]
