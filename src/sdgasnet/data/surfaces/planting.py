"""Circuit-board defects planted on real pictures of good boards: exact labels, and no bad board needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.data.surfaces.shapes import turned
from sdgasnet.data.surfaces.strokes import (
    WORN_EDGES,
    Mask,
    Point,
    draw_notch,
    draw_size,
    draw_stroke,
)
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import Image

Tone = Literal["dark", "light"]

LEAST_CONTRAST = 0.25
"""Between the two tones, of full scale."""
MOST_BETWEEN = 0.1
"""Share of the pixels that may lie in the middle half between the tones: edges do, shades do."""
OUTSIDE = 0.01
"""Share of the pixels at either end that says nothing of the tones."""
BORDER = 8
"""Pixels by which a picture is continued, so that its border is no edge of the copper."""
SHORTEST_CUT, WIDEST_CUT = 4, 72
"""Length of the way from edge to edge that is cut or bridged, pixels."""
WIDEST_HOLE = 60
"""Ground that copper encloses, and that is no larger either way, is a drill hole; pixels."""
CUT_WIDTHS, ISLAND_RADII = (4.0, 16.0), (2.5, 12.0)
"""Pixels, drawn evenly in their logarithm: as on boards that are seen at about 50 pixels a millimetre."""
NOTCH_SHARE = 0.4
"""Of the bites; the others run along the edge. Were all narrow, a network would tell a bite from an open, a spur
from a short, by its size, and not by whether something is parted or joined."""
LEAST_PIECE = 40
"""Pixels of a part that is cut off, from which on a bite would be an open."""
NEAR = 6
"""Half of the distance, pixels, up to which pieces belong to one bite."""
SURROUNDINGS = 12
"""Pixels around a bite in which it may part and join nothing."""
SMALLEST_AREA = 12
"""Changed pixels below which nobody would call it a defect."""
ATTEMPTS = 20


class Region(NamedTuple):
    """One of the two tones of a picture.

    Attributes:
        inside: ``(H, W)`` where the picture has this tone.
        depth: ``(H, W)`` float32, distance to the nearest pixel of the other tone, 0 there.
    """

    inside: Mask
    depth: NDArray[np.float32]


@dataclass(frozen=True)
class Planting:
    """What is planted and how it is labelled.

    Attributes:
        labels: Key of :data:`PLANTED_DEFECTS` -> label of such a defect.
        copper: Tone of the copper.
        margin: Pixels that boxes stand off the changed pixels.
    """

    labels: Mapping[str, int]
    copper: Tone
    margin: int


def plant_defects(
    image: Image, count: int, tones: tuple[int, int], planting: Planting, rng: Generator
) -> tuple[Image, tuple[ObjectRecord, ...]]:
    """Change a picture of a good board so that it shows defects.

    Args:
        image: ``(H, W, 1)`` uint8 or uint16 of two tones; not changed.
        count: Number of defects; fewer where the board has no room for them. Their boxes don't overlap.
        tones: The dark and the light one, from :func:`find_tones`.
        planting: Which kinds.
        rng: Source of randomness.

    Returns:
        The changed picture, and its defects.

    Examples:
        >>> board = np.full((64, 64, 1), 255, np.uint8)
        >>> board[24:40] = 0
        >>> planting = Planting({"open": 0}, "dark", margin=2)
        >>> picture, defects = plant_defects(board, 1, (0, 255), planting, np.random.default_rng(0))
        >>> bool((picture[24:40] == 255).any()), len(defects)
        (True, 1)
    """
    grey = image[:, :, 0].copy()
    height, width = grey.shape
    kinds = tuple(planting.labels)
    taken = np.zeros(grey.shape, np.bool_)
    objects: list[ObjectRecord] = []
    for _ in range(ATTEMPTS * count):
        if len(objects) == count:
            break
        kind = kinds[rng.integers(len(kinds))]
        draw, is_of_copper = PLANTED_DEFECTS[kind]
        is_dark = is_of_copper == (planting.copper == "dark")
        region = find_region(grey, tones, is_dark)
        changed = draw(rng, region)
        if changed is None or changed.sum() < SMALLEST_AREA:
            continue
        left, top, right, bottom = _hull(changed, planting.margin, width, height)
        if taken[top:bottom, left:right].any():
            continue
        taken[top:bottom, left:right] = True
        # With what a soft edge has beyond the stroke, or a seam would show where the edge was.
        grey[changed | (_around(changed) & ~region.inside)] = tones[1] if is_dark else tones[0]
        box = (float(left), float(top), float(right), float(bottom))
        objects.append(ObjectRecord(planting.labels[kind], box))
    return grey[:, :, None], tuple(objects)


def find_tones(counts: NDArray[np.int64]) -> tuple[int, int]:
    """The dark and the light tone of near-binary pictures.

    Args:
        counts: ``(256,)`` or ``(65536,)``: how many pixels of all pictures together have each value; of all, for
            a single one may show nothing but ground.

    Raises:
        DataError: There is one tone only, or there are many.

    Examples:
        >>> find_tones(np.bincount([8, 8, 8, 250, 250, 251], minlength=256))
        (8, 250)
    """
    values, below = np.arange(len(counts)), np.cumsum(counts)
    low, high = (int(np.searchsorted(below, share * below[-1])) for share in (OUTSIDE, 1 - OUTSIDE))
    between = share_between(counts, (low, high))
    if high - low < LEAST_CONTRAST * (len(counts) - 1) or between > MOST_BETWEEN:
        raise DataError(
            f"The pictures are not of two tones: {1 - 2 * OUTSIDE:.0%} of their pixels lie from {low} to {high}, "
            f"{between:.0%} of all between the tones (at most {MOST_BETWEEN:.0%}). Give pictures as a scanner "
            "for bare boards makes them, or binarise yours first."
        )
    is_dark = values < (low + high) / 2
    dark, light = (int(_median(counts * half)) for half in (is_dark, ~is_dark))
    return dark, light


def share_between(counts: NDArray[np.int64], tones: tuple[int, int]) -> float:
    """Share of the pixels in the middle half between two tones."""
    quarter = (tones[1] - tones[0]) / 4
    values = np.arange(len(counts))
    is_between = (values > tones[0] + quarter) & (values < tones[1] - quarter)
    return float(counts[is_between].sum() / counts.sum())


def find_region(grey: NDArray[np.uint8 | np.uint16], tones: tuple[int, int], is_dark: bool) -> Region:
    """The dark or the light part of a picture, and how far from its edge each pixel lies."""
    inside = (grey < sum(tones) / 2) == is_dark
    sides = (BORDER,) * 4
    continued = cv2.copyMakeBorder(inside.astype(np.uint8), *sides, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(continued, cv2.DIST_L2, 5)[BORDER:-BORDER, BORDER:-BORDER]
    return Region(inside, np.asarray(depth, np.float32))


def cut_through(rng: Generator, region: Region) -> Mask | None:
    """A stroke from edge to edge across a narrow part: opens a trace, cuts off a corner."""
    is_edge = (region.depth > 0) & (region.depth <= 1.5)
    steps = np.arange(1.0, WIDEST_CUT)[:, None]
    for _ in range(ATTEMPTS):
        start = _pick(rng, is_edge)
        inwards = None if start is None else _inwards(region, start, rng.uniform(-1, 1))
        if start is None or inwards is None:
            continue
        path = (start + steps * inwards).astype(int)
        height, width = region.inside.shape
        path = path[((path >= 0) & (path < (width, height))).all(axis=1)]
        leaves = np.flatnonzero(~region.inside[path[:, 1], path[:, 0]])
        if len(leaves) and leaves[0] >= SHORTEST_CUT:
            end = start + inwards * (leaves[0] + 2)
            stroke = draw_stroke(rng, region.inside.shape, start - 2 * inwards, end, draw_size(rng, CUT_WIDTHS))
            return stroke & region.inside
    return None


def bridge(rng: Generator, region: Region) -> Mask | None:
    """A stroke from edge to edge across a gap; not across a drill hole, where it would join nothing."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(region.inside.astype(np.uint8))
    height, width = region.inside.shape
    holes = [
        part
        for part in range(1, count)
        for left, top, wide, high in [stats[part, : cv2.CC_STAT_AREA]]
        if max(wide, high) <= WIDEST_HOLE and left > 0 and top > 0 and left + wide < width and top + high < height
    ]
    is_gap = region.inside & ~np.isin(parts, holes)
    return cut_through(rng, Region(is_gap, np.where(is_gap, region.depth, np.float32(0))))


