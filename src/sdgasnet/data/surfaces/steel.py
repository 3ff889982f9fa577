"""Rolled metal: grain along one direction, and six kinds of defect."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from sdgasnet.data.surfaces.canvas import Picture, Size, smooth_noise

VISIBLE = 0.04
"""Change of grey from which a pixel belongs to a defect, of full scale; about twice the camera's noise."""


def draw_steel(rng: Generator, size: Size) -> Picture:
    """A clean sheet: rolling grain, cloudy reflectance, fine roughness; grain runs either way."""
    upright = rng.random() < 0.5
    height, width = size if upright else size[::-1]
    grain = smooth_noise(rng, (height, width), (rng.uniform(25, 120), rng.uniform(1.0, 3.0)))
    clouds = smooth_noise(rng, (height, width), (rng.uniform(40, 120), rng.uniform(20, 80)))
    roughness = smooth_noise(rng, (height, width), (rng.uniform(1.0, 4.0), rng.uniform(1.0, 4.0)))
    sheet = rng.uniform(0.28, 0.72) + rng.uniform(0.005, 0.03) * grain
    sheet = sheet + rng.uniform(0.0, 0.04) * clouds + rng.uniform(0.005, 0.035) * roughness
    sheet = sheet if upright else sheet.T
    return np.ascontiguousarray(sheet, dtype=np.float32)


def draw_scratch(rng: Generator, sheet: Picture) -> Picture:
    """A long thin, nearly straight line, bright or dark, as a hard edge leaves it."""
    height, width = sheet.shape
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.25)
    length = rng.uniform(0.25, 0.8) * min(height, width)
    centre = rng.uniform(0.15, 0.85, 2) * (width, height)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    steps = np.linspace(-0.5, 0.5, 12)[:, None]
    points = centre + steps * length * along + (steps**2 - 0.1) * rng.normal(0, 0.08) * length * across
    line = _line(sheet.shape, points, int(rng.integers(1, 4)))
    return sheet + line * np.float32(_contrast(rng, 0.14, 0.4))


def draw_crack(rng: Generator, sheet: Picture) -> Picture:
    """A dark jagged line that wanders and branches."""
    side = min(sheet.shape)
    start = rng.uniform(0.2, 0.8, 2) * sheet.shape[::-1]
    angle = rng.uniform(0, 2 * np.pi)
    line = np.zeros(sheet.shape, np.float32)
    for branch in range(int(rng.integers(1, 4))):
        steps = int(rng.integers(5, 12))
        turns = angle + np.cumsum(rng.normal(0, 0.45, steps)) + (rng.normal(0, 0.9) if branch else 0.0)
        lengths = rng.uniform(0.02, 0.06, steps) * side * (0.6 if branch else 1.0)
        moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * lengths[:, None]
        points = np.concatenate([start[None], start + np.cumsum(moves, axis=0)])
        line = np.maximum(line, _line(sheet.shape, points, 1 if branch else int(rng.integers(1, 3))))
        start = points[int(rng.integers(1, len(points) - 1))]
    return sheet - line * np.float32(rng.uniform(0.18, 0.4))


def draw_pit(rng: Generator, sheet: Picture) -> Picture:
    """A cluster of small round holes, dark with one bright rim where the light catches."""
    side = min(sheet.shape)
    centre = rng.uniform(0.15, 0.85, 2) * sheet.shape[::-1]
    spread = rng.uniform(0.02, 0.1) * side
    holes = np.zeros(sheet.shape, np.float32)
    rims = np.zeros(sheet.shape, np.float32)
    for _ in range(int(rng.integers(2, 12))):
        x, y = centre + rng.normal(0, spread, 2)
        radius = rng.uniform(0.008, 0.022) * side
        _disc(rims, x + 0.6 * radius, y + 0.6 * radius, radius)
        _disc(holes, x, y, radius)
    depth = np.float32(rng.uniform(0.16, 0.4))
    pitted: Picture = (sheet - depth * holes + 0.4 * depth * np.clip(rims - holes, 0, 1)).astype(np.float32)
    return pitted


