"""The one decoder: from the network's boxes and scores to detections in the source picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import ResizeMap, pairwise_iou

LEAST_VOICE = 0.5
"""Share of a box's score that a candidate needs in order to have a say in where the box lies."""
ROWS = 32
"""Boxes that are averaged at once: the products of more of them leave the processor's cache."""


def decode_detections(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    resize_map: ResizeMap,
    settings: DetectionConfig,
    score_floor: float,
) -> Detections:
    """Map to the source picture, clip, take the best pairs, suppress per class, average what lies together.

    Boxes are clipped before suppression because OpenCV keeps classes apart by shifting coordinates; its own
    top-k would cut before suppression and is not used. Neighbouring points see one defect and place its box
    independently of each other: what suppression throws away still says where the box lies
    (docs/adr/0012-boxes-are-averaged.md).

    Args:
        boxes_xyxy: ``(P, 4)`` input pixels.
        scores: ``(P, K)`` in [0, 1].
        resize_map: How the picture was laid on the canvas.
        settings: Overlaps, number of candidates and of detections.
        score_floor: Lowest score of a detection. What scores less has a say in the place of its neighbours, so
            that a box does not depend on the floor.

    Returns:
        At most ``settings.max_detections`` detections, best first.
    """
    points, labels = np.nonzero((scores >= score_floor * LEAST_VOICE) & (scores > 0))
    values = scores[points, labels]
    order = np.argsort(-values, kind="stable")[: settings.candidates]
    points, labels, values = points[order], labels[order], values[order]
    height, width = resize_map.source_size
    boxes = resize_map.to_source(boxes_xyxy[points]).clip(0, [width, height, width, height]).astype(np.float32)
    real = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    boxes, labels, values = boxes[real], labels[real], values[real]
    high = int(np.count_nonzero(values >= score_floor))
    keep = _suppress(boxes[:high], values[:high], labels[:high], settings.iou_threshold)[: settings.max_detections]
    placed = _average(boxes, values, labels, keep, settings.averaging_iou)
    return Detections(placed, values[keep].astype(np.float32), labels[keep].astype(np.int64), (height, width))


def _suppress(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou_threshold: float,
) -> NDArray[np.int64]:
    if len(scores) == 0:
        return np.zeros(0, np.int64)
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    boxes_xywh = np.concatenate([boxes_xyxy[:, :2], sizes], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxesBatched(boxes_xywh.tolist(), scores.tolist(), labels.tolist(), 0.0, iou_threshold)
    indices = np.asarray(kept, dtype=np.int64).reshape(-1)
    return indices[np.argsort(-scores[indices], kind="stable")]


def _average(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    keep: NDArray[np.int64],
    averaging_iou: float,
) -> NDArray[np.float32]:
    """Means of what lies on each kept box, is of its class and scores enough, weighted with the squared score."""
    placed = boxes_xyxy[keep]
    if averaging_iou == 1:
        return placed
    for start in range(0, len(keep), ROWS):
        rows = keep[start : start + ROWS]
        near = pairwise_iou(boxes_xyxy[rows], boxes_xyxy) > averaging_iou
        near &= labels[rows, None] == labels
        near &= scores >= scores[rows, None] * LEAST_VOICE
        near[np.arange(len(rows)), rows] = True
        weights = near * np.square(scores, dtype=np.float64)
        placed[start : start + ROWS] = weights @ boxes_xyxy / weights.sum(axis=1, keepdims=True)
    return placed