def bite(rng: Generator, region: Region) -> Mask | None:
    """A piece taken from the edge that parts and joins nothing: a mouse bite, or a spur of the other tone."""
    is_edge = (region.depth > 0) & (region.depth <= 1.5)
    for _ in range(ATTEMPTS):
        start = _pick(rng, is_edge)
        inwards = None if start is None else _inwards(region, start, rng.uniform(-0.6, 0.6))
        if start is None or inwards is None:
            continue
        draw = draw_notch if rng.random() < NOTCH_SHARE else WORN_EDGES[rng.integers(len(WORN_EDGES))]
        changed = draw(rng, region.inside.shape, start, inwards) & region.inside
        if changed.any() and _is_one_spot(changed) and _leaves_whole(region.inside, changed):
            return changed
    return None


def island(rng: Generator, region: Region) -> Mask | None:
    """A blob that touches no edge: a pin hole, or spurious copper."""
    radius = draw_size(rng, ISLAND_RADII)
    for _ in range(ATTEMPTS):
        middle = _pick(rng, region.depth >= 2.2 * radius + 4)
        if middle is None:
            radius *= 0.75
            continue
        reach = turned(np.array([radius, 0.0]) * rng.uniform(0.2, 2.0), rng.uniform(0, 2 * np.pi))
        width = radius * rng.uniform(1.0, 1.8)
        blob = draw_stroke(rng, region.inside.shape, middle - reach, middle + reach, width)
        if rng.random() < 0.3:
            blob |= draw_stroke(rng, blob.shape, middle, middle + rng.normal(0, radius / 2, 2), radius)
        if (blob & ~region.inside).any():
            continue
        if rng.random() < 0.15:
            blob &= ~(cv2.erode(blob.astype(np.uint8), np.ones((5, 5))) > 0)
        return blob
    return None


