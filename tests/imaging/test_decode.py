from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.geometry import ResizeMap, pairwise_iou

SAME = ResizeMap.letterbox((100, 100), (100, 100))


def random_outputs(seed: int, points: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-10, 90, (points, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (points, 2))], axis=1).astype(np.float32)
    return boxes, rng.uniform(0, 1, (points, classes)).astype(np.float32)


def brute_force(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], config: DetectionConfig, floor: float
) -> list[tuple[int, float]]:
    clipped = boxes.clip(0, 100)
    pairs = [(float(scores[p, k]), p, k) for p in range(len(boxes)) for k in range(scores.shape[1])]
    pairs = sorted((pair for pair in pairs if pair[0] >= floor), key=lambda pair: -pair[0])[: config.candidates]
    pairs = [pair for pair in pairs if (clipped[pair[1], 2:] > clipped[pair[1], :2]).all()]
    kept: list[tuple[float, int, int]] = []
    for score, point, label in pairs:
        overlaps = [
            pairwise_iou(clipped[None, point].astype(float), clipped[None, other].astype(float))[0, 0]
            for _, other, other_label in kept
            if other_label == label
        ]
        if all(overlap <= config.iou_threshold for overlap in overlaps):
            kept.append((score, point, label))
    return [(label, score) for score, _, label in kept[: config.max_detections]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25), st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.7]))
def test_equals_brute_force_suppression_per_class(seed: int, points: int, classes: int, floor: float) -> None:
    boxes, scores = random_outputs(seed, points, classes)
    config = DetectionConfig(iou_threshold=0.5, candidates=40, max_detections=15)
    found = decode_detections(boxes, scores, SAME, config, floor)
    expected = brute_force(boxes, scores, config, floor)
    assert list(zip(found.labels.tolist(), found.scores.tolist(), strict=True)) == expected
    assert (np.diff(found.scores) <= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_ties_keep_the_order_of_points_and_classes(seed: int, points: int) -> None:
    boxes, scores = random_outputs(seed, points, 3)
    scores = np.round(scores * 3).astype(np.float32) / 4
    config = DetectionConfig(iou_threshold=0.4, candidates=30, max_detections=300)
    found = decode_detections(boxes, scores, SAME, config, 0.1)
    expected = brute_force(boxes, scores, config, 0.1)
    assert list(zip(found.labels.tolist(), found.scores.tolist(), strict=True)) == expected


def average_by_hand(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], label: int, score: float, averaging_iou: float
) -> NDArray[np.float64]:
    """The mean of what overlaps the box of that class and score, one candidate after the other."""
    clipped = boxes.clip(0, 100).astype(np.float64)
    middle = clipped[np.flatnonzero(scores[:, label] == np.float32(score))[0]]
    total, weights = np.zeros(4), 0.0
    for box, weight in zip(clipped, scores[:, label].astype(np.float64), strict=True):
        overlap = pairwise_iou(middle[None], box[None])[0, 0]
        if weight >= score / 2 and overlap > averaging_iou and (box[2:] > box[:2]).all():
            total, weights = total + weight**2 * box, weights + weight**2
    return total / weights


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 3), st.sampled_from([0.1, 0.5, 0.7]))
def test_boxes_are_means_of_what_lies_on_them(seed: int, points: int, classes: int, averaging_iou: float) -> None:
    boxes, scores = random_outputs(seed, points, classes)
    config = DetectionConfig(averaging_iou=averaging_iou)
    found = decode_detections(boxes, scores, SAME, config, 0.3)
    for box, score, label in zip(found.boxes_xyxy, found.scores, found.labels, strict=True):
        expected = average_by_hand(boxes, scores, label, float(score), averaging_iou)
        assert np.allclose(box, expected, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_the_floor_leaves_the_boxes_above_it_alone(seed: int, floor: float) -> None:
    boxes, scores = random_outputs(seed, 30, 2)
    config = DetectionConfig(averaging_iou=0.3)
    everything = decode_detections(boxes, scores, SAME, config, 0.01).above(floor)
    found = decode_detections(boxes, scores, SAME, config, floor)
    assert np.array_equal(found.scores, everything.scores)
    assert np.array_equal(found.labels, everything.labels)
    assert np.allclose(found.boxes_xyxy, everything.boxes_xyxy, atol=1e-4)


def test_averaging_can_be_switched_off() -> None:
    boxes = np.array([[10, 10, 20, 20], [10, 10, 20, 21]], np.float32)
    scores = np.array([[0.9], [0.8]], np.float32)
    own = decode_detections(boxes, scores, SAME, DetectionConfig(averaging_iou=1.0), 0.1)
    mean = decode_detections(boxes, scores, SAME, DetectionConfig(), 0.1)
    assert own.boxes_xyxy.tolist() == [[10, 10, 20, 20]]
    assert 20.4 < mean.boxes_xyxy[0, 3] < 20.5
    assert own.scores.tolist() == mean.scores.tolist()


def test_a_box_with_next_to_no_area_keeps_its_place() -> None:
    boxes = np.array([[0, 0, 1e-30, 1e-30]], np.float32)
    found = decode_detections(boxes, np.array([[0.9]], np.float32), SAME, DetectionConfig(), 0.1)
    assert np.isfinite(found.boxes_xyxy).all()


def test_no_points_at_all() -> None:
    found = decode_detections(
        np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32), SAME, DetectionConfig(), 0.0
    )
    assert len(found) == 0


