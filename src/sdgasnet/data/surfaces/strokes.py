"""Strokes of a brush or a pen, as defects on boards are painted with: from edge to edge, and along an edge."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.data.surfaces.shapes import turned

Mask = NDArray[np.bool_]
Point = NDArray[np.float64]

BITE_DEPTHS, BITE_WIDTHS = (5.0, 16.0), (4.0, 12.0)
WEAR_LENGTHS, WEAR_DEPTHS, PEN_WIDTHS = (10.0, 60.0), (3.0, 12.0), (2.0, 3.5)
"""Pixels, drawn evenly in their logarithm: as on boards that are seen at about 50 pixels a millimetre."""
BRISTLE_DISTANCES = (2.0, 8.0)
"""Between thin strokes side by side, pixels."""
HATCHED_SHARE = 0.3
"""Of the strokes: thin ones side by side instead of one broad one."""


def draw_stroke(rng: Generator, size: tuple[int, ...], start: Point, end: Point, width: float) -> Mask:
    """A stroke of a brush, or a hatching of thin strokes: ``size``, True where it paints.

    Args:
        rng: Source of randomness.
        size: (height, width) of the picture.
        start: (x, y).
        end: (x, y).
        width: Of the brush or the hatching, pixels.
    """
    canvas = np.zeros(size, np.uint8)
    if rng.random() < HATCHED_SHARE:
        aside = turned((end - start) / max(1.0, float(np.hypot(*(end - start)))), np.pi / 2)
        # The first goes where it was asked to, and so from edge to edge.
        for shift in (0.0, *rng.uniform(-width / 2, width / 2, int(rng.integers(1, 4)))):
            _paint(rng, canvas, start + shift * aside, end + shift * aside, float(rng.uniform(2, 3)))
    else:
        _paint(rng, canvas, start, end, width)
    return canvas > 0


def draw_notch(rng: Generator, size: tuple[int, ...], start: Point, inwards: Point) -> Mask:
    """A stroke from the edge inwards.

    Args:
        rng: Source of randomness.
        size: (height, width) of the picture.
        start: (x, y) on the edge.
        inwards: Unit vector (x, y) away from it.

    Returns:
        ``size``, True where it paints; also beyond the edge. So do the bites below, of the same arguments.
    """
    depth, width = draw_size(rng, BITE_DEPTHS), draw_size(rng, BITE_WIDTHS)
    return draw_stroke(rng, size, start - inwards, start + inwards * depth, width)


def draw_wear(rng: Generator, size: tuple[int, ...], start: Point, inwards: Point) -> Mask:
    """A stroke along the edge, or thin ones beside each other."""
    along = turned(inwards, np.pi / 2) * draw_size(rng, WEAR_LENGTHS) / 2
    return draw_stroke(rng, size, start - along, start + along, 2 * draw_size(rng, WEAR_DEPTHS))


def draw_scrawl(rng: Generator, size: tuple[int, ...], start: Point, inwards: Point) -> Mask:
    """A thin line to and fro along the edge."""
    reach = turned(inwards, np.pi / 2) * draw_size(rng, WEAR_LENGTHS) / 2, inwards * draw_size(rng, WEAR_DEPTHS)
    count = int(rng.integers(3, 9))
    along, across = np.sort(rng.uniform(-1, 1, count)) + rng.normal(0, 0.2, count), rng.uniform(-0.2, 1, count)
    corners = start + along[:, None] * reach[0] + across[:, None] * reach[1]
    canvas = np.zeros(size, np.uint8)
    for first, second in pairwise((start, *corners)):
        _paint(rng, canvas, first, second, draw_size(rng, PEN_WIDTHS))
    return canvas > 0


def draw_bristles(rng: Generator, size: tuple[int, ...], start: Point, inwards: Point) -> Mask:
    """Thin strokes side by side across the edge, on a narrow part across both of its edges."""
    depth, along = draw_size(rng, BITE_DEPTHS), turned(inwards, np.pi / 2)
    places = np.cumsum(rng.uniform(*BRISTLE_DISTANCES, int(rng.integers(2, 9))))
    canvas = np.zeros(size, np.uint8)
    for place in places - places.mean():
        foot, lean = start + place * along, turned(inwards, rng.uniform(-0.6, 0.6))
        outside, inside = rng.uniform(0, 1.5) * depth * lean, rng.uniform(0.3, 1) * depth * lean
        _paint(rng, canvas, foot - outside, foot + inside, draw_size(rng, PEN_WIDTHS))
    return canvas > 0


WORN_EDGES = (draw_wear, draw_scrawl, draw_bristles)
"""Bites that run along the edge, equally often."""


def draw_size(rng: Generator, limits: tuple[float, float]) -> float:
    """A size within limits, drawn evenly in its logarithm."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def _paint(rng: Generator, canvas: NDArray[np.uint8], start: Point, end: Point, width: float) -> None:
    """Paint one ragged, bent stroke."""
    length = float(np.hypot(*(end - start)))
    along = np.linspace(0, 1, max(2, int(length / 2)))[:, None]
    middles = start * (1 - along) + end * along
    for waves in (1, 2):
        sideways = rng.normal(0, 1, 2) * rng.uniform(0, 0.2) * length
        middles += np.sin(np.pi * waves * along) * sideways
    middles += rng.normal(0, 0.08 * width, middles.shape)
    # In quarters of a pixel, for smooth outlines of small brushes.
    points = np.rint(4 * middles).astype(np.int32)
    cv2.polylines(canvas, [points], False, 1, max(2, round(width / 2)), shift=2)
    for x, y in points.tolist():
        radius = max(1.0, width / 2 * rng.uniform(0.7, 1.2))
        cv2.circle(canvas, (x, y), round(4 * radius), 1, cv2.FILLED, shift=2)
