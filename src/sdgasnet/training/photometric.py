"""Changes of pixel values: brightness and colour, blending, depth."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.config.schema import AugmentationConfig
from sdgasnet.imaging.image import Image, full_scale
from sdgasnet.imaging.template import TEMPLATE

FULL_TURN = 360.0
"""Hue of OpenCV's floating-point HSV, in degrees."""
STRIP_VALUES = 24_576
"""Values worked on at a time: as float32 they stay in the processor's cache and in memory that is used again
(fresh memory for whole pictures takes more time than the arithmetic)."""


def change_colours(image: Image, config: AugmentationConfig, rng: Generator) -> Image:
    """Turn the hue, scale saturation and value at random; of a grey picture only the value.

    Args:
        image: ``(H, W, 1|3)`` uint8 or uint16.
        config: Largest changes.
        rng: Source of randomness; always gives three numbers.

    Returns:
        A picture of the same shape and type.
    """
    hue, saturation, value = rng.uniform(-1, 1, 3) * (config.hue, config.saturation, config.value)
    brightest = full_scale(image.dtype)
    changed = np.empty_like(image)
    rows = max(1, STRIP_VALUES // (image.shape[1] * image.shape[2]))
    for top in range(0, image.shape[0], rows):
        strip = image[top : top + rows]
        if image.shape[2] == 1:
            pixels: Any = np.minimum(strip * np.float32(1 + value), np.float32(brightest))
        else:
            pixels = scale_hsv(strip, hue, 1 + saturation, 1 + value)
        changed[top : top + rows] = np.rint(pixels, out=pixels)
    return changed


def change_pair(image: Image, config: AugmentationConfig, rng: Generator) -> Image:
    """Scale the value of a pair at random, picture and template alike, and move the template a little.

    Args:
        image: ``(H, W, 3)`` uint8 or uint16, as from :func:`~sdgasnet.imaging.template.pair_with_template`.
        config: Largest changes.
        rng: Source of randomness; always gives three numbers.

    Returns:
        A pair of the same shape and type.
    """
    value, right, down = rng.uniform(-1, 1, 3) * (config.value, config.template_shift, config.template_shift)
    changed = np.asarray(cv2.addWeighted(image, 1 + value, image, 0.0, 0.0), image.dtype)
    template = np.ascontiguousarray(changed[:, :, TEMPLATE])
    matrix, size = np.array([[1, 0, right], [0, 1, down]], np.float32), template.shape[::-1]
    changed[:, :, TEMPLATE] = cv2.warpAffine(template, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return changed


def scale_hsv(image: Image, hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    """Turn the hue by a share of the colour circle, scale saturation and value and clip both.

    Args:
        image: ``(H, W, 3)`` RGB, uint8 or uint16.
        hue: Share of a full turn.
        saturation: Factor.
        value: Factor.

    Returns:
        ``(H, W, 3)`` RGB in the scale of the picture, not rounded.
    """
    turn = hue % 1.0 * FULL_TURN  # not negative: OpenCV brings back hues above a full turn, but none far below 0
    change = np.array([[1, 0, 0, turn], [0, saturation, 0, 0], [0, 0, value, 0]])
    hsv = cv2.transform(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV), change)
    largest: Any = (2 * FULL_TURN, 1.0, float(full_scale(image.dtype)), 0.0)
    changed: Any = cv2.cvtColor(cv2.min(hsv, largest), cv2.COLOR_HSV2RGB)
    scaled: NDArray[np.float32] = changed
    return scaled


def blend(first: Image, second: Image, share: float) -> Image:
    """``share`` of the first picture and the rest of the second, as deep as the deeper one."""
    dtype = np.result_type(first.dtype, second.dtype)
    mixed: Any = cv2.addWeighted(match_depth(first, dtype), share, match_depth(second, dtype), 1 - share, 0)
    blended: Image = mixed.reshape(first.shape)
    return blended


def match_depth(image: Image, dtype: np.dtype[Any]) -> Image:
    """The picture in another depth, its range scaled: uint8 to uint16 multiplies by 257.

    Examples:
        >>> match_depth(np.full((1, 1, 1), 255, np.uint8), np.dtype(np.uint16)).item()
        65535
    """
    if image.dtype == dtype:
        return image
    return image.astype(dtype) * (full_scale(dtype) // full_scale(image.dtype))
