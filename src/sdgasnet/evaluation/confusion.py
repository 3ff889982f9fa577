"""Confusion matrix of a detector, with background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import MATCH_IOU, lies_in_crowd, object_arrays
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
        shown = found.above(score_threshold)
        boxes, labels, crowd = object_arrays(things)
        pairs = pair_by_overlap(pairwise_iou(boxes[~crowd], shown.boxes_xyxy.astype(np.float64)))
        true_labels = labels[~crowd]
        for row, column in pairs:
            matrix[true_labels[row], shown.labels[column]] += 1
        for row in set(range(len(true_labels))) - {row for row, _ in pairs}:
            matrix[true_labels[row], num_classes] += 1
        for column in set(range(len(shown))) - {column for _, column in pairs}:
            if not lies_in_crowd(shown.boxes_xyxy[column], shown.labels[column], boxes, labels, crowd):
                matrix[num_classes, shown.labels[column]] += 1
    return matrix


def pair_by_overlap(overlaps: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of an ``(N, M)`` overlap matrix, largest first, each row and column once."""
    pairs: list[tuple[int, int]] = []
    rows, columns = np.nonzero(overlaps >= MATCH_IOU)
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    for index in np.argsort(-overlaps[rows, columns], kind="stable"):
        row, column = int(rows[index]), int(columns[index])
        if row not in taken_rows and column not in taken_columns:
            pairs.append((row, column))
            taken_rows.add(row)
            taken_columns.add(column)
    return pairs
