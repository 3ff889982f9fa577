"""What is minimised. The trainer knows this protocol and nothing of the loss behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from sdgasnet.config.schema import Recipe
from sdgasnet.losses.assignment import Targets
from sdgasnet.losses.detection import DetectionLoss, LossTerms
from sdgasnet.models.box_coding import anchor_points


class Objective(Protocol):
    """From a batch to the terms of its loss."""

    def start_epoch(self, epoch: int) -> None:
        """Told before the first step of an epoch, counted from 0."""
        ...

    def __call__(self, network: nn.Module, images: Tensor, targets: Targets) -> LossTerms:
        """Run the network on ``(B, C, H, W)`` images in [0, 1] and compute the loss."""
        ...


class DetectionObjective:
    """The detection loss alone.

    Args:
        recipe: Weights and structure.
        reduce_normaliser: See :class:`~sdgasnet.losses.detection.DetectionLoss`.
    """

    def __init__(self, recipe: Recipe, reduce_normaliser: Callable[[Tensor], Tensor]) -> None:
        self._loss = DetectionLoss(recipe.loss, recipe.model.reg_max, reduce_normaliser)

    def start_epoch(self, epoch: int) -> None:
        """Nothing changes with the epochs."""

    def __call__(self, network: nn.Module, images: Tensor, targets: Targets) -> LossTerms:
        """Run the network and compute the loss."""
        outputs = network(images)
        points, strides = anchor_points((int(images.shape[2]), int(images.shape[3])), images.device)
        return self._loss(outputs, targets, points, strides)