def test_the_floor_itself_is_kept_and_what_is_no_number_is_not() -> None:
    boxes = np.array([[0, 0, 9, 9], [20, 20, 30, 30], [40, 40, 50, 50]], np.float32)
    boxes[2, 0] = np.nan
    scores = np.array([[0.25], [np.nan], [0.9]], np.float32)
    found = decode_detections(boxes, scores, SAME, DetectionConfig(), 0.25)
    assert found.scores.tolist() == [0.25]


def test_candidates_are_cut_over_all_classes_before_suppression() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    found = decode_detections(boxes, scores, SAME, DetectionConfig(candidates=2), 0.1)
    assert len(found) == 1


def test_nothing_above_the_floor() -> None:
    boxes, scores = random_outputs(0, 5, 2)
    found = decode_detections(boxes, scores * 0.1, SAME, DetectionConfig(), 0.5)
    assert len(found) == 0
    assert found.boxes_xyxy.shape == (0, 4)


def test_classes_do_not_suppress_each_other_even_where_coordinates_are_large() -> None:
    resize_map = ResizeMap.letterbox((4000, 4000), (640, 640))
    boxes = np.array([[0, 0, 640, 640], [0, 0, 640, 640]], np.float32)
    scores = np.array([[0.9, 0.0], [0.0, 0.8]], np.float32)
    found = decode_detections(boxes, scores, resize_map, DetectionConfig(), 0.1)
    assert found.labels.tolist() == [0, 1]
    assert found.boxes_xyxy[0].tolist() == [0, 0, 4000, 4000]


def test_boxes_are_mapped_to_the_source_and_clipped() -> None:
    resize_map = ResizeMap.letterbox((50, 100), (64, 64))
    boxes = np.array([[-20, 16, 32, 32]], np.float32)
    found = decode_detections(boxes, np.array([[0.9]], np.float32), resize_map, DetectionConfig(), 0.1)
    assert np.allclose(found.boxes_xyxy, [[0, 0, 50, 25]])
    assert found.source_size == (50, 100)


def test_a_box_outside_the_picture_vanishes() -> None:
    boxes = np.array([[-30, -30, -5, -5], [10, 10, 20, 20]], np.float32)
    found = decode_detections(boxes, np.array([[0.9], [0.8]], np.float32), SAME, DetectionConfig(), 0.1)
    assert found.scores.tolist() == [np.float32(0.8)]


def test_at_most_max_detections() -> None:
    corner = np.arange(30, dtype=np.float32)[:, None] * 3
    boxes = np.concatenate([corner, corner, corner + 2, corner + 2], axis=1)
    scores = np.linspace(0.5, 0.9, 30, dtype=np.float32)[:, None]
    found = decode_detections(boxes, scores, SAME, DetectionConfig(max_detections=7), 0.1)
    assert len(found) == 7
    assert found.scores[0] == np.float32(0.9)
