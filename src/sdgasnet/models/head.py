"""Decoupled anchor-free head: class logits and box distributions at every point of three levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.blocks import Activation, ConvBlock

CLASS_PRIOR = 0.01
"""Score that an untrained network gives every class: docs/method.md section 1a [A]."""


class HeadOutputs(NamedTuple):
    """What the network says of a batch; points are ordered by level 8, 16, 32, row-major in each.

    Attributes:
        class_logits: ``(B, P, K)``.
        box_logits: ``(B, P, 4, reg_max + 1)``: distributions of the distances left, top, right, bottom, in
            strides.
            strides; None once their predictor is dropped.
        embedding: ``(B, E)``: global means of P3, P4, P5.
        distances: ``(B, P, 4)``: the plain predictor's left, top, right, bottom, in strides; None where the
            network has none.
    """

    class_logits: Tensor
    box_logits: Tensor | None
    embedding: Tensor
    distances: Tensor | None = None


class LevelHead(nn.Module):
    """Stem, then a branch for classes and one for boxes, on one level.

    With ``plain`` the box branch ends in two predictors: distributions, and the distances themselves.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        reg_max: int,
        activation: Activation,
        plain: bool,
    ) -> None:
        super().__init__()
        self.stem = ConvBlock(in_channels, channels, activation=activation)
        self.class_conv = ConvBlock(channels, channels, kernel=3, activation=activation)
        self.box_conv = ConvBlock(channels, channels, kernel=3, activation=activation)
        self.class_predictor = nn.Conv2d(channels, num_classes, 1)
        self.box_predictor: nn.Conv2d | None = nn.Conv2d(channels, 4 * (reg_max + 1), 1)
        self.distance_predictor = nn.Conv2d(channels, 4, 1) if plain else None
        initialise_predictor(self.class_predictor, -math.log((1 - CLASS_PRIOR) / CLASS_PRIOR))
        initialise_predictor(self.box_predictor, 1.0)
        if self.distance_predictor is not None:
            initialise_predictor(self.distance_predictor, 1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """``(B, C, H, W)`` to maps of class logits (K), box logits (4 (reg_max + 1)) and distances (4)."""
        x = self.stem(x)
        classes, x = self.class_predictor(self.class_conv(x)), self.box_conv(x)
        boxes = self.box_predictor(x) if self.box_predictor is not None else None
        return classes, boxes, self.distance_predictor(x) if self.distance_predictor is not None else None


class Head(nn.Module):
    """One :class:`LevelHead` a level, outputs laid end to end.

    Source:
        docs/method.md section 4 and, for the two box predictors, section 5 [A]; without the author's
        anchor-based auxiliary branch [O].
    """

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.bins = config.reg_max + 1
        self.levels = nn.ModuleList(
            LevelHead(
                fan_in, channels, num_classes, config.reg_max, config.activation, config.box_predictors == "both"
            )
            for fan_in, channels in zip(config.neck_channels, config.head_channels, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> HeadOutputs:
        """P3, P4, P5 to the outputs at all points."""
        said = [level(x) for level, x in zip(self.levels, maps, strict=True)]
        classes, boxes, distances = (join_levels(parts) for parts in zip(*said, strict=True))
        if boxes is not None:
            boxes = boxes.reshape(*boxes.shape[:2], 4, self.bins)
        embedding = torch.cat([x.mean((2, 3)) for x in maps], dim=1)
        assert classes is not None
        return HeadOutputs(classes, boxes, embedding, distances)

    def drop_distribution(self) -> None:
        """Leave the plain box predictor alone, where there is one: what a student is deployed with."""
        for level in self.levels:
            assert isinstance(level, LevelHead)
            if level.distance_predictor is not None:
                level.box_predictor = None


def initialise_predictor(predictor: nn.Conv2d, bias: float) -> None:
    """Zero weights and one bias; box bias 1, class bias of the prior: docs/method.md section 1a [A]."""
    nn.init.zeros_(predictor.weight)
    assert predictor.bias is not None
    nn.init.constant_(predictor.bias, bias)


def join_levels(maps: Sequence[Tensor | None]) -> Tensor | None:
    """Maps ``(B, C, H, W)`` of all levels to ``(B, P, C)``; None where a predictor is missing."""
    present = [part.flatten(2) for part in maps if part is not None]
    return torch.cat(present, dim=2).transpose(1, 2) if present else None
