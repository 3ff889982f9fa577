"""Draw detections and labels onto pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import box_areas
from sdgasnet.imaging.image import Image

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
LONGEST_ON_PAGE = 960
"""Longer drawings are reduced for pages: these are to be opened on a phone."""
LONGEST_ENLARGED = 1920
"""No picture is enlarged beyond this side: a strip from a line camera is long enough as it is."""
SMALLEST_TEXT = 0.45
"""Size of the captions of a picture of 480 pixels, as a factor of the font's own."""
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
    captions = caption_detections(detections, class_names)
    return draw_boxes(image, detections.boxes_xyxy, detections.labels.tolist(), captions)


def caption_detections(detections: Detections, class_names: Sequence[str]) -> list[str]:
    """Class name and score of each detection."""
    return [
        f"{class_names[label]} {score:.2f}"
        for label, score in zip(detections.labels, detections.scores, strict=True)
    ]


def draw_boxes(
    image: Image, boxes_xyxy: NDArray[np.floating[Any]], labels: Sequence[int], captions: Sequence[str]
) -> NDArray[np.uint8]:
    """The picture with captioned boxes, coloured by class.

    Args:
        image: ``(H, W, 1|3)`` uint8 or uint16.
        boxes_xyxy: ``(N, 4)`` pixels of the picture.
        labels: N class indices.
        captions: N texts; an empty one is not drawn.

    Returns:
        As :func:`draw_detections`.
    """
    canvas, factor = enlarge(image)
    draw_on(canvas, np.asarray(boxes_xyxy, np.float64) * factor, labels, captions)
    return canvas


def enlarge(image: Image) -> tuple[NDArray[np.uint8], int]:
    """A copy to draw on, ``(h, w, 3)`` uint8 RGB, and the whole factor by which it is larger than the picture."""
    factor = _enlargement(image.shape[:2])
    canvas = to_display(image)
    if factor > 1:
        canvas = np.repeat(np.repeat(canvas, factor, axis=0), factor, axis=1)
    return canvas, factor


def reduce_for_page(drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A drawing, reduced if a side is longer than :data:`LONGEST_ON_PAGE`."""
    scale = LONGEST_ON_PAGE / max(drawn.shape[:2])
    if scale >= 1:
        return drawn
    height, width = (max(1, round(side * scale)) for side in drawn.shape[:2])
    return cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def text_size(canvas: NDArray[np.uint8]) -> float:
    """Size of the captions on a canvas, as a factor of the font's own."""
    shorter: int = min(canvas.shape[:2])
    return max(SMALLEST_TEXT, shorter / 1100)


def draw_on(
    canvas: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.floating[Any]],
    labels: Sequence[int],
    captions: Sequence[str],
) -> None:
    """Draw captioned boxes onto a canvas, in place.

    Args:
        canvas: ``(h, w, 3)`` uint8 RGB.
        boxes_xyxy: ``(N, 4)`` pixels of the canvas.
        labels: N class indices.
        captions: N texts; an empty one is not drawn.
    """
    size = text_size(canvas)
    boxes = np.rint(np.asarray(boxes_xyxy, np.float64).reshape(-1, 4))
    colours = [class_colour(label) for label in labels]
    for (x1, y1, x2, y2), colour in list(zip(boxes.astype(int).tolist(), colours, strict=True))[::-1]:
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, max(2, round(2 * size) + 1))
    taken = boxes
    for box, colour, text in zip(boxes, colours, captions, strict=True):
        if not text:
            continue
        caption = _lay_out(text, canvas.shape[1], size)
        bar = _place_caption(caption, box, canvas.shape[:2], taken)
        taken = np.concatenate([taken, bar[None]])
        _draw_caption(canvas, caption, bar, colour)


def to_display(image: Image) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 RGB copy of a grey or colour picture of 8 or 16 bits.

    Of 16 bits, as many are shown as the brightest pixel uses: cameras fill 10 or 12 of them, and the picture
    would be black otherwise.
    """
    if image.dtype == np.uint8:
        eight = image.astype(np.uint8)
    else:
        used_bits = int(image.max(initial=0)).bit_length()
        eight = (image >> max(0, used_bits - 8)).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(eight, 3, axis=2) if image.shape[2] == 1 else eight)


def _enlargement(picture_size: tuple[int, ...]) -> int:
    wanted = -(-SHORTEST_SIDE // min(picture_size))
    return max(1, min(wanted, LONGEST_ENLARGED // max(picture_size)))


class _Caption(NamedTuple):
    """A text and the room it needs, in pixels; ``height`` and ``width`` are those of the bar behind it."""

    text: str
    size: float
    thickness: int
    height: int
    width: int
    baseline: int
    pad: int


def _lay_out(text: str, widest: int, size: float) -> _Caption:
    """The caption as large as asked for, smaller where it is wider than the picture."""
    thickness = max(1, round(2 * size))
    pad = max(2, round(4 * size))
    (width, _), _ = cv2.getTextSize(text, FONT, size, thickness)
    size *= min(1.0, (widest - 2 * pad) / max(1, width))
    (width, height), baseline = cv2.getTextSize(text, FONT, size, thickness)
    return _Caption(text, size, thickness, height + baseline + 2 * pad, width + 2 * pad, baseline, pad)


def _place_caption(
    caption: _Caption,
    box_xyxy: NDArray[np.float64],
    picture_size: tuple[int, ...],
    taken: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The bar above the box, or below, beside or inside it where that hides less of boxes and captions."""
    x1, y1, x2, y2 = box_xyxy
    height, width = caption.height, caption.width
    corners = [(x1, y1 - height), (x1, y2), (x2 - width, y1 - height), (x2 - width, y2)]
    corners += [(x2, y1), (x1 - width, y1), (x1, y1)]
    highest = (picture_size[1] - width, picture_size[0] - height)
    places = np.array(corners).clip(0, np.maximum(highest, 0))
    bars = np.concatenate([places, places + np.array([width, height])], axis=1)
    # A box counts by the share of it that is hidden: a small defect must not vanish below a caption.
    overlap = np.minimum(bars[:, None, 2:], taken[:, 2:]) - np.maximum(bars[:, None, :2], taken[:, :2])
    hidden = overlap.clip(0).prod(axis=2) / np.maximum(box_areas(taken), 1)
    best: NDArray[np.float64] = bars[hidden.sum(axis=1).round(2).argmin()]
    return best


def _draw_caption(
    canvas: NDArray[np.uint8], caption: _Caption, bar_xyxy: NDArray[np.float64], colour: tuple[int, int, int]
) -> None:
    x1, y1, x2, y2 = (int(value) for value in bar_xyxy)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    origin = (x1 + caption.pad, y2 - caption.pad - caption.baseline)
    cv2.putText(canvas, caption.text, origin, FONT, caption.size, ink, caption.thickness, cv2.LINE_AA)
