"""Rolled metal: grain along one direction, and six kinds of defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator

from sdgasnet.data.surfaces.canvas import Picture, Size, smooth_noise
from sdgasnet.data.surfaces.shapes import (
    Ground,
    added,
    blob,
    disc,
    either_sign,
    ellipse,
    grain_direction,
    moved,
    shade,
    stroke,
    turned,
    within_range,
)

VISIBLE = 0.04
"""Change of grey from which a pixel belongs to a defect, of full scale; at least twice the camera's noise."""
FAINTEST = 0.08
"""Least contrast of a large defect, of full scale; that of thin and small ones is about twice as much."""


def draw_sheet(rng: Generator, size: Size) -> Ground:
    """A clean sheet: rolling grain, streaks, clouds of reflectance, roughness from polished to mottled."""
    upright = bool(rng.random() < 0.5)
    rolled = size if upright else size[::-1]
    grain = smooth_noise(rng, rolled, (rng.uniform(20, 140), rng.uniform(1.0, 3.0)))
    streaks = smooth_noise(rng, rolled, (2.0 * rolled[0], rng.uniform(8, 40)))
    clouds = smooth_noise(rng, rolled, (rng.uniform(40, 120), rng.uniform(20, 80)))
    spot = rng.uniform(1.2, 3.5)
    roughness = smooth_noise(rng, rolled, (spot * rng.uniform(1.0, 2.5), spot))
    fine, coarse = rng.uniform(0.004, 0.03), rng.uniform(0.004, 0.03)
    if rng.random() < 0.2:
        coarse *= 2.0
    grey = rng.uniform(0.15, 0.8) + fine * grain + coarse * roughness
    grey = grey + rng.uniform(0.0, 0.03) * streaks + rng.uniform(0.0, 0.045) * clouds
    grey = grey if upright else grey.T
    sheet = Ground(np.ascontiguousarray(grey, dtype=np.float32), upright, float(np.hypot(fine, coarse)))
    return replace(sheet, grey=within_range(sheet.grey + shade(rng, sheet)))


def draw_scratch(rng: Generator, sheet: Ground) -> Picture:
    """One to three long lines side by side, nearly straight, fading at the ends: something hard slid over.

    Light from one side makes the far wall of the groove bright or dark, and the near one the opposite.
    """
    along = turned(grain_direction(sheet), rng.normal(0, 0.3) + (np.pi / 2 if rng.random() < 0.2 else 0.0))
    across = turned(along, np.pi / 2)
    centre, length = sheet.place(rng, 0.2), rng.uniform(0.25, 0.7) * sheet.side
    bow, gap = rng.normal(0, 0.06) * length, rng.uniform(3.0, 7.0)
    steps = np.linspace(-0.5, 0.5, 17)[:, None]
    groove = np.zeros(sheet.size, np.float32)
    for line in range(int(rng.choice([1, 1, 2, 3, 6]))):
        shift, part = rng.normal(0, 0.08) * length * bool(line), rng.uniform(0.6, 1.0) if line else 1.0
        points = centre + along * (shift + part * length * steps) + across * (line * gap + bow * steps**2)
        ends = np.clip(4.0 * (0.5 - np.abs(steps[:-1, 0] + 1 / 32)) + 0.35, 0, 1)
        depth = ends * rng.uniform(0.75, 1.0, len(ends))
        groove = np.maximum(groove, stroke(sheet.size, points, int(rng.integers(1, 4)), depth))
    walls = groove - 0.45 * moved(groove, across * 1.5)
    return added(sheet, walls * sheet.contrast(rng, 0.16, 0.42) * either_sign(rng))


def draw_crack(rng: Generator, sheet: Ground) -> Picture:
    """A thin dark line that zigzags, branches and runs out: the metal has torn."""
    start, heading = sheet.place(rng, 0.2), rng.uniform(0, 2 * np.pi)
    line = np.zeros(sheet.size, np.float32)
    for branch in range(int(rng.integers(2, 5))):
        steps = int(rng.integers(10, 20) * (0.5 if branch else 1.0))
        turns = heading + rng.normal(0, 0.75, steps) + np.cumsum(rng.normal(0, 0.15, steps))
        turns += rng.choice([-0.9, 0.9]) if branch else 0.0
        lengths = rng.uniform(0.012, 0.035, steps) * sheet.side
        moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * lengths[:, None]
        points = np.concatenate([start[None], start + np.cumsum(moves, axis=0)])
        depth = np.linspace(0.85 if branch else 1.0, 0.5, steps)
        line = np.maximum(line, stroke(sheet.size, points, 1 if branch else int(rng.integers(1, 3)), depth))
        if branch == 0:
            trunk = points
        start = trunk[int(rng.integers(1, len(trunk) - 1))]
    return added(sheet, -line * sheet.contrast(rng, 0.18, 0.4))