PLANTED_DEFECTS: dict[str, tuple[Callable[[Generator, Region], Mask | None], bool]] = {
    "open": (cut_through, True),
    "short": (bridge, False),
    "mouse_bite": (bite, True),
    "spur": (bite, False),
    "pin_hole": (island, True),
    "spurious_copper": (island, False),
}
"""What is drawn, and whether it is taken from the copper or from the ground."""


def _is_one_spot(changed: Mask) -> bool:
    """Whether no piece lies so far from the others that it would be labelled by itself."""
    near = np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)
    return cv2.connectedComponents(cv2.dilate(changed.astype(np.uint8), near))[0] == 2


def _leaves_whole(inside: Mask, changed: Mask) -> bool:
    """Whether a region that loses some pixels, also with two around each, has the parts that it had.

    Looked at near the change alone: what is joined far away is two different traces here.
    """
    left, top, right, bottom = _hull(changed, SURROUNDINGS, inside.shape[1], inside.shape[0])
    near, lost = inside[top:bottom, left:right], changed[top:bottom, left:right]
    _, others = cv2.connectedComponents((~near).astype(np.uint8), connectivity=4)
    touched = set(others[_around(lost) & ~near].tolist())
    pieces, other_pieces = _count_pieces(near), _count_pieces(~near)
    return (
        len(touched) == 1
        and _count_pieces(near & ~_around(lost)) == pieces
        and _count_pieces(near & ~lost) == pieces
        and _count_pieces(~near | lost) == other_pieces
    )


def _around(mask: Mask) -> Mask:
    """The mask, and two pixels around it."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def _count_pieces(mask: Mask) -> int:
    """Connected parts of at least :data:`LEAST_PIECE` pixels."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return int((stats[1:, cv2.CC_STAT_AREA] >= LEAST_PIECE).sum())


def _pick(rng: Generator, allowed: Mask) -> Point | None:
    """A pixel at random, as (x, y)."""
    places = np.flatnonzero(allowed)
    if not len(places):
        return None
    y, x = divmod(int(places[rng.integers(len(places))]), allowed.shape[1])
    return np.array([x, y], np.float64)


def _inwards(region: Region, edge: Point, turn: float) -> Point | None:
    """Unit vector into the region at a point of its edge, turned by an angle; None where that is not clear."""
    height, width = region.inside.shape
    x, y, reach = int(edge[0]), int(edge[1]), 3
    if not (reach <= x < width - reach and reach <= y < height - reach):
        return None
    depth = region.depth
    slope = np.array(
        [depth[y, x + reach] - depth[y, x - reach], depth[y + reach, x] - depth[y - reach, x]], np.float64
    )
    length = float(np.hypot(*slope))
    return None if length == 0 else turned(slope / length, turn)


def _median(counts: NDArray[np.int64]) -> int:
    below = np.cumsum(counts)
    return int(np.searchsorted(below, below[-1] / 2))


def _hull(changed: Mask, margin: int, width: int, height: int) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(changed)
    return (
        max(0, int(xs.min()) - margin),
        max(0, int(ys.min()) - margin),
        min(width, int(xs.max()) + 1 + margin),
        min(height, int(ys.max()) + 1 + margin),
    )
