"""Overlap of boxes on tensors: IoU of all pairs, generalised IoU of matched ones."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """IoU of every box of one set with every box of another.

    Args:
        boxes_a: ``(..., N, 4)`` x1 y1 x2 y2.
        boxes_b: ``(..., M, 4)`` in the same unit.

    Returns:
        ``(..., N, M)`` in [0, 1]; 0 for empty boxes.

    Examples:
        >>> pairwise_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]])).item()
        0.3333333432674408
    """
    left_a, top_a, right_a, bottom_a = (side[..., :, None] for side in boxes_a.unbind(-1))
    left_b, top_b, right_b, bottom_b = (side[..., None, :] for side in boxes_b.unbind(-1))
    # By side: operations along a last dimension of two elements are several times slower.
    width = (torch.minimum(right_a, right_b) - torch.maximum(left_a, left_b)).clamp(min=0)
    height = (torch.minimum(bottom_a, bottom_b) - torch.maximum(top_a, top_b)).clamp(min=0)
    overlap = width * height
    union = _area(boxes_a)[..., :, None] + _area(boxes_b)[..., None, :] - overlap
    return overlap / union.clamp(min=torch.finfo(union.dtype).tiny)


def generalized_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Generalised IoU of matched boxes.

    Args:
        boxes_a: ``(..., 4)`` x1 y1 x2 y2.
        boxes_b: ``(..., 4)`` in the same unit.

    Returns:
        ``(...)`` in [-1, 1].

    Source:
        Rezatofighi et al., CVPR 2019.

    Examples:
        >>> a = torch.tensor([0.0, 0.0, 1.0, 1.0])
        >>> generalized_iou(a, a).item()
        1.0
    """
    tiny = torch.finfo(boxes_a.dtype).eps
    overlap = torch.minimum(boxes_a[..., 2:], boxes_b[..., 2:]) - torch.maximum(boxes_a[..., :2], boxes_b[..., :2])
    intersection = overlap.clamp(min=0).prod(-1)
    union = _area(boxes_a) + _area(boxes_b) - intersection
    hull = (
        torch.maximum(boxes_a[..., 2:], boxes_b[..., 2:]) - torch.minimum(boxes_a[..., :2], boxes_b[..., :2])
    ).prod(-1)
    return intersection / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def _area(boxes_xyxy: Tensor) -> Tensor:
    return (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0).prod(-1)
