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
        embedding: ``(B, E)``: global means of P3, P4, P5.
    """

    class_logits: Tensor
    box_logits: Tensor
    embedding: Tensor


class LevelHead(nn.Module):
    """Stem, then a branch for classes and one for boxes, on one level."""

    def __init__(
        self, in_channels: int, channels: int, num_classes: int, reg_max: int, activation: Activation
    ) -> None:
        super().__init__()
        self.stem = ConvBlock(in_channels, channels, activation=activation)
        self.class_conv = ConvBlock(channels, channels, kernel=3, activation=activation)
        self.box_conv = ConvBlock(channels, channels, kernel=3, activation=activation)
        self.class_predictor = nn.Conv2d(channels, num_classes, 1)
        self.box_predictor = nn.Conv2d(channels, 4 * (reg_max + 1), 1)
        self._initialise()

    def _initialise(self) -> None:
        """Zero weights, box bias 1, class bias of the prior: docs/method.md section 1a [A]."""
        for predictor in (self.class_predictor, self.box_predictor):
            nn.init.zeros_(predictor.weight)
        assert self.class_predictor.bias is not None
        assert self.box_predictor.bias is not None
        nn.init.constant_(self.class_predictor.bias, -math.log((1 - CLASS_PRIOR) / CLASS_PRIOR))
        nn.init.ones_(self.box_predictor.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, C, H, W)`` to class logits ``(B, K, H, W)`` and box logits ``(B, 4 (reg_max + 1), H, W)``."""
        x = self.stem(x)
        return self.class_predictor(self.class_conv(x)), self.box_predictor(self.box_conv(x))


class Head(nn.Module):
    """One :class:`LevelHead` a level, outputs laid end to end.

    Source:
        docs/method.md section 4 [A]; without the author's anchor-based auxiliary branch [O].
    """

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.bins = config.reg_max + 1
        self.levels = nn.ModuleList(
            LevelHead(fan_in, channels, num_classes, config.reg_max, config.activation)
            for fan_in, channels in zip(config.neck_channels, config.head_channels, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> HeadOutputs:
        """P3, P4, P5 to the outputs at all points."""
        classes, boxes = [], []
        for level, x in zip(self.levels, maps, strict=True):
            class_map, box_map = level(x)
            classes.append(class_map.flatten(2))
            boxes.append(box_map.flatten(2))
        class_logits = torch.cat(classes, dim=2).transpose(1, 2)
        box_logits = torch.cat(boxes, dim=2).transpose(1, 2)
        box_logits = box_logits.reshape(*box_logits.shape[:2], 4, self.bins)
        embedding = torch.cat([x.mean((2, 3)) for x in maps], dim=1)
        return HeadOutputs(class_logits, box_logits, embedding)
