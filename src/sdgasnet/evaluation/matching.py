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

    Args:
        found: Detections, best first.
        objects: Labelled objects of the same picture.

    Returns:
        What each detection is.
    """
    true_positive = np.zeros(len(found), dtype=np.bool_)
    ignored = np.zeros(len(found), dtype=np.bool_)
    if len(found) == 0 or not objects:
        return Matches(true_positive, ignored)
    boxes, labels, crowd = object_arrays(objects)
    overlaps = pairwise_iou(found.boxes_xyxy.astype(np.float64), boxes)
    free = ~crowd
    for row in range(len(found)):
        usable = np.where(free & (labels == found.labels[row]), overlaps[row], 0.0)
        best = int(usable.argmax())
        if usable[best] >= MATCH_IOU:
            true_positive[row], free[best] = True, False
        else:
            ignored[row] = lies_in_crowd(found.boxes_xyxy[row], found.labels[row], boxes, labels, crowd)
    return Matches(true_positive, ignored)


def lies_in_crowd(
    box_xyxy: NDArray[np.float32],
    label: np.int64,
    boxes: NDArray[np.float64],
    labels: NDArray[np.int64],
    crowd: NDArray[np.bool_],
) -> bool:
    """Whether at least half of a detection lies in a crowd region of its class."""
    regions = boxes[crowd & (labels == label)]
    left_top = np.maximum(regions[:, :2], box_xyxy[:2])
    right_bottom = np.minimum(regions[:, 2:], box_xyxy[2:])
    overlap = np.clip(right_bottom - left_top, 0, None).prod(axis=1)
    area = float((box_xyxy[2:] - box_xyxy[:2]).prod())
    return bool((overlap >= MATCH_IOU * area).any()) if area > 0 else False


def object_arrays(
    objects: Sequence[ObjectRecord],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Boxes ``(M, 4)``, labels ``(M,)`` and crowd flags ``(M,)``."""
    boxes = np.array([thing.box_xyxy for thing in objects], dtype=np.float64).reshape(-1, 4)
    labels = np.array([thing.label for thing in objects], dtype=np.int64)
    return boxes, labels, np.array([thing.crowd for thing in objects], dtype=np.bool_)
