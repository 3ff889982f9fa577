from __future__ import annotations

import itertools

import numpy as np

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.confusion import compute_confusion, pair_by_overlap
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou

A, B, FAR = [10.0, 10, 30, 30], [50.0, 50, 70, 70], [80.0, 0, 90, 10]


def detections(*rows: tuple[list[float], float, int]) -> Detections:
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
        (100, 100),
    )


def thing(label: int, box: list[float], crowd: bool = False) -> ObjectRecord:
    return ObjectRecord(label, (box[0], box[1], box[2], box[3]), crowd=crowd)


def test_by_hand() -> None:
    found = [detections((A, 0.9, 1), (FAR, 0.8, 0), (B, 0.1, 1)), detections((A, 0.9, 0), (B, 0.8, 0))]
    truth = [[thing(0, A), thing(1, B)], [thing(0, A), thing(0, B, crowd=True)]]
    matrix = compute_confusion(found, truth, 2, score_threshold=0.25)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_nothing_labelled_and_nothing_found() -> None:
    assert compute_confusion([detections()], [[]], 2, score_threshold=0.25).sum() == 0
    assert compute_confusion([], [], 2, score_threshold=0.25).shape == (3, 3)


def test_pairs_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        overlaps = rng.uniform(0, 1, (int(rng.integers(0, 6)), int(rng.integers(0, 6))))
        expected = []
        left = set(itertools.product(range(overlaps.shape[0]), range(overlaps.shape[1])))
        while left and overlaps[best := max(left, key=lambda pair: overlaps[pair])] >= 0.5:
            expected.append(best)
            left = {pair for pair in left if pair[0] != best[0] and pair[1] != best[1]}
        assert list(zip(*pair_by_overlap(overlaps), strict=True)) == expected


def test_rows_count_objects_and_columns_count_detections(random_case) -> None:
    found, truth = random_case(11, 60, 4)
    matrix = compute_confusion(found, truth, 4, score_threshold=0.3)
    for label in range(4):
        objects = sum(one.label == label and not one.crowd for things in truth for one in things)
        assert matrix[label].sum() == objects
    without_crowd = [[one for one in things if not one.crowd] for things in truth]
    matrix = compute_confusion(found, without_crowd, 4, score_threshold=0.3)
    shown = np.concatenate([one.above(0.3).labels for one in found])
    assert matrix.sum(axis=0)[:4].tolist() == np.bincount(shown, minlength=4).tolist()
    paired = sum(
        len(pair_by_overlap(pairwise_iou(np.array([t.box_xyxy for t in things]), one.above(0.3).boxes_xyxy))[0])
        for one, things in zip(found, without_crowd, strict=True)
        if things
    )
    assert matrix[:4, :4].sum() == paired
