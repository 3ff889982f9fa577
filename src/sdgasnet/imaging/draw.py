"""Draw detections and labels onto pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.image import Image, full_scale

PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (255, 255, 255),
)
"""RGB colours that a colour-blind person can tell apart: Okabe and Ito, Color Universal Design, 2008."""
SHORTEST_SIDE = 480
"""Smaller pictures are enlarged by a whole factor, so that captions can be read."""
FONT = cv2.FONT_HERSHEY_SIMPLEX


def class_colour(label: int) -> tuple[int, int, int]:
    """RGB colour of a class."""
    return PALETTE[label % len(PALETTE)]


def draw_detections(image: Image, detections: Detections, class_names: Sequence[str]) -> NDArray[np.uint8]:
    """The picture with a box, a class name and a score for each detection.

    Args:
        image: ``(H, W, 1|3)`` uint8 or uint16.
        detections: What was found; best ones are drawn last, on top.
        class_names: Names of the labels.

    Returns:
        ``(h, w, 3)`` uint8 RGB, enlarged by a whole factor if the picture is small.
    """
    captions = [
        f"{class_names[label]} {score:.2f}"
        for label, score in zip(detections.labels, detections.scores, strict=True)
    ]
    return draw_boxes(image, detections.boxes_xyxy, detections.labels.tolist(), captions)


def draw_boxes(
    image: Image, boxes_xyxy: NDArray[np.floating[Any]], labels: Sequence[int], captions: Sequence[str]
) -> NDArray[np.uint8]:
    """The picture with captioned boxes, coloured by class.

    Args:
        image: ``(H, W, 1|3)`` uint8 or uint16.
        boxes_xyxy: ``(N, 4)`` pixels of the picture.
        labels: N class indices.
        captions: N texts.

    Returns:
        As :func:`draw_detections`.
    """
    factor = max(1, -(-SHORTEST_SIDE // min(image.shape[:2])))
    canvas = to_display(image)
    if factor > 1:
        canvas = np.repeat(np.repeat(canvas, factor, axis=0), factor, axis=1)
    size = max(0.45, min(canvas.shape[:2]) / 1100)
    thickness = max(1, round(2 * size))
    rows = list(zip(boxes_xyxy * factor, labels, captions, strict=True))[::-1]
    for box, label, _ in rows:
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), class_colour(label), thickness + 1, cv2.LINE_AA)
    for box, label, caption in rows:
        _draw_caption(canvas, (round(float(box[0])), round(float(box[1]))), caption, class_colour(label), size)
    return canvas


def to_display(image: Image) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 RGB copy of a grey or colour picture of 8 or 16 bits."""
    shift = full_scale(image.dtype) // full_scale(np.uint8)
    eight = (image // shift).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(eight, 3, axis=2) if image.shape[2] == 1 else eight)


def _draw_caption(
    canvas: NDArray[np.uint8], corner: tuple[int, int], text: str, colour: tuple[int, int, int], size: float
) -> None:
    """A caption on a filled bar above the box, moved inside the picture where it would stick out."""
    thickness = max(1, round(2 * size))
    (width, height), baseline = cv2.getTextSize(text, FONT, size, thickness)
    pad = max(2, round(4 * size))
    bar_height = height + baseline + 2 * pad
    left = max(0, min(corner[0], canvas.shape[1] - width - 2 * pad))
    top = corner[1] - bar_height if corner[1] >= bar_height else corner[1]
    top = max(0, min(top, canvas.shape[0] - bar_height))
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pad, top + bar_height), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    origin = (left + pad, top + pad + height)
    cv2.putText(canvas, text, origin, FONT, size, ink, thickness, cv2.LINE_AA)
