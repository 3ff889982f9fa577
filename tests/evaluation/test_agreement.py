"""Differences against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.errors import ModelError
from sdgasnet.evaluation.agreement import (
    LEAST_POINTS,
    Spread,
    compare_detections,
    compare_raw,
    pair_detections,
)
from sdgasnet.imaging.detections import Detections
from sdgasnet.runtime.session import RawOutputs


def raw(scores: np.ndarray, boxes: np.ndarray | None = None) -> RawOutputs:
    points = len(scores)
    boxes = np.zeros((points, 4)) if boxes is None else boxes
    return RawOutputs(
        boxes[None].astype(np.float32), scores[None].astype(np.float32), np.zeros((1, 1), np.float32)
    )


def detections(*things: tuple[float, float, int]) -> Detections:
    """Squares of 10 pixels: (left, score, label)."""
    boxes = np.array([(left, 0, left + 10, 10) for left, _, _ in things], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in things], np.float32)
    return Detections(boxes, scores, np.array([label for _, _, label in things], np.int64), (10, 100))


def test_points_count_where_either_scores() -> None:
    one = raw(np.array([[0.5, 0.0], [0.0, 0.001], [0.0, 0.002]]))
    other = raw(
        np.array([[0.25, 0.0], [0.0, 0.101], [0.0, 0.001]]), np.array([[0, 0, 0, 0], [0, 2, 0, 0], [9] * 4])
    )
    differences = compare_raw(one, other, 0.01)
    np.testing.assert_allclose(differences.scores, [[0.25, 0], [0, 0.1]], atol=1e-7)
    np.testing.assert_allclose(differences.boxes, [[0, 0, 0, 0], [0, 2, 0, 0]])


def test_where_nothing_scores_the_best_points_count() -> None:
    scores = np.linspace(0, 0.009, 50)[:, None]
    assert len(compare_raw(raw(scores), raw(scores), 0.01).scores) == LEAST_POINTS


def test_what_is_no_number_is_seen() -> None:
    scores = np.array([[0.5], [0.6]])
    differences = compare_raw(raw(scores), raw(np.array([[np.nan], [0.6]])), 0.01)
    assert np.isnan(Spread.of([differences.scores]).largest)


def test_other_shapes_are_an_error() -> None:
    with pytest.raises(ModelError, match="Output scores is"):
        compare_raw(raw(np.ones((3, 2))), raw(np.ones((3, 1))), 0.01)


def test_spread_of_several_pictures() -> None:
    spread = Spread.of([np.zeros(999), np.array([5.0])])
    assert spread.largest == 5
    assert spread.p999 == pytest.approx(np.percentile([*[0.0] * 999, 5.0], 99.9))


def test_nearest_of_one_class_belong_together() -> None:
    one = detections((0, 0.9, 0), (2, 0.8, 0), (50, 0.7, 1))
    other = detections((2, 0.95, 0), (50, 0.6, 0))
    assert [(row, column) for row, column, _ in pair_detections(one, other)] == [(1, 0)]


def test_matched_detections_by_hand() -> None:
    one = [detections((0, 0.9, 0), (40, 0.6, 1)), detections()]
    other = [detections((1, 0.8, 0)), detections((70, 0.5, 0))]
    found = compare_detections(one, other)
    assert (found.matched, found.unmatched_reference, found.unmatched_bundle) == (1, 1, 1)
    assert found.mean_iou == found.least_iou == pytest.approx(9 / 11)
    assert found.mean_score_shift == pytest.approx(-0.1)
    assert found.largest_score_shift == pytest.approx(0.1)
    assert found.unmatched_share == pytest.approx(0.5)
    assert found.any


def test_silence_agrees_with_silence() -> None:
    found = compare_detections([detections()], [detections()])
    assert found.matched == 0
    assert not found.any
    assert found.mean_iou is None
    assert found.unmatched_share == 0
