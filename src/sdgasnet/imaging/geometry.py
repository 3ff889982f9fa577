"""Where a pixel of the source picture lies on the network's canvas, and overlap of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ResizeMap:
    """Letterbox: one scale for both axes, centred on the canvas.

    Attributes:
        source_size: (height, width) of the picture.
        image_size: (height, width) of the canvas.
        resized_size: (height, width) of the picture on the canvas, whole pixels.
        offset: (top, left) of the picture on the canvas, whole pixels.

    Examples:
        >>> letterbox = ResizeMap.letterbox((100, 200), (64, 64))
        >>> letterbox.to_canvas(np.array([[0.0, 0.0, 200.0, 100.0]])).tolist()
        [[0.0, 16.0, 64.0, 48.0]]
    """

    source_size: tuple[int, int]
    image_size: tuple[int, int]
    resized_size: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def letterbox(cls, source_size: tuple[int, int], image_size: tuple[int, int]) -> Self:
        """The largest picture of unchanged shape that fits on the canvas."""
        scale = min(image_size[0] / source_size[0], image_size[1] / source_size[1])
        height = min(image_size[0], max(1, round(source_size[0] * scale)))
        width = min(image_size[1], max(1, round(source_size[1] * scale)))
        offset = ((image_size[0] - height) // 2, (image_size[1] - width) // 2)
        return cls(source_size, image_size, (height, width), offset)

    def to_canvas(self, boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
        """``(N, 4)`` boxes from source to canvas pixels."""
        return boxes_xyxy * self._scale() + self._shift()

    def to_source(self, boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
        """``(N, 4)`` boxes from canvas to source pixels; not clipped."""
        return (boxes_xyxy - self._shift()) / self._scale()

    def _scale(self) -> NDArray[np.float64]:
        y, x = (self.resized_size[axis] / self.source_size[axis] for axis in (0, 1))
        return np.array([x, y, x, y])

    def _shift(self) -> NDArray[np.float64]:
        top, left = self.offset
        return np.array([left, top, left, top], dtype=np.float64)


def pairwise_iou(boxes_a: NDArray[np.floating], boxes_b: NDArray[np.floating]) -> NDArray[np.float64]:
    """IoU of every box of one set with every box of another.

    Args:
        boxes_a: ``(N, 4)`` x1 y1 x2 y2.
        boxes_b: ``(M, 4)`` in the same unit.

    Returns:
        ``(N, M)`` in [0, 1]; 0 where both boxes are empty.

    Examples:
        >>> pairwise_iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0]])).round(3).tolist()
        [[0.333]]
    """
    a, b = boxes_a.T[:, :, None], boxes_b.T[:, None, :]
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    overlap = np.maximum(width, 0) * np.maximum(height, 0)
    union = box_areas(boxes_a)[:, None] + box_areas(boxes_b)[None, :] - overlap
    ratio: NDArray[np.float64] = np.divide(overlap, union, out=np.zeros(overlap.shape), where=union > 0)
    return ratio


def box_areas(boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Areas of ``(N, 4)`` boxes in square pixels; 0 for a box turned inside out."""
    width, height = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).T.astype(np.float64)
    areas: NDArray[np.float64] = np.maximum(width, 0) * np.maximum(height, 0)
    return areas
