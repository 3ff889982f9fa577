"""Confusion matrix of a detector, with background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import MATCH_IOU, GroundTruth, lies_in_crowd
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou


def compute_confusion(
    detections: Sequence[Detections],
    ground_truth: Sequence[Sequence[ObjectRecord]],
    num_classes: int,
    score_threshold: float,
) -> NDArray[np.int64]:
    """Count what was taken for what at a threshold.

    Objects and detections are paired whatever their classes, largest overlap first, from IoU 0.5 on.

    Args:
        detections: One value a picture.
        ground_truth: Labelled objects of the same pictures.
        num_classes: K.
        score_threshold: Detections below do not count.

    Returns:
        ``(K + 1, K + 1)``: row = true class, column = detected class, the last of both = background (column:
        missed objects, row: false alarms).
    """
    matrix = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    for found, things in zip(detections, ground_truth, strict=True):
        shown, truth = found.above(score_threshold), GroundTruth.of(things)
        boxes, labels = truth.boxes_xyxy[~truth.crowd], truth.labels[~truth.crowd]
        rows, columns = pair_by_overlap(pairwise_iou(boxes, shown.boxes_xyxy.astype(np.float64)))
        alarm = ~lies_in_crowd(shown, truth)
        alarm[columns] = False
        np.add.at(matrix, (labels[rows], shown.labels[columns]), 1)
        matrix[:-1, -1] += np.bincount(np.delete(labels, rows), minlength=num_classes)
        matrix[-1, :-1] += np.bincount(shown.labels[alarm], minlength=num_classes)
    return matrix


def pair_by_overlap(overlaps: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Pair rows and columns of an ``(N, M)`` overlap matrix, largest overlap first, each once.

    Returns:
        Rows and columns of the pairs, both of one length.

    Examples:
        >>> pair_by_overlap(np.array([[0.6, 0.9], [0.8, 0.95]]))
        ([1, 0], [1, 0])
    """
    rows: list[int] = []
    columns: list[int] = []
    candidates = np.argwhere(overlaps >= MATCH_IOU)
    order = np.argsort(-overlaps[tuple(candidates.T)], kind="stable")
    for row, column in candidates[order].tolist():
        if row not in rows and column not in columns:
            rows.append(row)
            columns.append(column)
    return rows, columns
