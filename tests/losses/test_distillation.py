from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sdgasnet.losses.distillation import (
    SERIES_BELOW,
    bernoulli_distillation,
    box_distillation,
    class_distillation,
    cosine_decay,
    divergence,
    exp_beyond_linear,
    softened_divergence,
)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 30.0, 1000.0])
def test_equals_the_textbook_formula_in_float64(temperature: float) -> None:
    student, teacher = 3 * normal(7, 5), 3 * normal(7, 5, seed=1)
    log_s, log_t = (x.div(temperature).log_softmax(-1) for x in (student, teacher))
    expected = temperature**2 * F.kl_div(log_s, log_t, reduction="none", log_target=True).sum(-1)
    assert torch.allclose(softened_divergence(student, teacher, temperature), expected, rtol=1e-5, atol=1e-9)


def test_float32_keeps_its_digits_where_the_textbook_formula_loses_them() -> None:
    student, teacher = 1e-2 * normal(200, 6), 1e-2 * normal(200, 6, seed=1)
    exact = softened_divergence(student, teacher, 30.0)
    ours = softened_divergence(student.float(), teacher.float(), 30.0).double()
    log_s, log_t = (x.float().div(30.0).log_softmax(-1) for x in (student, teacher))
    textbook = 900 * F.kl_div(log_s, log_t, reduction="none", log_target=True).sum(-1).double()
    assert ((ours - exact) / exact).abs().max() < 1e-4
    assert ((textbook - exact) / exact).abs().median() > 1e-2


def test_series_and_formula_meet() -> None:
    x = torch.tensor([-SERIES_BELOW, SERIES_BELOW], dtype=torch.float64)
    inside, outside = exp_beyond_linear(x * (1 - 1e-12)), exp_beyond_linear(x * (1 + 1e-12))
    assert torch.allclose(inside, outside, rtol=1e-9)
    assert torch.allclose(outside, torch.expm1(x) - x, rtol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 30.0])
@pytest.mark.parametrize("symmetric", [False, True])
def test_gradients(temperature: float, symmetric: bool) -> None:
    classes, taught = normal(2, 3, 4).requires_grad_(), normal(2, 3, 4, seed=1)
    assert torch.autograd.gradcheck(lambda x: class_distillation(x, taught, temperature, symmetric), (classes,))
    one, taught_one = normal(2, 3, 1).requires_grad_(), normal(2, 3, 1, seed=1)
    assert torch.autograd.gradcheck(lambda x: class_distillation(x, taught_one, temperature, symmetric), (one,))
    bins, taught_bins, weight = normal(3, 4, 17).requires_grad_(), normal(3, 4, 17, seed=1), torch.rand(3).double()
    assert torch.autograd.gradcheck(
        lambda x: box_distillation(x, taught_bins, weight, temperature, symmetric), (bins,)
    )


def test_bernoulli_is_the_textbook_formula_and_its_gradient_the_difference_of_scores() -> None:
    student, teacher = (2 * normal(2, 5, 3)).requires_grad_(), 2 * normal(2, 5, 3, seed=1)
    loss = bernoulli_distillation(student, teacher)
    s, t = (torch.stack([x.sigmoid(), 1 - x.sigmoid()]) for x in (student, teacher))
    assert torch.allclose(loss, (t * (t / s).log()).sum())
    loss.backward()
    assert student.grad is not None
    assert torch.allclose(student.grad, student.detach().sigmoid() - teacher.sigmoid())


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_teacher_that_agrees_costs_nothing_and_gets_no_gradient(symmetric: bool) -> None:
    student, teacher = normal(2, 5, 3).requires_grad_(), normal(2, 5, 3).requires_grad_()
    loss = class_distillation(student, teacher, 30.0, symmetric)
    assert float(loss) == pytest.approx(0.0, abs=1e-12)
    class_distillation(student, teacher + 1, 30.0, symmetric).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_symmetric_is_the_mean_of_both_directions() -> None:
    a, b = normal(4, 6), normal(4, 6, seed=1)
    both = (softened_divergence(a, b, 2.0) + softened_divergence(b, a, 2.0)) / 2
    assert torch.allclose(divergence(a, b, 2.0, symmetric=True), both)
    assert torch.allclose(divergence(a, b, 2.0, True), divergence(b, a, 2.0, True))


def test_at_high_temperature_it_is_a_centred_squared_error() -> None:
    """docs/method.md section 5: within 2 % at T of 20 to 30."""
    student, teacher = normal(1, 50, 6), normal(1, 50, 6, seed=1)
    gap = student.sigmoid() - teacher.sigmoid()
    squared = (gap - gap.mean(-1, keepdim=True)).square().mean(-1).sum() / 2
    assert float(class_distillation(student, teacher, 30.0, False)) == pytest.approx(float(squared), rel=0.02)


def test_one_class_is_a_bernoulli_divergence() -> None:
    student, teacher = normal(1, 8, 1), normal(1, 8, 1, seed=1)
    expected = 0.0
    for s, t in zip(student.sigmoid().flatten().tolist(), teacher.sigmoid().flatten().tolist(), strict=True):
        q = 1 / (1 + math.exp(-(2 * s - 1) / 5.0))
        p = 1 / (1 + math.exp(-(2 * t - 1) / 5.0))
        expected += 25.0 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    found = float(class_distillation(student, teacher, 5.0, False))
    assert found == pytest.approx(expected)
    assert found > 0


def test_normalisers() -> None:
    student, teacher = normal(2, 5, 3), normal(2, 5, 3, seed=1)
    doubled = class_distillation(student.repeat(2, 1, 1), teacher.repeat(2, 1, 1), 30.0, False)
    assert torch.allclose(doubled, class_distillation(student, teacher, 30.0, False))
    bins, taught = normal(2, 4, 9), normal(2, 4, 9, seed=1)
    weight = torch.tensor([0.5, 0.0], dtype=torch.float64)
    alone = box_distillation(bins[:1], taught[:1], weight[:1], 30.0, False)
    assert torch.allclose(box_distillation(bins, taught, weight, 30.0, False), alone)


def test_no_positive_points_give_zero_with_a_gradient() -> None:
    bins = torch.zeros(0, 4, 17, requires_grad=True)
    loss = box_distillation(bins, torch.zeros(0, 4, 17), torch.zeros(0), 30.0, False)
    loss.backward()
    assert float(loss) == 0.0


def test_decay_falls_from_one_to_a_hundredth() -> None:
    shares = [cosine_decay(epoch, 20) for epoch in range(21)]
    assert shares[0] == 1.0
    assert shares[-1] == pytest.approx(0.01)
    assert shares == sorted(shares, reverse=True)
