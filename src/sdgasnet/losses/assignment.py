"""Which point learns which object, and how well it should do."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sdgasnet.config.schema import LossConfig
from sdgasnet.losses.overlap import pairwise_iou

PAIRS_AT_ONCE = 2**16
"""Objects times points that are worked on together: bounds memory, and what fits a cache is faster."""
PAIRS_AT_ONCE_ON_GPU = 2**24
"""The same on a GPU, where many small pieces take longer than a large one."""


class Targets(NamedTuple):
    """Labelled objects of a batch, padded to M objects a picture; M may be 0.

    Attributes:
        labels: ``(B, M)`` int64 class indices; 0 where padded.
        boxes_xyxy: ``(B, M, 4)`` float32, input pixels.
        valid: ``(B, M)`` bool; False = padding.
        crowd: ``(B, M)`` bool; a region whose points are ignored, not an object.
    """

    labels: Tensor
    boxes_xyxy: Tensor
    valid: Tensor
    crowd: Tensor

    def to(self, device: torch.device) -> Targets:
        """The same on another device."""
        return Targets(*(part.to(device, non_blocking=True) for part in self))


class Assignment(NamedTuple):
    """What every point of a batch learns.

    Attributes:
        labels: ``(B, P)`` int64; meaningful at positives.
        boxes_xyxy: ``(B, P, 4)`` input pixels; meaningful at positives.
        target_scores: ``(B, P)`` q in [0, 1]; 0 at background.
        positive: ``(B, P)`` bool.
        ignored: ``(B, P)`` bool: neither positive nor background.
    """

    labels: Tensor
    boxes_xyxy: Tensor
    target_scores: Tensor
    positive: Tensor
    ignored: Tensor


@torch.no_grad()
def assign_targets(
    scores: Tensor, boxes_xyxy: Tensor, points: Tensor, targets: Targets, config: LossConfig
) -> Assignment:
    """Assign points to objects by how well they already find them (task-aligned assignment).

    Candidates of an object are the points inside its box, or the nearest point if there is none inside. The
    best ``assign_top_k`` by ``score^alpha * IoU^beta`` learn it; a point that two objects want goes to the one
    of the higher IoU. The target score is ``metric / best metric of the object * best IoU of the object``.
    Where every metric of an object is zero (an untrained network, or an IoU^beta below the smallest number) the
    nearest candidates are taken instead of an arbitrary choice, with IoU as their metric. An object stays without
    a point only where others overlap all of its points better; one that no prediction touches gets points, but
    target scores of 0. Pictures are worked through a few at a time (:data:`PAIRS_AT_ONCE`).

    Args:
        scores: ``(B, P, K)`` after the sigmoid.
        boxes_xyxy: ``(B, P, 4)`` predicted boxes, input pixels.
        points: ``(P, 2)`` input pixels.
        targets: Objects of the batch.
        config: Weights of the metric and number of points.

    Returns:
        The assignment.

    Source:
        TOOD: Feng et al., ICCV 2021; candidates, conflict and target score: docs/method.md section 4 [A]; the
        order among zero metrics: ours [O].
    """
    scores, boxes_xyxy = scores.detach().float(), boxes_xyxy.detach().float()
    batch, most = targets.labels.shape
    if most == 0:
        return _background(batch, len(points), boxes_xyxy)
    pairs = PAIRS_AT_ONCE if scores.device.type == "cpu" else PAIRS_AT_ONCE_ON_GPU
    pictures = max(1, pairs // (most * len(points)))
    parts = [
        _assign_together(
            scores[start : start + pictures],
            boxes_xyxy[start : start + pictures],
            points,
            Targets(*(part[start : start + pictures] for part in targets)),
            config,
        )
        for start in range(0, batch, pictures)
    ]
    return Assignment(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _assign_together(
    scores: Tensor, boxes_xyxy: Tensor, points: Tensor, targets: Targets, config: LossConfig
) -> Assignment:
    """:func:`assign_targets` of pictures of which one at least has room for an object."""
    objects = targets.valid & ~targets.crowd
    inside = points_inside(points, targets.boxes_xyxy)
    distance = center_distance_squared(points, targets.boxes_xyxy)
    candidates = with_nearest(inside, distance) & objects[:, :, None]
    iou = pairwise_iou(targets.boxes_xyxy, boxes_xyxy)
    class_scores = scores.transpose(1, 2).gather(1, targets.labels[:, :, None].expand(-1, -1, len(points)))
    metric = class_scores.pow(config.assign_alpha) * iou.pow(config.assign_beta)
    chosen = choose_best(metric, distance, candidates, config.assign_top_k)
    chosen = resolve_conflicts(chosen, iou, distance)
    quality = target_quality(metric.masked_fill_(~chosen, 0), iou.masked_fill_(~chosen, 0))
    owner = (chosen * torch.arange(chosen.shape[1], device=chosen.device)[:, None]).amax(1)
    positive = chosen.any(1)
    crowd = (inside & (targets.valid & targets.crowd)[:, :, None]).any(1)
    return Assignment(
        labels=targets.labels.gather(1, owner),
        boxes_xyxy=targets.boxes_xyxy.gather(1, owner[:, :, None].expand(-1, -1, 4)),
        target_scores=quality.amax(1).clamp(max=1.0),
        positive=positive,
        ignored=crowd & ~positive,
    )


def _background(batch: int, num_points: int, like: Tensor) -> Assignment:
    nothing = torch.zeros((batch, num_points), dtype=torch.bool, device=like.device)
    return Assignment(nothing.long(), torch.zeros_like(like), nothing.float(), nothing, nothing)


def points_inside(points: Tensor, boxes_xyxy: Tensor) -> Tensor:
    """Which points lie strictly inside which boxes: ``(P, 2)``, ``(B, M, 4)`` -> ``(B, M, P)`` bool."""
    x, y = points[:, 0], points[:, 1]
    left, top, right, bottom = (side[..., None] for side in boxes_xyxy.unbind(-1))
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def center_distance_squared(points: Tensor, boxes_xyxy: Tensor) -> Tensor:
    """Squared distance of points from the centres of boxes: ``(P, 2)``, ``(B, M, 4)`` -> ``(B, M, P)``."""
    centers = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2
    # By coordinate: operations along a last dimension of two elements are several times slower.
    return (centers[..., :1] - points[:, 0]).square() + (centers[..., 1:] - points[:, 1]).square()


def with_nearest(inside: Tensor, distance: Tensor) -> Tensor:
    """Candidates ``(B, M, P)``: the points inside; where there is none, the nearest one."""
    nearest = torch.zeros_like(inside).scatter_(2, distance.argmin(2, keepdim=True), True)
    return torch.where(inside.any(2, keepdim=True), inside, nearest)


def choose_best(metric: Tensor, distance: Tensor, candidates: Tensor, count: int) -> Tensor:
    """The ``count`` best candidates of every object, those of metric zero by nearness: ``(B, M, P)`` bool."""
    order = rank(metric, distance, candidates)
    best = order.topk(min(count, order.shape[2]), dim=2).indices
    return torch.zeros_like(candidates).scatter_(2, best, True) & candidates


def resolve_conflicts(chosen: Tensor, iou: Tensor, distance: Tensor) -> Tensor:
    """Leave every point at most one object: that of the highest IoU, or of the nearest centre if all are 0."""
    best = rank(iou, distance, chosen).max(1, keepdim=True).indices
    return chosen & torch.zeros_like(chosen).scatter_(1, best, True)


def target_quality(metric: Tensor, iou: Tensor) -> Tensor:
    """Target scores ``(B, M, P)``: the metric scaled to the best IoU of its object; IoU where all metrics are 0.

    Both arguments are ``(B, M, P)`` and 0 where a point doesn't learn the object.
    """
    best_metric, best_iou = metric.amax(2, keepdim=True), iou.amax(2, keepdim=True)
    scaled = metric * (best_iou / best_metric.clamp(min=torch.finfo(metric.dtype).tiny))
    return torch.where(best_metric > 0, scaled, iou)


def rank(value: Tensor, distance: Tensor, allowed: Tensor) -> Tensor:
    """A number to sort by: the value where it is above 0, below that nearness, last what is not allowed."""
    return torch.where(value > 0, value, -distance).masked_fill_(~allowed, -torch.inf)
