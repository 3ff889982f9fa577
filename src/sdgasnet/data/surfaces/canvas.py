"""What all surfaces share: noise of a given grain, lighting, the camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.imaging.image import full_scale

Picture = NDArray[np.float32]
"""``(H, W)`` grey, 0 = black, 1 = white."""
Size = tuple[int, int]
"""(height, width)."""


def smooth_noise(rng: Generator, size: Size, grain: tuple[float, float]) -> Picture:
    """Noise of zero mean and unit spread whose spots are ``grain`` = (height, width) pixels large."""
    height = max(2, round(size[0] / grain[0]) + 1)
    width = max(2, round(size[1] / grain[1]) + 1)
    coarse = rng.standard_normal((height, width), dtype=np.float32)
    noise = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    even: Picture = ((noise - noise.mean()) / max(float(noise.std()), 1e-6)).astype(np.float32)
    return even


def light(rng: Generator, picture: Picture) -> Picture:
    """Uneven lighting: a gradient in a random direction, and the lens darkening the corners."""
    height, width = picture.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    angle = rng.uniform(0, 2 * np.pi)
    gradient = 1.0 + rng.uniform(0, 0.2) * (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
    vignette = 1.0 - rng.uniform(0, 0.12) * (x * x + y * y)
    lit: Picture = (picture * gradient * vignette).astype(np.float32)
    return lit


def photograph(rng: Generator, picture: Picture) -> NDArray[np.uint8]:
    """The camera: slight defocus, exposure, sensor noise, eight bits.

    Args:
        rng: Source of randomness.
        picture: ``(H, W)`` in about [0, 1].

    Returns:
        ``(H, W, 1)``.
    """
    blurred = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(0.004, 0.02)
    exposed = blurred * rng.uniform(0.85, 1.15) + noise
    return (np.clip(exposed, 0, 1) * full_scale(np.uint8) + 0.5).astype(np.uint8)[:, :, None]


def difference_box(before: Picture, after: Picture, floor: float) -> tuple[float, float, float, float] | None:
    """Hull of the pixels that differ by more than ``floor``; None if there is none.

    Examples:
        >>> a = np.zeros((4, 4), np.float32); b = a.copy(); b[1, 2] = 1
        >>> difference_box(a, b, 0.5)
        (2.0, 1.0, 3.0, 2.0)
    """
    changed = np.abs(after - before) > floor
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if len(rows) == 0:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