def draw_inclusion(rng: Generator, sheet: Picture) -> Picture:
    """Slag pressed in and drawn out along the rolling direction: dark narrow patches with torn ends."""
    height, width = sheet.shape
    upright = rng.random() < 0.5
    mask: Picture = np.zeros(sheet.shape, np.float32)
    centre = rng.uniform(0.15, 0.85, 2) * (width, height)
    for _ in range(int(rng.integers(1, 4))):
        long, short = rng.uniform(0.05, 0.16) * height, rng.uniform(0.01, 0.03) * width
        offset = rng.normal(0, 0.03, 2) * min(height, width)
        axes = (short, long) if upright else (long, short)
        mask = np.maximum(mask, _ellipse(sheet.shape, centre + offset, axes, rng.normal(0, 6)))
    torn = smooth_noise(rng, (height, width), (9, 2) if upright else (2, 9))
    soft = cv2.GaussianBlur((mask * (torn > -0.9)).astype(np.float32), (0, 0), 0.7)
    included: Picture = (sheet - soft * np.float32(rng.uniform(0.15, 0.35))).astype(np.float32)
    return included


def draw_stain(rng: Generator, sheet: Picture) -> Picture:
    """Dried fluid: a large soft spot, a little darker or brighter, with a sharper edge."""
    size = (sheet.shape[0], sheet.shape[1])
    spot = _blob(rng, size, rng.uniform(0.08, 0.2), roughness=0.35, grain=0.12)
    soft = cv2.GaussianBlur(spot, (0, 0), rng.uniform(1.0, 3.0))
    edge = np.clip(spot - cv2.GaussianBlur(spot, (0, 0), 4.0), 0, 1)
    strength = np.float32(_contrast(rng, 0.09, 0.22))
    stained: Picture = (sheet + strength * (soft + 0.5 * edge)).astype(np.float32)
    return stained


def draw_scale(rng: Generator, sheet: Picture) -> Picture:
    """Rolled-in oxide: many ragged flecks, dark beside bright, spread over a patch."""
    size = (sheet.shape[0], sheet.shape[1])
    patch = _blob(rng, size, rng.uniform(0.08, 0.2), roughness=0.3, grain=0.15)
    grain = rng.uniform(2.5, 5.0)
    flecks = smooth_noise(rng, size, (grain * rng.uniform(1, 2), grain))
    dark, bright = (flecks < -0.8).astype(np.float32), (flecks > 1.1).astype(np.float32)
    strength = np.float32(rng.uniform(0.14, 0.32))
    return sheet + patch * strength * (0.6 * bright - dark)


STEEL_DEFECTS: dict[str, Callable[[Generator, Picture], Picture]] = {
    "scratch": draw_scratch,
    "crack": draw_crack,
    "pit": draw_pit,
    "inclusion": draw_inclusion,
    "stain": draw_stain,
    "scale": draw_scale,
}


def _contrast(rng: Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high) * rng.choice([-1.0, 1.0]))


def _line(
    shape: tuple[int, ...], points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], width: int
) -> Picture:
    canvas = np.zeros(shape, np.uint8)
    fixed = np.round(points * 8).astype(np.int32)
    cv2.polylines(canvas, [fixed.reshape(-1, 1, 2)], False, 200, width, cv2.LINE_AA, 3)
    line: Picture = (canvas / np.float32(200)).astype(np.float32)
    return line


def _disc(canvas: Picture, x: float, y: float, radius: float) -> None:
    cv2.circle(canvas, (round(x * 8), round(y * 8)), max(8, round(radius * 8)), 1.0, cv2.FILLED, cv2.LINE_8, 3)


def _ellipse(
    shape: tuple[int, ...],
    centre: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    axes: tuple[float, float],
    angle: float,
) -> Picture:
    canvas = np.zeros(shape, np.float32)
    box = ((float(centre[0]), float(centre[1])), (2 * axes[0], 2 * axes[1]), float(angle))
    cv2.ellipse(canvas, box, 1.0, cv2.FILLED)
    return canvas


def _blob(rng: Generator, size: Size, radius: float, roughness: float, grain: float) -> Picture:
    """An uneven spot of about ``radius`` (share of the shorter side), 1 inside and 0 outside."""
    side = min(size)
    centre = rng.uniform(0.2, 0.8, 2) * size
    stretch = np.exp(rng.normal(0, 0.3))
    y = (np.arange(size[0], dtype=np.float32)[:, None] - centre[0]) / (radius * side * stretch)
    x = (np.arange(size[1], dtype=np.float32)[None, :] - centre[1]) / (radius * side / stretch)
    edge = 1.0 + roughness * 0.5 * smooth_noise(rng, size, (grain * side, grain * side))
    blob: Picture = (np.sqrt(x * x + y * y) < edge).astype(np.float32)
    return blob
