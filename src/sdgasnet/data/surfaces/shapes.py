"""What grey surfaces share: the ground that defects are drawn on, and the shapes that they are drawn with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.data.surfaces.canvas import Picture, Size, smooth_noise

DARKEST, BRIGHTEST = 0.02, 0.98
Vector = NDArray[np.float64]
"""``(2,)`` x and y in pixels, or a unit vector."""


@dataclass(frozen=True)
class Ground:
    """A clean surface, or one with the defects so far.

    Attributes:
        grey: What it looks like.
        upright: Whether its grain (rolling direction, warp) runs from top to bottom, else from left to right.
        busyness: Spread of its fine texture, of full scale; defects stand out from it.
    """

    grey: Picture
    upright: bool
    busyness: float

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.grey.shape[0], self.grey.shape[1]

    @property
    def side(self) -> int:
        """The shorter side, pixels."""
        return min(self.size)

    def place(self, rng: Generator, margin: float) -> Vector:
        """A point (x, y) that keeps ``margin`` (share of the sides) from the border."""
        return np.array(rng.uniform(margin, 1 - margin, 2) * self.size[::-1])

    def contrast(self, rng: Generator, low: float, high: float) -> np.float32:
        """A contrast, faint ones as likely as strong ones, raised on a busy texture."""
        return np.float32(np.exp(rng.uniform(np.log(low), np.log(high))) + self.busyness)


def within_range(picture: Picture) -> Picture:
    """The picture kept off pure black and white, as clean grounds have to be before anything is added."""
    kept: Picture = np.clip(picture, DARKEST, BRIGHTEST).astype(np.float32)
    return kept


def added(ground: Ground, change: Picture) -> Picture:
    """The ground after a change; it differs nowhere else, so that the hull of the difference is the defect's."""
    return within_range(ground.grey + change)


def grain_direction(ground: Ground) -> Vector:
    """Unit vector along the grain."""
    return np.array([0.0, 1.0] if ground.upright else [1.0, 0.0])


def turned(vector: Vector, angle: float) -> Vector:
    """The vector turned by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])


def either_sign(rng: Generator) -> np.float32:
    """1 or -1: brighter or darker."""
    return np.float32(rng.choice([-1.0, 1.0]))


def moved(picture: Picture, by: Vector) -> Picture:
    """The picture shifted by (x, y) pixels; 0 comes in."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    shifted: Picture = cv2.warpAffine(picture, matrix, picture.shape[::-1]).astype(np.float32)
    return shifted


def stroke(size: Size, points: NDArray[np.float64], width: int, depth: NDArray[np.float64]) -> Picture:
    """A polyline of N points whose N-1 segments have strengths ``depth`` in [0, 1]."""
    canvas = np.zeros(size, np.uint8)
    fixed = np.round(points * 8).astype(int).tolist()
    # Faint segments first, so that they don't eat into the ends of stronger ones.
    for index in np.argsort(depth):
        grey = round(255 * float(depth[index]))
        cv2.line(canvas, fixed[index], fixed[index + 1], grey, width, cv2.LINE_AA, 3)
    line: Picture = (canvas / np.float32(255)).astype(np.float32)
    return line


def disc(canvas: Picture, centre: Vector, radius: float) -> None:
    """Fill a disc with 1; its radius is at least three quarters of a pixel."""
    x, y = round(float(centre[0]) * 8), round(float(centre[1]) * 8)
    cv2.circle(canvas, (x, y), max(6, round(radius * 8)), 1.0, cv2.FILLED, cv2.LINE_8, 3)


def ellipse(size: Size, centre: Vector, axes: tuple[float, float], angle: float) -> Picture:
    """1 inside an ellipse of half axes ``axes`` turned by ``angle`` degrees, 0 outside."""
    canvas = np.zeros(size, np.float32)
    box = ((float(centre[0]), float(centre[1])), (2 * axes[0], 2 * axes[1]), float(angle))
    cv2.ellipse(canvas, box, 1.0, cv2.FILLED)
    return canvas


def blob(rng: Generator, ground: Ground, radius: float, roughness: float, grain: float) -> Picture:
    """An uneven spot of about ``radius`` (share of the shorter side), 1 inside and 0 outside."""
    height, width = ground.size
    centre, stretch = ground.place(rng, 0.2), np.exp(rng.normal(0, 0.3))
    x = (np.arange(width, dtype=np.float32)[None, :] - centre[0]) / (radius * ground.side / stretch)
    y = (np.arange(height, dtype=np.float32)[:, None] - centre[1]) / (radius * ground.side * stretch)
    edge = 1.0 + roughness * 0.5 * smooth_noise(rng, ground.size, (grain * ground.side, grain * ground.side))
    spot: Picture = (np.sqrt(x * x + y * y) < edge).astype(np.float32)
    return spot


def shade(rng: Generator, ground: Ground) -> Picture:
    """Change of grey that is no defect: a wide soft shadow, or faint lines of grain from border to border.

    Detectors learn from them that a stain has an edge and a scratch has ends.
    """
    change = np.zeros(ground.size, np.float32)
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(blob(rng, ground, rng.uniform(0.1, 0.35), 0.3, 0.2), (0, 0), 0.07 * ground.side)
        change += np.float32(rng.uniform(0.04, 0.1)) * either_sign(rng) * soft
    if rng.random() < 0.3:
        along, across = grain_direction(ground), turned(grain_direction(ground), np.pi / 2)
        for _ in range(int(rng.integers(1, 6))):
            ends = ground.place(rng, 0.0) + np.array([[-2.0], [2.0]]) * max(ground.size) * along
            ends[1] += rng.normal(0, 4) * across
            line = stroke(ground.size, ends, int(rng.integers(1, 3)), np.ones(1))
            change += np.float32(rng.uniform(0.02, 0.06)) * either_sign(rng) * line
    return change
