"""What a student learns from its teacher: Kullback-Leibler divergences at a temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LAST_SHARE = 0.01
"""What the cosine decay leaves of the teacher's weight: docs/method.md section 5 [A]."""
SERIES_BELOW = 0.05
"""Where ``exp(x) - 1 - x`` is summed as a series; beyond, float32 takes the difference to 1e-5."""


def softened_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """``T^2 * KL(softmax(teacher / T) || softmax(student / T))`` over the last dimension.

    At large temperatures both distributions are nearly uniform and the usual formula cancels in float32. With
    ``d`` the softened difference of the logits and ``m`` its mean under the teacher, the divergence is
    ``log(1 + sum p (exp(d - m) - 1 - (d - m)))``, all of whose terms are positive and small.

    Args:
        student_logits: ``(..., K)``, K >= 2.
        teacher_logits: ``(..., K)``; gets no gradient.
        temperature: T > 0.

    Returns:
        ``(...)``, >= 0; 0 where the logits differ by a constant.

    Source:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015; the form that doesn't cancel:
        ours [O].

    Examples:
        >>> logits = torch.tensor([[1.0, 2.0, 0.5]])
        >>> softened_divergence(logits + 3.0, logits, 30.0).abs().max().item() < 1e-6
        True
    """
    teacher = teacher_logits.detach()
    probability = (teacher / temperature).softmax(-1)
    difference = (student_logits - teacher) / temperature
    centred = difference - (probability * difference).sum(-1, keepdim=True)
    return temperature**2 * (probability * exp_beyond_linear(centred)).sum(-1).log1p()


def exp_beyond_linear(x: Tensor) -> Tensor:
    """``exp(x) - 1 - x`` without cancellation near 0.

    Examples:
        >>> f"{exp_beyond_linear(torch.tensor(1e-4)).item():.5e}"
        '5.00017e-09'
    """
    near = x.clamp(-SERIES_BELOW, SERIES_BELOW)
    series = near.square() * (1 / 2 + near * (1 / 6 + near * (1 / 24 + near * (1 / 120 + near / 720))))
    return torch.where(x.abs() < SERIES_BELOW, series, torch.expm1(x) - x)


def divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float, symmetric: bool) -> Tensor:
    """:func:`softened_divergence`, or the mean of both directions; the teacher gets no gradient in either."""
    forward = softened_divergence(student_logits, teacher_logits, temperature)
    if not symmetric:
        return forward
    # The other direction, with the student's probabilities under the gradient.
    teacher = teacher_logits.detach()
    probability = (student_logits / temperature).softmax(-1)
    difference = (teacher - student_logits) / temperature
    centred = difference - (probability * difference).sum(-1, keepdim=True)
    backward = temperature**2 * (probability * exp_beyond_linear(centred)).sum(-1).log1p()
    return (forward + backward) / 2


def class_distillation(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float, symmetric: bool
) -> Tensor:
    """Divergence of the class scores at all points.

    The scores after the sigmoid are softened over the classes. One class has no others to be compared with: its
    score and the rest to 1 are taken as two.

    Args:
        student_logits: ``(B, P, K)`` before the sigmoid.
        teacher_logits: ``(B, P, K)`` before the sigmoid.
        temperature: T > 0.
        symmetric: Whether the mean of both directions is taken.

    Returns:
        Scalar: the sum over points, divided by the number of pictures.

    Source:
        docs/method.md section 5 [A]; the normaliser and the case of one class: ours [O].
    """
    student, teacher = student_logits.sigmoid(), teacher_logits.sigmoid()
    if student.shape[-1] == 1:
        student, teacher = (torch.cat([score, 1 - score], dim=-1) for score in (student, teacher))
    return divergence(student, teacher, temperature, symmetric).sum() / len(student_logits)


def bernoulli_distillation(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Divergence of each class score by itself, as the scores are trained: ``KL(Bernoulli(t) || Bernoulli(s))``.

    Args:
        student_logits: ``(B, P, K)`` before the sigmoid.
        teacher_logits: ``(B, P, K)`` before the sigmoid; gets no gradient.

    Returns:
        Scalar: the sum over points and classes.

    Source:
        Yang et al., Bridging Cross-task Protocol Inconsistency for Distillation in Dense Object Detection, ICCV
        2023, without its weights; its place here is ours [O].

    Examples:
        >>> logits = torch.tensor([[[0.0, -4.0]]])
        >>> bernoulli_distillation(logits, logits).item()
        0.0
    """
    teacher = teacher_logits.detach()
    taught = teacher.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(teacher, taught, reduction="none")
    return (F.binary_cross_entropy_with_logits(student_logits, taught, reduction="none") - entropy).sum()


def box_distillation(
    student_logits: Tensor, teacher_logits: Tensor, weight: Tensor, temperature: float, symmetric: bool
) -> Tensor:
    """Divergence of the distance distributions at positive points.

    Args:
        student_logits: ``(N, 4, reg_max + 1)``.
        teacher_logits: ``(N, 4, reg_max + 1)``.
        weight: ``(N,)`` target scores.
        temperature: T > 0.
        symmetric: Whether the mean of both directions is taken.

    Returns:
        Scalar: the weighted sum over points of the mean over the four sides.

    Source:
        docs/method.md section 5 [A]; localization distillation: Zheng et al., CVPR 2022.
    """
    return (weight * divergence(student_logits, teacher_logits, temperature, symmetric).mean(-1)).sum()


def cosine_decay(epoch: int, epochs: int) -> float:
    """Weight of the teacher in an epoch counted from 0: from 1 down to 1 %.

    Source:
        docs/method.md section 5 [A].

    Examples:
        >>> cosine_decay(0, 100), round(cosine_decay(50, 100), 3), round(cosine_decay(100, 100), 3)
        (1.0, 0.505, 0.01)
    """
    return 1.0 - (1.0 - LAST_SHARE) * (1.0 - math.cos(math.pi * epoch / epochs)) / 2.0
