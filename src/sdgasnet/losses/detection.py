"""The detection loss: varifocal for classes, GIoU and distribution focal loss for boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sdgasnet.config.schema import LossConfig
from sdgasnet.losses.assignment import Targets, assign_targets
from sdgasnet.losses.overlap import generalized_iou
from sdgasnet.models.box_coding import decode_boxes, encode_distances
from sdgasnet.models.head import HeadOutputs

NEGATIVE_WEIGHT = 0.75
"""Factor of ``p^2``, the weight of background points: docs/method.md section 4 [A]."""


class LossTerms(NamedTuple):
    """Scalars of one batch: the weighted sum to minimise, and its weighted parts, detached."""

    total: Tensor
    classes: Tensor
    boxes: Tensor
    distribution: Tensor


class DetectionLoss:
    """Assign targets and compute the loss of a batch, in float32.

    All terms are divided by one normaliser, the sum of target scores over the *global* batch, at least 1.
    ``reduce_normaliser`` turns the local sum into ``max(global sum, 1) / number of processes``; averaging
    gradients over processes, as data-parallel training does, then gives the gradient of the whole batch.

    Args:
        config: Weights.
        reg_max: Largest distance of the distribution, in strides.

    Source:
        docs/method.md section 4 [A]; varifocal: Zhang et al., CVPR 2021; distribution focal: Li et al.,
        NeurIPS 2020.
    """

    def __init__(self, config: LossConfig, reg_max: int) -> None:
        self.config = config
        self.reg_max = reg_max

    def __call__(
        self,
        outputs: HeadOutputs,
        targets: Targets,
        points: Tensor,
        strides: Tensor,
        reduce_normaliser: Callable[[Tensor], Tensor],
    ) -> LossTerms:
        """Loss of a batch.

        Args:
            outputs: What the network said.
            targets: What is there.
            points: ``(P, 2)`` input pixels.
            strides: ``(P,)`` input pixels.
            reduce_normaliser: See the class.

        Returns:
            The terms; ``total`` carries the gradient.
        """
        class_logits, box_logits = outputs.class_logits.float(), outputs.box_logits.float()
        boxes = decode_boxes(box_logits, points, strides)
        assigned = assign_targets(class_logits.sigmoid(), boxes, points, targets, self.config)
        normaliser = reduce_normaliser(assigned.target_scores.sum())
        positive = assigned.positive
        quality = torch.zeros_like(class_logits)
        quality[positive, assigned.labels[positive]] = assigned.target_scores[positive]
        weight = assigned.target_scores[positive]
        point_of = points.expand(len(positive), -1, -1)[positive]
        stride_of = strides.expand(len(positive), -1)[positive]
        wanted = encode_distances(assigned.boxes_xyxy[positive], point_of, stride_of, self.reg_max)
        class_term = (
            self.config.class_weight * varifocal_loss(class_logits, quality, ~assigned.ignored) / normaliser
        )
        box_term = (
            self.config.box_weight * box_loss(boxes[positive], assigned.boxes_xyxy[positive], weight) / normaliser
        )
        distribution_term = (
            self.config.distribution_weight
            * distribution_focal_loss(box_logits[positive], wanted, weight)
            / normaliser
        )
        return LossTerms(
            class_term + box_term + distribution_term,
            class_term.detach(),
            box_term.detach(),
            distribution_term.detach(),
        )


def varifocal_loss(logits: Tensor, quality: Tensor, counted: Tensor) -> Tensor:
    """Sum of ``w * BCE(logit, q)``; w = q at positives, else ``0.75 p^2`` (with gradient through p).

    Args:
        logits: ``(B, P, K)``.
        quality: ``(B, P, K)`` q in [0, 1]; above 0 at positives.
        counted: ``(B, P)`` bool; points that are not ignored.

    Returns:
        Scalar.
    """
    weight = torch.where(quality > 0, quality, NEGATIVE_WEIGHT * logits.sigmoid().square())
    losses = weight * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return (losses * counted[..., None]).sum()


def box_loss(boxes_xyxy: Tensor, wanted_xyxy: Tensor, weight: Tensor) -> Tensor:
    """Sum of ``q (1 - GIoU)`` over ``(N, 4)`` boxes with ``(N,)`` weights; 0 with gradient for N = 0."""
    return (weight * (1.0 - generalized_iou(boxes_xyxy, wanted_xyxy))).sum()


def distribution_focal_loss(logits: Tensor, distances: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of the two bins around each distance, weighted by nearness; mean over the four sides.

    Args:
        logits: ``(N, 4, reg_max + 1)``.
        distances: ``(N, 4)`` in strides, in [0, reg_max).
        weight: ``(N,)`` target scores.

    Returns:
        Scalar: the weighted sum over N.
    """
    lower = distances.floor().long()
    share = distances - lower
    log_probability = logits.log_softmax(-1)
    below = log_probability.gather(-1, lower[..., None]).squeeze(-1)
    above = log_probability.gather(-1, lower[..., None] + 1).squeeze(-1)
    losses = -((1.0 - share) * below + share * above).mean(-1)
    return (weight * losses).sum()
