"""Printed circuit boards: families of parallel traces with pads, and six kinds of defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from sdgasnet.data.surfaces.canvas import Picture, Size, smooth_noise

VISIBLE = 0.12
"""Change of grey from which a pixel belongs to a defect, of full scale."""
FINEST_PITCH, COARSEST_PITCH = 14, 60
"""Distance between lanes, pixels of the picture: a whole board, or a part of one through a stronger lens."""
OVERSAMPLING = 2
"""Copper is drawn this much larger and reduced, for clean edges."""


@dataclass(frozen=True)
class Layout:
    """Where the copper is; all in pixels of the enlarged drawing, before turning.

    Attributes:
        size: (height, width).
        course: Height of lane 0 at every x; slopes are 0 and +-1, so that lanes never meet.
        pitch: Distance between lanes.
        width: Width of a trace.
        traces: (lane, first x, last x).
        pads: (x, y, outer radius, radius of the hole).
        turned: Whether the picture is transposed at the end.
    """

    size: Size
    course: np.ndarray[tuple[int], np.dtype[np.float32]]
    pitch: int
    width: int
    traces: tuple[tuple[int, int, int], ...]
    pads: tuple[tuple[int, int, int, int], ...]
    turned: bool

    def height_at(self, lane: int, x: int) -> int:
        """y of a lane at x."""
        return round(float(self.course[x]) + lane * self.pitch)


def plan_board(rng: Generator, size: Size) -> Layout:
    """Lay out traces: parallel lanes with 45-degree jogs, interrupted by pads."""
    turned = rng.random() < 0.5
    height, width = (OVERSAMPLING * side for side in (size[::-1] if turned else size))
    pitch = round(np.exp(rng.uniform(np.log(FINEST_PITCH), np.log(COARSEST_PITCH)))) * OVERSAMPLING
    trace_width = max(4, int(pitch * rng.uniform(0.28, 0.5)))
    slopes = np.zeros(width, np.float32)
    x = int(rng.integers(0, width // 2))
    for _ in range(int(rng.integers(0, 4))):
        run = int(rng.integers(pitch // 2, 3 * pitch))
        slopes[x : x + run] = rng.choice([-1.0, 1.0])
        x += run + int(rng.integers(pitch, width // 3 + pitch))
    course = (np.cumsum(slopes) + rng.uniform(0, pitch)).astype(np.float32)
    reach = int(np.ceil((height + np.abs(course).max()) / pitch)) + 1
    traces: list[tuple[int, int, int]] = []
    pads: list[tuple[int, int, int, int]] = []
    outer = max(trace_width // 2 + 3, int(pitch * rng.uniform(0.34, 0.44)))
    hole = max(3, int(outer * rng.uniform(0.4, 0.6)))
    for lane in range(-reach, reach):
        x = -int(rng.integers(0, width))
        while x < width:
            end = x + int(rng.integers(width // 3, width + width // 2))
            first, last = max(0, x), min(width - 1, end)
            if last - first > 2 * pitch and rng.random() < 0.85:
                traces.append((lane, first, last))
                pads += [
                    (at, round(float(course[at]) + lane * pitch), outer, hole)
                    for at in (x, end)
                    if 0 <= at < width
                ]
            x = end + int(rng.integers(pitch, 4 * pitch))
    return Layout((height, width), course, pitch, trace_width, tuple(traces), tuple(pads), turned)


def draw_copper(layout: Layout) -> Picture:
    """Copper of a clean board: 1 where there is copper, enlarged and not turned."""
    copper = np.zeros(layout.size, np.float32)
    for lane, first, last in layout.traces:
        xs = np.arange(first, last + 1, 4)
        points = np.stack([xs, layout.course[xs] + lane * layout.pitch], axis=1).round().astype(np.int32)
        cv2.polylines(copper, [points.reshape(-1, 1, 2)], False, 1.0, layout.width)
    for x, y, outer, _ in layout.pads:
        cv2.circle(copper, (x, y), outer, 1.0, cv2.FILLED)
    for x, y, _, hole in layout.pads:
        cv2.circle(copper, (x, y), hole, 0.0, cv2.FILLED)
    return copper


def draw_open(rng: Generator, layout: Layout, copper: Picture) -> None:
    """A gap right through a trace."""
    x, y, _ = _point_on_trace(rng, layout)
    half = max(3, round(layout.pitch * rng.uniform(0.06, 0.2)))
    ragged = round(half * rng.uniform(-0.5, 0.5))
    reach = layout.width // 2 + 3
    corners = [
        (x - half, y - reach),
        (x + half + ragged, y - reach),
        (x + half, y + reach),
        (x - half - ragged, y + reach),
    ]
    slope = layout.course[min(x + 4, layout.size[1] - 1)] - layout.course[max(x - 4, 0)]
    if abs(slope) > 4:
        corners = [(px + round((y - py) * np.sign(slope)), py) for px, py in corners]
    cv2.fillPoly(copper, [np.array(corners, np.int32)], 0.0)


def draw_short(rng: Generator, layout: Layout, copper: Picture) -> None:
    """A bridge of copper to the trace of a neighbouring lane, where there is one."""
    for _ in range(30):
        x, y, side = _point_on_trace(rng, layout)
        target = (min(max(x + int(rng.integers(-4, 5)), 0), layout.size[1] - 1), y + side * layout.pitch)
        if 0 <= target[1] < layout.size[0] and copper[target[1], target[0]] > 0:
            cv2.line(copper, (x, y), target, 1.0, max(5, round(layout.pitch * rng.uniform(0.1, 0.25))))
            return


def draw_spur(rng: Generator, layout: Layout, copper: Picture) -> None:
    """A small tip of copper that sticks out of a trace and ends before the next."""
    x, y, side = _point_on_trace(rng, layout)
    edge = y + side * (layout.width // 2 - 1)
    gap = layout.pitch - layout.width
    tip = edge + side * int(gap * rng.uniform(0.35, 0.7))
    half = max(4, round(layout.pitch * rng.uniform(0.07, 0.16)))
    cv2.fillPoly(
        copper,
        [
            np.array(
                [(x - half, edge), (x + half, edge), (x + round(half * rng.uniform(-0.7, 0.7)), tip)], np.int32
            )
        ],
        1.0,
    )


def draw_mouse_bite(rng: Generator, layout: Layout, copper: Picture) -> None:
    """A round piece missing from the edge of a trace that still conducts."""
    x, y, side = _point_on_trace(rng, layout)
    radius = max(4, int(layout.width * rng.uniform(0.3, 0.45)))
    for _ in range(int(rng.integers(1, 3))):
        cv2.circle(copper, (x, y + side * layout.width // 2), radius, 0.0, cv2.FILLED)
        x += int(radius * rng.uniform(0.8, 1.4))


def draw_missing_hole(rng: Generator, layout: Layout, copper: Picture) -> None:
    """A pad whose hole was never drilled."""
    inside = [pad for pad in layout.pads if 4 < pad[0] < layout.size[1] - 4 and 4 < pad[1] < layout.size[0] - 4]
    if inside:
        x, y, _, hole = inside[int(rng.integers(len(inside)))]
        cv2.circle(copper, (x, y), hole + 1, 1.0, cv2.FILLED)


def draw_spurious_copper(rng: Generator, layout: Layout, copper: Picture) -> None:
    """An island of copper between two lanes."""
    x, y, side = _point_on_trace(rng, layout)
    gap = layout.pitch - layout.width
    centre = (x, y + side * layout.pitch // 2)
    axes = (int(gap * rng.uniform(0.25, 0.7)), max(3, int(gap * rng.uniform(0.2, 0.36))))
    cv2.ellipse(copper, centre, axes, float(rng.uniform(-15, 15)), 0, 360, 1.0, cv2.FILLED)


BOARD_DEFECTS: dict[str, Callable[[Generator, Layout, Picture], None]] = {
    "open": draw_open,
    "short": draw_short,
    "spur": draw_spur,
    "mouse_bite": draw_mouse_bite,
    "missing_hole": draw_missing_hole,
    "spurious_copper": draw_spurious_copper,
}


@dataclass(frozen=True)
class Finish:
    """How copper and board look: grey of both, and the board's texture."""

    copper: float
    board: float
    texture: Picture


