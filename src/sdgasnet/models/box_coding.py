"""Points, and boxes as distances from them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdgasnet.models.constants import constant

STRIDES = (8, 16, 32)


def anchor_points(image_size: tuple[int, int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Points of all levels, in input pixels.

    Args:
        image_size: (height, width), multiples of 32.
        device: Where the tensors lie.

    Returns:
        Points ``(P, 2)`` as x, y at ``(i + 0.5) * stride``, and strides ``(P,)``; ordered by level 8, 16, 32,
        row-major in each.

    Source:
        docs/method.md section 4 [A].

    Examples:
        >>> points, strides = anchor_points((32, 64))
        >>> points[0].tolist(), points.shape[0], strides[-1].item()
        ([4.0, 4.0], 42, 32.0)
    """
    return constant(_points, image_size, device=device), constant(_strides, image_size, device=device)


@lru_cache(maxsize=64)
def _points(image_size: tuple[int, int]) -> NDArray[np.float32]:
    levels = []
    for stride in STRIDES:
        rows, columns = np.indices((image_size[0] // stride, image_size[1] // stride), dtype=np.float32)
        levels.append((np.stack([columns.ravel(), rows.ravel()], axis=1) + np.float32(0.5)) * np.float32(stride))
    return np.concatenate(levels)


@lru_cache(maxsize=64)
def _strides(image_size: tuple[int, int]) -> NDArray[np.float32]:
    counts = [(image_size[0] // stride) * (image_size[1] // stride) for stride in STRIDES]
    return np.repeat(np.array(STRIDES, np.float32), counts)


def decode_boxes(box_logits: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Boxes from distance distributions, in float32.

    Args:
        box_logits: ``(..., P, 4, reg_max + 1)``.
        points: ``(P, 2)`` input pixels.
        strides: ``(P,)`` input pixels.

    Returns:
        ``(..., P, 4)`` x1 y1 x2 y2 in input pixels.

    Source:
        Expectation of the distribution: Li et al., Generalized Focal Loss, NeurIPS 2020.
    """
    dtype = torch.float64 if box_logits.dtype == torch.float64 else torch.float32
    bins = torch.arange(box_logits.shape[-1], device=box_logits.device, dtype=dtype)
    return decode_distances((box_logits.to(dtype).softmax(-1) * bins).sum(-1), points, strides)


def decode_distances(distances: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Boxes from distances to their sides, in float32.

    Args:
        distances: ``(..., P, 4)`` left, top, right, bottom, in strides.
        points: ``(P, 2)`` input pixels.
        strides: ``(P,)`` input pixels.

    Returns:
        ``(..., P, 4)`` x1 y1 x2 y2 in input pixels.
    """
    dtype = torch.float64 if distances.dtype == torch.float64 else torch.float32
    scaled = distances.to(dtype) * strides[:, None]
    return torch.cat([points - scaled[..., :2], points + scaled[..., 2:]], dim=-1)


def encode_distances(boxes_xyxy: Tensor, points: Tensor, strides: Tensor, reg_max: int) -> Tensor:
    """Distances from points to the sides of boxes, in strides; the inverse of :func:`decode_boxes`.

    Args:
        boxes_xyxy: ``(..., 4)`` input pixels.
        points: ``(..., 2)`` input pixels.
        strides: ``(...)`` input pixels.
        reg_max: Largest distance that the distribution can say.

    Returns:
        ``(..., 4)`` left, top, right, bottom, clamped to [0, reg_max - 0.01].
    """
    left_top = points - boxes_xyxy[..., :2]
    right_bottom = boxes_xyxy[..., 2:] - points
    return (torch.cat([left_top, right_bottom], dim=-1) / strides[..., None]).clamp(0, reg_max - 0.01)
