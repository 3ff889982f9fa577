"""Composed 3x3 matrices in continuous pixel coordinates, and what they do to pictures and boxes."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.config.schema import AugmentationConfig
from sdgasnet.imaging.geometry import ResizeMap, box_areas
from sdgasnet.imaging.image import Image

Matrix = NDArray[np.float64]
"""``(3, 3)``; maps continuous x, y, 1, where (0, 0) is the upper left corner of the upper left pixel."""

SMALLEST_SIDE = 2.0
"""Boxes of a shorter side, in canvas pixels, are dropped [O]."""
SMALLEST_VISIBLE_SHARE = 0.1
"""Boxes of which less is left on the canvas are dropped [O]."""


def translation(x: float, y: float) -> Matrix:
    """Move by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def scaling(x: float, y: float) -> Matrix:
    """Scale about the origin; a negative factor mirrors."""
    return np.diag([x, y, 1.0])


def letterbox_matrix(resize_map: ResizeMap) -> Matrix:
    """The matrix of :class:`ResizeMap`: source to canvas."""
    (height, width), (source_height, source_width) = resize_map.resized_size, resize_map.source_size
    top, left = resize_map.offset
    return translation(left, top) @ scaling(width / source_width, height / source_height)


def random_affine(config: AugmentationConfig, rng: Generator, image_size: tuple[int, int]) -> Matrix:
    """A random turn, scale, shear, flip and shift of the canvas about its centre.

    Args:
        config: Ranges.
        rng: Source of randomness; always drawn from in the same order and number.
        image_size: (height, width) of the canvas.

    Returns:
        Matrix from canvas to canvas.
    """
    height, width = image_size
    angle = math.radians(rng.uniform(-config.rotate, config.rotate))
    scale = rng.uniform(1 - config.scale, 1 + config.scale)
    shear_x, shear_y = (math.tan(math.radians(v)) for v in rng.uniform(-config.shear, config.shear, 2))
    shift_x, shift_y = rng.uniform(-config.translate, config.translate, 2)
    flip_x, flip_y = rng.random(2) < (config.flip_horizontal, config.flip_vertical)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    shear = np.array([[1, shear_x, 0], [shear_y, 1, 0], [0, 0, 1]])
    flip = scaling(-1.0 if flip_x else 1.0, -1.0 if flip_y else 1.0)
    about_centre = shear @ turn @ scaling(scale, scale) @ flip
    back = translation(width * (0.5 + shift_x), height * (0.5 + shift_y))
    out: Matrix = back @ about_centre @ translation(-width / 2, -height / 2)
    return out


def warp_onto(canvas: Image, image: Image, matrix: Matrix) -> None:
    """Draw a picture onto a canvas through a matrix, in one interpolation; leave the rest of the canvas.

    Args:
        canvas: ``(h, w, C)``, changed in place.
        image: ``(H, W, C)`` of the same type.
        matrix: Source to canvas, continuous coordinates. OpenCV counts pixel centres, half a pixel off.
    """
    centred = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    target: Any = canvas if canvas.shape[2] == 3 else canvas[:, :, 0]
    cv2.warpAffine(
        image,
        centred[:2],
        (canvas.shape[1], canvas.shape[0]),
        dst=target,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def transform_boxes(boxes_xyxy: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Upright hulls of boxes after a matrix: ``(N, 4)`` -> ``(N, 4)``, not clipped.

    Examples:
        >>> transform_boxes(np.array([[0.0, 0.0, 2.0, 1.0]]), translation(3, 4)).tolist()
        [[3.0, 4.0, 5.0, 5.0]]
    """
    x1, y1, x2, y2 = boxes_xyxy.T
    corners = np.stack([[x1, x2, x2, x1], [y1, y1, y2, y2]])
    moved = np.tensordot(matrix[:2, :2], corners, axes=1) + matrix[:2, 2, None, None]
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)]).T


def clip_to_canvas(
    boxes_xyxy: NDArray[np.float64], image_size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Clip boxes and say which are still worth learning.

    Args:
        boxes_xyxy: ``(N, 4)`` canvas pixels.
        image_size: (height, width) of the canvas.

    Returns:
        Clipped boxes ``(N, 4)``, and ``(N,)`` True where both sides and the visible share are large enough.
    """
    height, width = image_size
    clipped = boxes_xyxy.clip(0, [width, height, width, height])
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = box_areas(clipped) >= SMALLEST_VISIBLE_SHARE * box_areas(boxes_xyxy)
    return clipped, (sides >= SMALLEST_SIDE).all(axis=1) & visible
