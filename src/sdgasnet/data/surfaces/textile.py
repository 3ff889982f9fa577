"""Woven cloth: plain and twill weaves, and five kinds of defect."""

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
    shade,
    stroke,
    turned,
    within_range,
)

VISIBLE = 0.045
"""Change of grey from which a pixel belongs to a defect, of full scale."""


def draw_cloth(rng: Generator, size: Size) -> Ground:
    """A clean cloth: threads of uneven thickness and pitch cross at a slightly oblique angle."""
    upright = bool(rng.random() < 0.5)
    height, width = size
    angle = rng.normal(0, 0.12) + (0.0 if upright else np.pi / 2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    warp_at = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    weft_at = np.float32(np.cos(angle)) * y - np.float32(np.sin(angle)) * x
    wave = rng.uniform(0.0, 1.2)
    warp = 2 * np.pi * warp_at / rng.uniform(2.3, 7.0) + wave * smooth_noise(rng, size, (60, 12))
    weft = 2 * np.pi * weft_at / rng.uniform(2.3, 7.0) + wave * smooth_noise(rng, size, (12, 60))
    plain, ribs = np.sin(warp) * np.sin(weft), np.sin(warp + rng.choice([-1.0, 1.0]) * weft)
    twill = rng.uniform(0, 1)
    weave = (1 - twill) * plain + twill * ribs + rng.uniform(0, 0.5) * np.sin(weft)
    depth, uneven = rng.uniform(0.01, 0.07), rng.uniform(0.0, 0.02)
    bars = smooth_noise(
        rng, size, (2.0 * height, rng.uniform(2, 12)) if upright else (rng.uniform(2, 12), 2.0 * width)
    )
    fuzz = smooth_noise(rng, size, (1.2, 1.2))
    grey = rng.uniform(0.25, 0.75) + depth * weave + uneven * bars + rng.uniform(0.003, 0.02) * fuzz
    cloth = Ground(grey.astype(np.float32), upright, float(np.hypot(depth / 2, uneven)))
    return replace(cloth, grey=within_range(cloth.grey + shade(rng, cloth)))


def draw_hole(rng: Generator, cloth: Ground) -> Picture:
    """A torn spot: what lies behind shows, dark or bright, within a frayed rim."""
    spot = blob(rng, cloth, rng.uniform(0.012, 0.05), roughness=0.7, grain=0.02)
    soft = cv2.GaussianBlur(spot, (0, 0), 0.8)
    rim = np.clip(cv2.GaussianBlur(spot, (0, 0), 2.0) - spot, 0, 1)
    behind = np.float32(rng.uniform(0.02, 0.15) if rng.random() < 0.8 else rng.uniform(0.85, 0.98))
    return added(cloth, soft * (behind - cloth.grey) + rim * np.float32(rng.uniform(0.05, 0.25)))


def draw_broken_thread(rng: Generator, cloth: Ground) -> Picture:
    """One to four neighbouring threads that are missing, doubled or pulled along warp or weft."""
    along = grain_direction(cloth)
    if rng.random() < 0.35:
        along = turned(along, np.pi / 2)
    along = turned(along, rng.normal(0, 0.08))
    length = cloth.side * rng.uniform(0.1, 1.2)
    steps = np.linspace(-0.5, 0.5, 21)[:, None]
    wander = np.cumsum(rng.normal(0, 0.25, (21, 1)), axis=0) * turned(along, np.pi / 2)
    points = cloth.place(rng, 0.1) + steps * length * along + wander
    strength = rng.uniform(0.6, 1.0, 20) * (rng.random(20) < rng.uniform(0.75, 1.0))
    line = cv2.GaussianBlur(stroke(cloth.size, points, int(rng.integers(1, 5)), strength), (0, 0), 0.7)
    return added(cloth, line * cloth.contrast(rng, 0.09, 0.35) * either_sign(rng))


def draw_knot(rng: Generator, cloth: Ground) -> Picture:
    """A thickened piece of yarn, lit on one side and casting a shadow on the other."""
    axis = float(np.degrees(np.arctan2(*grain_direction(cloth)[::-1])))
    if rng.random() < 0.5:
        axis += 90.0
    axes = rng.uniform(0.012, 0.09) * cloth.side, rng.uniform(0.007, 0.018) * cloth.side + 0.6
    centre = cloth.place(rng, 0.1)
    light = turned(np.array([1.0, 0.0]), rng.uniform(0, 2 * np.pi)) * axes[1]
    bump = cv2.GaussianBlur(ellipse(cloth.size, centre, axes, axis + rng.normal(0, 8)), (0, 0), 1.0)
    shadow = cv2.GaussianBlur(ellipse(cloth.size, centre + light, axes, axis), (0, 0), 1.0)
    lit = bump - rng.uniform(0.2, 0.7) * np.clip(shadow - bump, 0, 1)
    return added(cloth, lit * cloth.contrast(rng, 0.1, 0.35))


def draw_oil_spot(rng: Generator, cloth: Ground) -> Picture:
    """Oil soaked into the yarn: darker, edges soft, the weave still visible."""
    spot = blob(rng, cloth, rng.uniform(0.02, 0.14), roughness=0.4, grain=0.06)
    soft = cv2.GaussianBlur(spot, (0, 0), rng.uniform(0.006, 0.02) * cloth.side + 0.6)
    nearby = cv2.dilate(spot, np.ones((51, 51), np.uint8)) > 0
    for _ in range(int(rng.integers(0, 5))):
        drop = np.zeros(cloth.size, np.float32)
        disc(drop, cloth.place(rng, 0.05), rng.uniform(0.006, 0.02) * cloth.side)
        soft = np.maximum(soft, cv2.GaussianBlur(drop, (0, 0), 1.2) * nearby)
    darkest = np.clip(cloth.contrast(rng, 0.1, 0.4), 0.0, 0.7)
    return added(cloth, -soft * darkest * (0.4 + cloth.grey))


def draw_fibre(rng: Generator, cloth: Ground) -> Picture:
    """A foreign fibre or a piece of fluff on the cloth: a thin curl, bright or dark."""
    heading, count = rng.uniform(0, 2 * np.pi), int(rng.integers(8, 24))
    turns = heading + np.cumsum(rng.normal(0, rng.uniform(0.1, 0.5), count))
    moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(0.008, 0.025) * cloth.side
    points = cloth.place(rng, 0.1) + np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    line = stroke(cloth.size, points, int(rng.integers(1, 4)), rng.uniform(0.6, 1.0, count))
    soft = cv2.GaussianBlur(line, (0, 0), rng.uniform(0.5, 1.2))
    return added(cloth, soft * cloth.contrast(rng, 0.15, 0.4) * either_sign(rng))


TEXTILE_DEFECTS: dict[str, Callable[[Generator, Ground], Picture]] = {
    "hole": draw_hole,
    "broken_thread": draw_broken_thread,
    "knot": draw_knot,
    "oil_spot": draw_oil_spot,
    "fibre": draw_fibre,
}
