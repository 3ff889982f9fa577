"""The one decoder: from the network's boxes and scores to detections in the source picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import ResizeMap


def decode_detections(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    resize_map: ResizeMap,
    settings: DetectionConfig,
    score_floor: float,
) -> Detections:
    """Map to the source picture, clip, take the best pairs, suppress per class.

    Boxes are clipped before suppression because OpenCV keeps classes apart by shifting coordinates; its own
    top-k would cut before suppression and is not used.

    Args:
        boxes_xyxy: ``(P, 4)`` input pixels.
        scores: ``(P, K)`` in [0, 1].
        resize_map: How the picture was laid on the canvas.
        settings: Overlap, number of candidates and of detections.
        score_floor: Lowest score that is looked at.

    Returns:
        At most ``settings.max_detections`` detections, best first.
    """
    points, labels = np.nonzero((scores >= score_floor) & (scores > 0))
    values = scores[points, labels]
    order = np.argsort(-values, kind="stable")[: settings.candidates]
    points, labels, values = points[order], labels[order], values[order]
    height, width = resize_map.source_size
    boxes = resize_map.to_source(boxes_xyxy[points]).clip(0, [width, height, width, height]).astype(np.float32)
    real = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    boxes, labels, values = boxes[real], labels[real], values[real]
    keep = _suppress(boxes, values, labels, settings.iou_threshold)[: settings.max_detections]
    return Detections(boxes[keep], values[keep].astype(np.float32), labels[keep].astype(np.int64), (height, width))


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
