"""Draw a verdict: a banner above the picture, what counts, what does not, and where it would."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.decision.rules import DecisionRules, Polygon
from sdgasnet.decision.verdict import Verdict
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.draw import FONT, caption_detections, draw_on, enlarge, text_size
from sdgasnet.imaging.image import Image

NG_COLOUR, OK_COLOUR = (213, 94, 0), (0, 114, 178)
"""RGB of the banner, vermilion and blue of the palette: told apart by the colour-blind, too, and in grey."""
INK, GROUND = (255, 255, 255), (0, 0, 0)
FAINT = 0.5
"""How much of a detection that does not count is seen."""
MOST_REASONS = 3
NARROWEST = 320
"""Pixels that a banner needs to be read; narrower pictures get black beside them."""
LONGEST_TEXT = 400
"""Characters of a reason that are drawn."""


def draw_verdict(
    image: Image, detections: Detections, class_names: Sequence[str], verdict: Verdict, rules: DecisionRules
) -> NDArray[np.uint8]:
    """The picture with its verdict and reasons above it, and its detections.

    Detections that do not count are drawn faintly and below the others; thin outlines show the regions of
    interest and the ignored ones.

    Args:
        image: ``(H, W, 1|3)`` uint8 or uint16.
        detections: What was found.
        class_names: Names of the labels.
        verdict: What was decided.
        rules: What it was decided by.

    Returns:
        ``(h, w, 3)`` uint8 RGB, the picture below the banner, enlarged by a whole factor if it is small.
    """
    canvas, factor = enlarge(image)
    for polygon in rules.ignored_regions:
        _draw_region(canvas, polygon, factor, "ignored")
    for polygon in rules.regions_of_interest:
        _draw_region(canvas, polygon, factor, "region of interest")
    if not verdict.counted.all():
        faint = canvas.copy()
        _draw_detections(faint, detections.where(~verdict.counted), class_names, factor)
        canvas = cv2.addWeighted(faint, FAINT, canvas, 1 - FAINT, 0).astype(np.uint8, copy=False)
    _draw_detections(canvas, detections.where(verdict.counted), class_names, factor)
    if canvas.shape[1] < NARROWEST:
        canvas = np.pad(canvas, ((0, 0), (0, NARROWEST - canvas.shape[1]), (0, 0)))
    return np.concatenate([_banner(verdict, canvas.shape[1], text_size(canvas)), canvas])


def _draw_detections(
    canvas: NDArray[np.uint8], detections: Detections, class_names: Sequence[str], factor: int
) -> None:
    boxes = detections.boxes_xyxy.astype(np.float64) * factor
    draw_on(canvas, boxes, detections.labels.tolist(), caption_detections(detections, class_names))


def _draw_region(canvas: NDArray[np.uint8], polygon: Polygon, factor: int, name: str) -> None:
    """A thin white outline with black beside it, so that it is seen on any ground, and its name."""
    corners = np.rint(np.array(polygon, np.float64) * factor).clip(-(2**15), 2**15).astype(np.int32)
    for colour, thickness in ((GROUND, 3), (INK, 1)):
        cv2.polylines(canvas, [corners], True, colour, thickness, cv2.LINE_AA)
    left, top, _, _ = (max(0, value) for value in cv2.boundingRect(corners))
    size = text_size(canvas)
    (width, height), baseline = cv2.getTextSize(name, FONT, size, 1)
    pad = baseline // 2
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pad, top + height + baseline + pad), GROUND, cv2.FILLED)
    cv2.putText(canvas, name, (left + pad, top + height + pad), FONT, size, INK, 1, cv2.LINE_AA)


def _banner(verdict: Verdict, width: int, size: float) -> NDArray[np.uint8]:
    """The verdict in large letters, and reasons beside it, a line each."""
    lines = [reason[:LONGEST_TEXT] for reason in verdict.reasons[:MOST_REASONS]]
    if more := len(verdict.reasons) - len(lines):
        lines[-1] += f", and for {more} more {'class' if more == 1 else 'classes'}"
    pad, thickness = round(12 * size) + 2, max(1, round(2 * size))
    (word_width, word_height), _ = cv2.getTextSize(verdict.word, FONT, 2 * size, 2 * thickness)
    (_, line_height), baseline = cv2.getTextSize("Ng", FONT, size, thickness)
    step = line_height + baseline + pad // 2
    height = max(word_height, len(lines) * step - pad // 2) + 2 * pad
    banner = np.full((height, width, 3), NG_COLOUR if verdict.ng else OK_COLOUR, np.uint8)
    middle = (height + word_height) // 2
    cv2.putText(banner, verdict.word, (pad, middle), FONT, 2 * size, INK, 2 * thickness, cv2.LINE_AA)
    left = word_width + 3 * pad
    first = (height - len(lines) * step + pad // 2) // 2 + line_height
    for number, line in enumerate(lines):
        (line_width, _), _ = cv2.getTextSize(line, FONT, size, thickness)
        fitting = size * min(1.0, (width - left - pad) / max(1, line_width))
        place = (left, first + number * step)
        cv2.putText(banner, line, place, FONT, fitting, INK, thickness if fitting > 0.4 else 1, cv2.LINE_AA)
    return banner
