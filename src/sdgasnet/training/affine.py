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

QUARTER_TURN: Matrix = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
SMALLEST_SIDE = 2.0
"""Boxes of a shorter side, in canvas pixels, are dropped [O]."""
SMALLEST_VISIBLE_SHARE = 0.1
"""Boxes of which less is left on the canvas are dropped [O]."""
ALMOST_LEVEL = 1e-12
"""Slope in place of none: the edge of a picture along a row is crossed far outside the canvas."""


def translation(x: float, y: float) -> Matrix:
    """Move by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def scaling(x: float, y: float) -> Matrix:
    """Scale about the origin; a negative factor mirrors."""
    return np.diag([x, y, 1.0])


def letterbox_matrix(resize_map: ResizeMap) -> Matrix:
    """The matrix of :meth:`ResizeMap.to_canvas`."""
    (height, width), (source_height, source_width) = resize_map.resized_size, resize_map.source_size
    top, left = resize_map.offset
    return translation(left, top) @ scaling(width / source_width, height / source_height)


def random_affine(config: AugmentationConfig, rng: Generator, image_size: tuple[int, int]) -> Matrix:
    """A random flip, quarter turn, scale, turn and shear of the canvas about its centre, then a shift.

    Args:
        config: Ranges.
        rng: Source of randomness; the same count of numbers is drawn whatever the ranges are, and one more where
            quarter turns are allowed.
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
    if config.quarter_turn > 0 and rng.random() < config.quarter_turn:
        flip = flip @ QUARTER_TURN
    about_centre = shear @ turn @ scaling(scale, scale) @ flip
    back = translation(width * (0.5 + shift_x), height * (0.5 + shift_y))
    out: Matrix = back @ about_centre @ translation(-width / 2, -height / 2)
    return out


def warp_onto(canvas: Image, image: Image, matrix: Matrix) -> None:
    """Draw a picture onto a canvas through a matrix, in one interpolation; the rest of the canvas stays.

    A canvas pixel is drawn where its centre falls into the picture, so that pictures that share an edge meet
    without a gap and without an overlap. A picture that shrinks to half or less is averaged over whole blocks
    first, for bilinear interpolation would skip pixels and with them small defects.

    Args:
        canvas: ``(h, w, C)``, changed in place.
        image: ``(H, W, C)`` of the same type.
        matrix: Source to canvas, continuous coordinates.
    """
    image, matrix = average_blocks(image, matrix)
    height, width = image.shape[:2]
    outline = transform_boxes(np.array([[0.0, 0.0, width, height]]), matrix)[0]
    limit = [canvas.shape[1], canvas.shape[0]]
    left, top = np.floor(outline[:2]).clip(0, limit).astype(int).tolist()
    right, bottom = np.ceil(outline[2:]).clip(0, limit).astype(int).tolist()
    if right <= left or bottom <= top:
        return
    to_source: Any = np.linalg.inv(translation(-left, -top) @ matrix)
    # OpenCV counts from the centre of the upper left pixel, half a pixel off ours.
    from_centres = translation(-0.5, -0.5) @ to_source @ translation(0.5, 0.5)
    warped: Any = cv2.warpAffine(
        image,
        from_centres[:2],
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    window = canvas[top:bottom, left:right]
    drawn = covered_pixels(to_source, (bottom - top, right - left), (height, width))
    window[:] = cv2.copyTo(warped, drawn, np.ascontiguousarray(window)).reshape(window.shape)


def average_blocks(image: Image, matrix: Matrix) -> tuple[Image, Matrix]:
    """Shrink a picture by the whole factor that its matrix leaves room for, and mend the matrix.

    Args:
        image: ``(H, W, C)``.
        matrix: Source to canvas.

    Returns:
        The same two if the matrix keeps more than half the size, else the smaller picture and its matrix.
    """
    scale = math.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    factor = math.floor(1 / scale + 1e-6)
    if factor < 2:
        return image, matrix
    height, width, channels = image.shape
    small_height, small_width = max(1, round(height / factor)), max(1, round(width / factor))
    small: Any = cv2.resize(image, (small_width, small_height), interpolation=cv2.INTER_AREA)
    return small.reshape(small_height, small_width, channels), matrix @ scaling(
        width / small_width, height / small_height
    )


def covered_pixels(
    to_source: Matrix, window_size: tuple[int, int], source_size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Which pixels of a window have their centre in the picture: ``window_size``, 1 or 0.

    In every row they are one run of columns: where both source coordinates lie between 0 and the picture's side.
    A centre exactly on the left end of the run belongs to it, one on the right end doesn't, whichever way the
    picture is turned; so two pictures that share an edge never both draw a pixel, nor leave one out.

    Args:
        to_source: Matrix from window to picture.
        window_size: (height, width).
        source_size: (height, width) of the picture.

    Examples:
        >>> covered_pixels(translation(-1, 0), (2, 4), (1, 2)).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    rows, columns = (np.arange(length) + 0.5 for length in window_size)
    starts, stops = [], []
    for (by_x, by_y, shift), side in zip(to_source[:2].tolist(), reversed(source_size), strict=True):
        at_left = by_y * rows + shift
        crossings = -at_left / (by_x or ALMOST_LEVEL), (side - at_left) / (by_x or ALMOST_LEVEL)
        starts.append(np.minimum(*crossings))
        stops.append(np.maximum(*crossings))
    start, stop = np.maximum(*starts)[:, None], np.minimum(*stops)[:, None]
    covered: NDArray[np.uint8] = ((columns >= start) & (columns < stop)).view(np.uint8)
    return covered


def transform_boxes(boxes_xyxy: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Upright hulls of boxes after a matrix: ``(N, 4)`` -> ``(N, 4)``, not clipped.

    Examples:
        >>> transform_boxes(np.array([[0.0, 0.0, 2.0, 1.0]]), translation(3, 4)).tolist()
        [[3.0, 4.0, 5.0, 5.0]]
    """
    x1, y1, x2, y2 = boxes_xyxy.T
    x, y = np.array([[x1, x2, x2, x1], [y1, y1, y2, y2]])
    moved = [by_x * x + by_y * y + shift for by_x, by_y, shift in matrix[:2]]
    hull = [axis.min(axis=0) for axis in moved] + [axis.max(axis=0) for axis in moved]
    return np.array(hull).T


def clip_to_canvas(
    boxes_xyxy: NDArray[np.float64], image_size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Clip boxes and say which are still worth learning.

    Args:
        boxes_xyxy: ``(N, 4)`` canvas pixels.
        image_size: (height, width) of the canvas.

    Returns:
        Clipped boxes ``(N, 4)``, and ``(N,)`` True where both sides and the visible share are large enough.

    Examples:
        >>> clipped, keep = clip_to_canvas(np.array([[-5.0, 0, 5, 9], [-95, 0, 5, 9]]), (32, 32))
        >>> clipped.tolist(), keep.tolist()
        ([[0.0, 0.0, 5.0, 9.0], [0.0, 0.0, 5.0, 9.0]], [True, False])
    """
    height, width = image_size
    clipped = boxes_xyxy.clip(0, [width, height, width, height])
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = box_areas(clipped) >= SMALLEST_VISIBLE_SHARE * box_areas(boxes_xyxy)
    return clipped, (sides >= SMALLEST_SIDE).all(axis=1) & visible
