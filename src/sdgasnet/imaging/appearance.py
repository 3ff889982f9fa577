"""How a picture looks: light, sharpness, noise and direction of its texture, as a few numbers."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.imaging.image import Image, full_scale

LEAST_LIGHT = 0.01
"""Added to shares of full scale before their logarithm, so that black has one."""
LEAST_GRADIENT = 1e-4
"""Root of the mean square below which gradients are those of no texture, as a share of full scale."""
HIGHLIGHTS = 0.99
"""Share of the pixels that are darker than the highlights."""
LEVELS = 4096
"""Of the histogram that highlights are read from."""
WINDOW = 512
"""Side in pixels of the middle of the picture in which texture is looked at; more would only take longer."""
SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""Zero on planes and edges, not on noise: Immerkær, Fast Noise Variance Estimation, 1996."""


class Appearance(NamedTuple):
    """One picture. Logarithms, so that a lamp that is 15 % dimmer shifts every picture by the same step.

    Attributes:
        brightness: Of the mean grey, share of full scale.
        highlights: Of the grey that 99 % of the pixels stay below.
        contrast: Of the standard deviation of grey.
        sharpness: Of the gradient energy at full resolution over that at half; falls when the focus is lost,
            whatever the contrast.
        noise: Of the mean size of second differences.
        direction: Of the gradient energy across over that down; changes its sign when the camera is turned.
    """

    brightness: float
    highlights: float
    contrast: float
    sharpness: float
    noise: float
    direction: float


def describe_appearance(image: Image) -> Appearance:
    """Look at a picture.

    Args:
        image: ``(H, W, 1|3)`` uint8 or uint16.

    Returns:
        Its appearance; all numbers are finite, also of pictures without any texture or of one pixel.

    Examples:
        >>> flat = np.full((32, 32, 1), 128, np.uint8)
        >>> round(float(np.exp(describe_appearance(flat).brightness)), 2)
        0.51
    """
    grey = image[:, :, 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    light = np.multiply(grey, np.float32(1 / full_scale(image.dtype)), dtype=np.float32)
    mean, deviation = (float(value.item()) for value in cv2.meanStdDev(light))
    window = _middle(light)
    across, down = _gradient_energies(window)
    half_across, half_down = _gradient_energies(_halve(window))
    curved = cv2.filter2D(window, -1, SECOND_DIFFERENCES)
    return Appearance(
        brightness=float(np.log(mean + LEAST_LIGHT)),
        highlights=float(np.log(_quantile(light, HIGHLIGHTS) + LEAST_LIGHT)),
        contrast=float(np.log(deviation + LEAST_LIGHT)),
        sharpness=float(np.log((across + down) / (half_across + half_down))),
        noise=float(np.log(cv2.norm(curved, cv2.NORM_L1) / curved.size + LEAST_GRADIENT)),
        direction=float(np.log(across / down)),
    )


def _middle(light: NDArray[np.float32]) -> NDArray[np.float32]:
    top, left = (max(0, (side - WINDOW) // 2) for side in light.shape)
    return light[top : top + WINDOW, left : left + WINDOW]


def _halve(light: NDArray[np.float32]) -> NDArray[np.float32]:
    if min(light.shape) < 2:
        return light
    return cv2.resize(light, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def _gradient_energies(light: NDArray[np.float32]) -> tuple[float, float]:
    """Mean squares of the differences across and down, with that of no texture added."""
    return _mean_square(light[:, 1:] - light[:, :-1]), _mean_square(light[1:] - light[:-1])


def _mean_square(differences: NDArray[np.float32]) -> float:
    return float(cv2.norm(differences, cv2.NORM_L2SQR)) / max(1, differences.size) + LEAST_GRADIENT**2


def _quantile(light: NDArray[np.float32], share: float) -> float:
    counts = cv2.calcHist([light], [0], None, [LEVELS], [0.0, 1.0 + 1 / LEVELS])
    return float(np.searchsorted(np.cumsum(counts), share * light.size)) / LEVELS
