"""The detection loss: varifocal for classes, GIoU and distribution focal loss for boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sdgasnet.config.schema import LossConfig
from sdgasnet.losses.assignment import Assignment, Targets, assign_targets
from sdgasnet.losses.overlap import generalized_iou
from sdgasnet.models.box_coding import decode_boxes, decode_distances, encode_distances
from sdgasnet.models.head import HeadOutputs

NEGATIVE_WEIGHT = 0.75
"""Factor of ``p^2``, the weight of background points: docs/method.md section 4 [A]."""


class LossTerms(NamedTuple):
    """Scalars of one batch: the weighted sum to minimise, and its weighted parts, detached."""

    total: Tensor
    classes: Tensor
    boxes: Tensor
    distribution: Tensor
    distillation: Tensor


class DetectionLoss:
    """Assign targets and compute the loss of a batch, in float32.

    All terms are divided by one normaliser, the sum of target scores over the *global* batch, at least 1.
    ``reduce_normaliser`` turns the local sum into ``max(global sum, 1) / number of processes``; averaging
    gradients over processes, as data-parallel training does, then gives the gradient of the whole batch.

    Args:
        config: Weights.
        reg_max: Largest distance of the distribution, in strides.
        reduce_normaliser: See above.

    Source:
        docs/method.md section 4 [A]; varifocal: Zhang et al., CVPR 2021; distribution focal: Li et al.,
        NeurIPS 2020.
    """

    def __init__(self, config: LossConfig, reg_max: int, reduce_normaliser: Callable[[Tensor], Tensor]) -> None:
        self.config = config
        self.reg_max = reg_max
        self._reduce_normaliser = reduce_normaliser

    def assign(
        self, outputs: HeadOutputs, targets: Targets, points: Tensor, strides: Tensor
    ) -> tuple[Assignment, Tensor]:
        """Which points learn what, and the normaliser of the batch; boxes are those of the distributions.

        Args:
            outputs: What the network said.
            targets: What is there.
            points: ``(P, 2)`` input pixels.
            strides: ``(P,)`` input pixels.
        """
        assert outputs.box_logits is not None
        boxes = decode_boxes(outputs.box_logits.detach().float(), points, strides)
        assigned = assign_targets(outputs.class_logits.float().sigmoid(), boxes, points, targets, self.config)
        return assigned, self._reduce_normaliser(assigned.target_scores.sum())

    def compute(
        self, outputs: HeadOutputs, assigned: Assignment, normaliser: Tensor, points: Tensor, strides: Tensor
    ) -> LossTerms:
        """Loss of a batch whose targets are assigned; a plain box predictor adds its own box loss.

        Args:
            outputs: What the network said.
            assigned: What the points learn.
            normaliser: Scalar.
            points: ``(P, 2)`` input pixels.
            strides: ``(P,)`` input pixels.

        Returns:
            The terms; ``total`` carries the gradient, ``distillation`` is 0.
        """
        assert outputs.box_logits is not None
        class_logits = outputs.class_logits.float()
        positive = assigned.positive
        quality = torch.zeros_like(class_logits)
        quality[positive, assigned.labels[positive]] = assigned.target_scores[positive]
        weight, wanted_boxes = assigned.target_scores[positive], assigned.boxes_xyxy[positive]
        point_of = points.expand(len(positive), -1, -1)[positive]
        stride_of = strides.expand(len(positive), -1)[positive]
        box_logits = outputs.box_logits[positive].float()
        boxes_loss = box_loss(decode_boxes(box_logits, point_of, stride_of), wanted_boxes, weight)
        if outputs.distances is not None:
            plain = decode_distances(outputs.distances[positive].float(), point_of, stride_of)
            boxes_loss = boxes_loss + box_loss(plain, wanted_boxes, weight)
        wanted = encode_distances(wanted_boxes, point_of, stride_of, self.reg_max)
        scale = 1.0 / normaliser
        class_term = self.config.class_weight * scale * varifocal_loss(class_logits, quality, ~assigned.ignored)
        box_term = self.config.box_weight * scale * boxes_loss
        focal = distribution_focal_loss(box_logits, wanted, weight)
        distribution_term = self.config.distribution_weight * scale * focal
        return LossTerms(
            class_term + box_term + distribution_term,
            class_term.detach(),
            box_term.detach(),
            distribution_term.detach(),
            torch.zeros_like(class_term),
        )

    def __call__(self, outputs: HeadOutputs, targets: Targets, points: Tensor, strides: Tensor) -> LossTerms:
        """Assign targets and compute the loss: :meth:`assign`, then :meth:`compute`."""
        assigned, normaliser = self.assign(outputs, targets, points, strides)
        return self.compute(outputs, assigned, normaliser, points, strides)


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
