"""Convolutional backbone of plain 3x3 convolutions, for two processor cores."""

from __future__ import annotations

from torch import Tensor, nn

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.blocks import RepConv


class RepBackbone(nn.Module):
    """Stem and four stages of re-parameterised 3x3 convolutions with ReLU.

    Each stage halves the size in its first convolution. Deployed it is a chain of 3x3 convolutions: no
    branch, no concatenation.

    Source:
        Ours [O], after RepVGG (Ding et al., CVPR 2021) in the form of QARepVGG.

    Examples:
        >>> import torch
        >>> maps = RepBackbone(ModelConfig(backbone="rep"))(torch.zeros(1, 3, 64, 96))
        >>> [tuple(m.shape[2:]) for m in maps]
        [(16, 24), (8, 12), (4, 6), (2, 3)]
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.stem = RepConv(config.channels, config.stem_width, stride=2)
        stages = []
        width = config.stem_width
        for out_width, depth in zip(config.backbone_widths, config.backbone_depths, strict=True):
            blocks = [RepConv(width, out_width, stride=2)]
            blocks += [RepConv(out_width, out_width) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            width = out_width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3|1, H, W)`` to four maps at strides 4, 8, 16, 32."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)