def draw_pit(rng: Generator, sheet: Ground) -> Picture:
    """A cluster of small round holes, each dark with a rim that catches the light on one side."""
    radius = rng.uniform(0.009, 0.02) * sheet.side + 0.6
    light = turned(np.array([1.0, 0.0]), rng.uniform(0, 2 * np.pi))
    places = [sheet.place(rng, 0.15)]
    holes, rims = (np.zeros(sheet.size, np.float32) for _ in range(2))
    for _ in range(int(rng.integers(3, 14))):
        nearby = places[int(rng.integers(len(places)))]
        places.append(nearby + turned(np.array([rng.uniform(2.2, 4.5) * radius, 0.0]), rng.uniform(0, 2 * np.pi)))
    for place in places:
        size = radius * rng.uniform(0.6, 1.3)
        disc(rims, place + 0.5 * size * light, 1.05 * size)
        disc(holes, place, size)
    depth = sheet.contrast(rng, 0.15, 0.4)
    shade = 0.4 * depth * np.clip(rims - holes, 0, 1) - depth * holes
    return added(sheet, cv2.GaussianBlur(shade, (0, 0), 0.5))


def draw_inclusion(rng: Generator, sheet: Ground) -> Picture:
    """Slag rolled in and drawn out along the rolling direction: dark narrow patches with torn ends."""
    mask = np.zeros(sheet.size, np.float32)
    centre = sheet.place(rng, 0.15)
    axis = float(np.degrees(np.arctan2(*grain_direction(sheet)[::-1])))
    for _ in range(int(rng.integers(1, 4))):
        axes = rng.uniform(0.05, 0.15) * sheet.side, rng.uniform(0.012, 0.03) * sheet.side
        offset = rng.normal(0, 0.03, 2) * sheet.side
        mask = np.maximum(mask, ellipse(sheet.size, centre + offset, axes, axis + rng.normal(0, 5)))
    torn = smooth_noise(rng, sheet.size, (9, 2) if sheet.upright else (2, 9))
    depth = mask * np.clip(1.3 + 0.6 * torn, 0, 1)
    return added(sheet, -cv2.GaussianBlur(depth, (0, 0), 0.8) * sheet.contrast(rng, 0.13, 0.36))


def draw_stain(rng: Generator, sheet: Ground) -> Picture:
    """Dried fluid: a large thin spot, darker or brighter, with the rim that drying leaves."""
    spot = blob(rng, sheet, rng.uniform(0.07, 0.18), roughness=0.35, grain=0.1)
    soft = cv2.GaussianBlur(spot, (0, 0), rng.uniform(0.8, 2.0))
    inner = cv2.GaussianBlur(spot, (0, 0), 0.02 * sheet.side + 1.0)
    rim = np.clip(spot - inner, 0, 1) * rng.uniform(0.3, 1.2)
    uneven = 1.0 + 0.15 * smooth_noise(rng, sheet.size, (0.1 * sheet.side, 0.1 * sheet.side))
    layer = soft * uneven * rng.uniform(0.7, 1.0) + rim
    return added(sheet, layer * sheet.contrast(rng, FAINTEST, 0.22) * either_sign(rng))


def draw_scale(rng: Generator, sheet: Ground) -> Picture:
    """Rolled-in oxide: many ragged flecks, dark beside bright, drawn out a little, thinning out to the border."""
    patch = cv2.GaussianBlur(blob(rng, sheet, rng.uniform(0.08, 0.19), roughness=0.3, grain=0.15), (0, 0), 2.0)
    grain, drawn = rng.uniform(2.0, 4.0), rng.uniform(1.0, 2.5)
    flecks = smooth_noise(rng, sheet.size, (grain * drawn, grain) if sheet.upright else (grain, grain * drawn))
    thick = patch * (np.clip(1.5 * (flecks - 1.0), 0, 0.7) - np.clip(2.0 * (-flecks - 0.5), 0, 1))
    return added(sheet, thick * sheet.contrast(rng, 0.14, 0.32))


STEEL_DEFECTS: dict[str, Callable[[Generator, Ground], Picture]] = {
    "scratch": draw_scratch,
    "crack": draw_crack,
    "pit": draw_pit,
    "inclusion": draw_inclusion,
    "stain": draw_stain,
    "scale": draw_scale,
}
