from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdgasnet.losses.overlap import generalized_iou, pairwise_iou


def random_boxes(seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 50
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 30], dim=1)


def brute_force_giou(a: list[float], b: list[float]) -> float:
    overlap = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return overlap / union - (hull - union) / hull


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_generalized_iou_equals_the_definition(seed: int) -> None:
    a, b = random_boxes(seed, 6), random_boxes(seed + 1, 6)
    expected = [brute_force_giou(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert torch.allclose(generalized_iou(a, b), torch.tensor(expected, dtype=torch.float64))


def test_generalized_iou_has_the_right_gradient() -> None:
    a, b = random_boxes(3, 5).requires_grad_(), random_boxes(4, 5)
    assert torch.autograd.gradcheck(generalized_iou, (a, b))


def test_pairwise_iou_of_empty_boxes_is_zero() -> None:
    empty = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert pairwise_iou(empty, empty).item() == 0.0


def test_pairwise_iou_takes_leading_dimensions() -> None:
    a, b = random_boxes(0, 12).reshape(2, 6, 4), random_boxes(1, 8).reshape(2, 4, 4)
    both = pairwise_iou(a, b)
    assert both.shape == (2, 6, 4)
    assert torch.equal(both[1], pairwise_iou(a[1], b[1]))