def choose_finish(rng: Generator, size: Size) -> Finish:
    """Near-binary, as a scanner sees it, or grey, as a camera does; either may be the brighter one."""
    if rng.random() < 0.5:
        low, high, rough = 0.03, 0.95, 0.0
    else:
        low, high, rough = rng.uniform(0.12, 0.35), rng.uniform(0.6, 0.85), rng.uniform(0.005, 0.02)
    copper, board = (high, low) if rng.random() < 0.7 else (low, high)
    return Finish(copper, board, np.float32(rough) * smooth_noise(rng, size, (2.0, 2.0)))


def render_board(layout: Layout, copper: Picture, finish: Finish) -> Picture:
    """Reduce and turn the drawing, and give it the finish."""
    height, width = (side // OVERSAMPLING for side in layout.size)
    small = cv2.resize(copper, (width, height), interpolation=cv2.INTER_AREA)
    upright = small.T if layout.turned else small
    return (finish.board + (finish.copper - finish.board) * upright + finish.texture).astype(np.float32)


def _point_on_trace(rng: Generator, layout: Layout) -> tuple[int, int, int]:
    """(x, y) in the middle of a trace within the picture, and a side, +1 or -1."""
    height, width = layout.size
    margin = layout.pitch // 2
    for _ in range(30):
        lane, first, last = layout.traces[int(rng.integers(len(layout.traces)))]
        x = int(
            rng.integers(first + layout.pitch // 2, max(first + layout.pitch // 2 + 1, last - layout.pitch // 2))
        )
        x = min(max(x, margin), width - 1 - margin)
        y = layout.height_at(lane, x)
        if margin < y < height - margin and first <= x <= last:
            return x, y, int(rng.choice([-1, 1]))
    return width // 2, height // 2, 1
