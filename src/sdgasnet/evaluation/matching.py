"""Which detection found which object, at one overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou

MATCH_IOU = 0.5
"""Overlap from which a detection counts as having found an object, as in AP50."""


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """Labelled objects of one picture, as arrays.

    Attributes:
        boxes_xyxy: ``(M, 4)`` float64, pixels.
        labels: ``(M,)`` class indices.
        crowd: ``(M,)`` bool: a region of many objects.
    """

    boxes_xyxy: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]

    @classmethod
    def of(cls, objects: Sequence[ObjectRecord]) -> GroundTruth:
        """Arrays of the objects, in their order."""
        return cls(
            np.array([thing.box_xyxy for thing in objects], dtype=np.float64).reshape(-1, 4),
            np.array([thing.label for thing in objects], dtype=np.int64),
            np.array([thing.crowd for thing in objects], dtype=np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Detections of one picture against its objects.

    Attributes:
        true_positive: ``(N,)`` bool: the detection found an object of its class first.
        ignored: ``(N,)`` bool: it lies in a crowd region and is neither right nor wrong.
    """

    true_positive: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


def match_detections(found: Detections, objects: Sequence[ObjectRecord]) -> Matches:
    """Match greedily within each class, best score first, at IoU 0.5.

    What a detection is does not depend on those that score less, so one matching holds for every threshold.

    Args:
        found: Detections, best first.
        objects: Labelled objects of the same picture.

    Returns:
        What each detection is.

    Source:
        Order and treatment of crowd regions: Lin et al., Microsoft COCO, ECCV 2014.
    """
    truth = GroundTruth.of(objects)
    true_positive = np.zeros(len(found), dtype=np.bool_)
    overlaps = pairwise_iou(found.boxes_xyxy.astype(np.float64), truth.boxes_xyxy)
    overlaps[found.labels[:, None] != truth.labels[None, :]] = 0.0
    overlaps[:, truth.crowd] = 0.0
    # Few detections reach any object; the others need no look.
    for row in np.nonzero((overlaps >= MATCH_IOU).any(axis=1))[0]:
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= MATCH_IOU:
            true_positive[row] = True
            overlaps[:, best] = 0.0
    return Matches(true_positive, lies_in_crowd(found, truth) & ~true_positive)


def lies_in_crowd(found: Detections, truth: GroundTruth) -> NDArray[np.bool_]:
    """``(N,)`` bool: at least half of the detection lies in a crowd region of its class."""
    boxes, regions = found.boxes_xyxy.astype(np.float64)[:, None, :], truth.boxes_xyxy[truth.crowd][None, :, :]
    sides = np.minimum(boxes[..., 2:], regions[..., 2:]) - np.maximum(boxes[..., :2], regions[..., :2])
    inside = np.clip(sides, 0, None).prod(axis=2)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(axis=2)
    same_class = found.labels[:, None] == truth.labels[truth.crowd][None, :]
    in_region: NDArray[np.bool_] = (same_class & (area > 0) & (inside >= MATCH_IOU * area)).any(axis=1)
    return in_region
