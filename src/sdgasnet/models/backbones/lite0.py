"""EfficientNet-Lite0's features, for starts from ImageNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdgasnet.config.schema import ModelConfig
from sdgasnet.errors import ModelError
from sdgasnet.models.blocks import SameConv

STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""(expansion, channels, blocks, stride of the first, kernel) of each stage."""
STEM_WIDTH = 32
TAPPED_STAGES = (1, 2, 4, 6)
"""Stages whose last maps are given out: those at 1/4, 1/8, 1/16, 1/32."""
WIDTHS = tuple(STAGES[stage][1] for stage in TAPPED_STAGES)
BATCH_NORM_MOMENTUM = 0.01
"""That of the published network: its statistics are kept longer than those of blocks that begin anew."""
PIXEL_MEAN, PIXEL_SPREAD = 0.5, 0.5
"""Normalisation that the ImageNet weights expect, of pixels in [0, 1]."""


class InvertedResidual(nn.Module):
    """Expand, convolve each channel by itself, project; added to the input where the shapes allow it."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = SameConv(in_channels, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(hidden, hidden, kernel, stride, depthwise=True)
        self.project = SameConv(hidden, out_channels, 1, activation="none")
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, D, H/s, W/s)``."""
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + out if self.is_residual else out


class Lite0Backbone(nn.Module):
    """Stem and sixteen inverted residuals with ReLU6, without squeeze and excitation.

    The normalisation of the pixels is inside, as buffers, so that it goes where the weights go.

    Raises:
        ModelError: ``config.backbone_widths`` are not those of EfficientNet-Lite0.

    Source:
        Tan, Le, EfficientNet, ICML 2019; Lite variants: Google, 2020 (Apache-2.0). Its use here is ours [O].

    Examples:
        >>> config = ModelConfig(backbone="lite0", backbone_widths=WIDTHS)
        >>> maps = Lite0Backbone(config)(torch.zeros(1, 3, 64, 96))
        >>> [tuple(m.shape[1:]) for m in maps]
        [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.backbone_widths != WIDTHS:
            raise ModelError(
                f"Backbone lite0 has the widths {list(WIDTHS)}; found model.backbone_widths "
                f"{list(config.backbone_widths)}. Take model.preset=lite0, or these widths."
            )
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN))
        self.register_buffer("spread", torch.tensor(PIXEL_SPREAD))
        self.stem = SameConv(config.channels, STEM_WIDTH, 3, 2)
        blocks, tapped, width = [], [], STEM_WIDTH
        for number, (expansion, channels, depth, stride, kernel) in enumerate(STAGES):
            for block in range(depth):
                blocks.append(InvertedResidual(width, channels, expansion, kernel, 1 if block else stride))
                width = channels
            if number in TAPPED_STAGES:
                tapped.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = BATCH_NORM_MOMENTUM
        self._tapped = tuple(tapped)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3|1, H, W)`` in [0, 1] to four maps at strides 4, 8, 16, 32."""
        x = self.stem((x - self.mean) / self.spread)
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self._tapped:
                maps.append(x)
        return tuple(maps)
