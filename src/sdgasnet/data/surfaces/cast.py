"""Cast metal: sandy, blasted or machined skin, and five kinds of defect."""

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
    moved,
    shade,
    stroke,
    turned,
    within_range,
)

VISIBLE = 0.05
"""Change of grey from which a pixel belongs to a defect, of full scale."""


def draw_skin(rng: Generator, size: Size) -> Ground:
    """Clean skin: grains of sand or dents of blasting in relief, sometimes turned or milled."""
    grain = rng.uniform(1.2, 5.0)
    relief = smooth_noise(rng, size, (grain, grain)) + 0.6 * smooth_noise(rng, size, (3 * grain, 3 * grain))
    lit = relief - moved(relief, turned(np.array([1.0, 0.0]), rng.uniform(0, 2 * np.pi)))
    rough = rng.uniform(0.008, 0.05)
    grey = rng.uniform(0.2, 0.7) + rough * lit + rng.uniform(0, 0.04) * smooth_noise(rng, size, (50, 50))
    if rng.random() < 0.3:
        grey = grey + rng.uniform(0.01, 0.05) * _tool_marks(rng, size)
    skin = Ground(grey.astype(np.float32), bool(rng.random() < 0.5), float(rough))
    return replace(skin, grey=within_range(skin.grey + shade(rng, skin)))


def draw_pore(rng: Generator, skin: Ground) -> Picture:
    """One to six gas holes: dark, nearly round, one side of the rim lit."""
    light = turned(np.array([1.0, 0.0]), rng.uniform(0, 2 * np.pi))
    largest = rng.uniform(0.01, 0.045) * skin.side + 0.7
    centre = skin.place(rng, 0.12)
    holes, rims = (np.zeros(skin.size, np.float32) for _ in range(2))
    for number in range(int(rng.choice([1, 1, 2, 3, 6]))):
        place = centre + (rng.normal(0, 3.5, 2) * largest if number else 0.0)
        radius = largest * rng.uniform(0.5, 1.0)
        disc(rims, place + 0.35 * radius * light, 1.1 * radius)
        disc(holes, place, radius)
    deep = skin.contrast(rng, 0.16, 0.45)
    change = 0.5 * deep * np.clip(rims - holes, 0, 1) - deep * holes
    return added(skin, cv2.GaussianBlur(change, (0, 0), rng.uniform(0.5, 1.0)))


def draw_cold_shut(rng: Generator, skin: Ground) -> Picture:
    """A smooth curved seam where two streams of metal met and did not join: dark, one lip lit."""
    count = 24
    turns = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.normal(0, 1.6), count) + rng.normal(0, 0.06, count)
    moves = np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(0.15, 0.7) * skin.side / count
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    ends = np.clip(1.6 - 2.2 * np.abs(np.linspace(-0.5, 0.5, count)), 0.4, 1.0)
    seam = stroke(skin.size, skin.place(rng, 0.2) + path - path.mean(axis=0), int(rng.integers(1, 4)), ends)
    soft: Picture = cv2.GaussianBlur(seam, (0, 0), 0.9).astype(np.float32)
    lip = moved(soft, turned(moves[0] / np.linalg.norm(moves[0]), np.pi / 2) * rng.uniform(1.5, 3.0))
    return added(skin, (0.5 * np.clip(lip - soft, 0, 1) - soft) * skin.contrast(rng, 0.14, 0.4))


def draw_flash(rng: Generator, skin: Ground) -> Picture:
    """A thin fin of metal along the parting line: bright, straight on one side, ragged on the other."""
    along = turned(np.array([1.0, 0.0]), rng.uniform(0, np.pi))
    across = turned(along, np.pi / 2)
    length, width = rng.uniform(0.15, 0.6) * skin.side, rng.uniform(0.012, 0.04) * skin.side + 1.0
    at = np.linspace(-0.5, 0.5, 30)
    height = width * np.clip(np.cos(np.pi * at), 0, 1) ** 0.5 * rng.uniform(0.4, 1.0, 30)
    base = skin.place(rng, 0.2) + at[:, None] * length * along
    outline = np.concatenate([base, (base + height[:, None] * across)[::-1]])
    fin = np.zeros(skin.size, np.float32)
    cv2.fillPoly(fin, [np.round(outline * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
    shadow = np.clip(moved(fin, across * rng.uniform(1.5, 3.0)) - fin, 0, 1)
    return added(skin, cv2.GaussianBlur(fin - 0.7 * shadow, (0, 0), 0.6) * skin.contrast(rng, 0.16, 0.4))


def draw_shrinkage(rng: Generator, skin: Ground) -> Picture:
    """A spongy patch of small ragged cavities, left where metal was missing as it froze."""
    patch = cv2.GaussianBlur(blob(rng, skin, rng.uniform(0.04, 0.16), roughness=0.5, grain=0.06), (0, 0), 1.5)
    grain = rng.uniform(1.8, 4.0)
    cavities = np.clip(2.0 * (smooth_noise(rng, skin.size, (grain, grain)) - 0.4), 0, 1)
    return added(skin, -patch * cavities * skin.contrast(rng, 0.2, 0.45))


def draw_sand(rng: Generator, skin: Ground) -> Picture:
    """Sand or slag burnt in: a few angular flecks, brighter or darker than the metal."""
    flecks = np.zeros(skin.size, np.float32)
    centre = skin.place(rng, 0.12)
    for _ in range(int(rng.integers(1, 5))):
        axes = rng.uniform(0.01, 0.05) * skin.side, rng.uniform(0.008, 0.03) * skin.side
        offset = rng.normal(0, 0.03, 2) * skin.side
        flecks = np.maximum(flecks, ellipse(skin.size, centre + offset, axes, rng.uniform(0, 180)))
    broken = flecks * (smooth_noise(rng, skin.size, (5, 5)) > -0.7)
    return added(skin, cv2.GaussianBlur(broken, (0, 0), 0.6) * skin.contrast(rng, 0.13, 0.35) * either_sign(rng))


CAST_DEFECTS: dict[str, Callable[[Generator, Ground], Picture]] = {
    "pore": draw_pore,
    "cold_shut": draw_cold_shut,
    "flash": draw_flash,
    "shrinkage": draw_shrinkage,
    "sand": draw_sand,
}


def _tool_marks(rng: Generator, size: Size) -> Picture:
    """Fine parallel arcs of a cutter whose centre may lie far outside."""
    centre = rng.uniform(-3, 4, 2) * size
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    radius = np.hypot(x - np.float32(centre[1]), y - np.float32(centre[0]))
    marks: Picture = np.sin(2 * np.pi * radius / rng.uniform(2.5, 8.0)).astype(np.float32)
    return marks
