"""Backbone of the paper: a variant of the Lite Vision Transformer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdgasnet.config.schema import ModelConfig
from sdgasnet.errors import ConfigError
from sdgasnet.models.blocks import Activation, ConvBlock

LAYER_NORM_EPS = 1e-6
HEADS = (2, 2, 5, 8)
REDUCTIONS = (0, 4, 2, 1)
MLP_RATIOS = (4, 8, 4, 4)


class LVTBackbone(nn.Module):
    """Convolutional stem and four transformer stages; stage 1 mixes by CSA, the others by SRA.

    Source:
        Table of docs/method.md section 2 [A]; Lite Vision Transformer: Yang et al., CVPR 2022.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths = config.backbone_widths
        _require_heads_divide(widths)
        self.stem = Stem(config.channels, config.stem_width, widths[0], config.activation)
        self.downsamples = nn.ModuleList(
            nn.Identity() if stage == 0 else Downsample(widths[stage - 1], widths[stage]) for stage in range(4)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(widths[stage], stage) for _ in range(config.backbone_depths[stage])))
            for stage in range(4)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=LAYER_NORM_EPS) for width in widths)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, 3|1, H, W)`` to four maps at strides 4, 8, 16, 32."""
        x = self.stem(x)
        maps = []
        for downsample, stage, norm in zip(self.downsamples, self.stages, self.norms, strict=True):
            x = norm(stage(downsample(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
            maps.append(x)
        return tuple(maps)


def _require_heads_divide(widths: Sequence[int]) -> None:
    for width, heads in zip(widths, HEADS, strict=True):
        if width % heads:
            raise ConfigError(
                f"model.backbone_widths is {tuple(widths)}; backbone 'lvt' has {HEADS} attention heads, "
                "so each width must be a multiple of its number of heads."
            )


class Stem(nn.Module):
    """Picture to stride 4: a strided convolution, then a convolutional and a pooled branch, joined."""

    def __init__(self, channels: int, hidden: int, out_channels: int, activation: Activation) -> None:
        super().__init__()
        self.first = ConvBlock(channels, hidden, kernel=3, stride=2, activation=activation)
        self.branch = nn.Sequential(
            ConvBlock(hidden, hidden, activation=activation),
            ConvBlock(hidden, hidden, kernel=3, stride=2, activation=activation),
        )
        self.join = ConvBlock(2 * hidden, out_channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, 3|1, H, W) -> (B, D, H/4, W/4)``."""
        x = self.first(x)
        out: Tensor = self.join(torch.cat([self.branch(x), F.avg_pool2d(x, 2)], dim=1))
        return out


class Downsample(nn.Module):
    """Strided 3x3 convolution with bias, then LayerNorm over channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.norm = nn.LayerNorm(out_channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, D, H/2, W/2)``."""
        out: Tensor = self.norm(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class Block(nn.Module):
    """``x += mixer(LN(x)); x += mlp(LN(x))`` on ``(B, H, W, C)``."""

    def __init__(self, channels: int, stage: int) -> None:
        super().__init__()
        heads = HEADS[stage]
        self.mixer_norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.mixer: nn.Module = (
            ConvolutionalSelfAttention(channels, heads)
            if stage == 0
            else SpatialReductionAttention(channels, heads, REDUCTIONS[stage])
        )
        self.mlp_norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.mlp = MLP(channels, channels * MLP_RATIOS[stage], depthwise=stage > 0)

    def forward(self, x: Tensor) -> Tensor:
        """Mix positions, then channels."""
        x = x + self.mixer(self.mixer_norm(x))
        out: Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class MLP(nn.Module):
    """Linear, depthwise 3x3 where asked for, GELU, Linear on ``(B, H, W, C)``."""

    def __init__(self, channels: int, hidden: int, depthwise: bool) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, 1, 1, groups=hidden) if depthwise else None
        self.contract = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels of each position."""
        x = self.expand(x)
        if self.depthwise is not None:
            x = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = self.contract(F.gelu(x))
        return out


class SpatialReductionAttention(nn.Module):
    """Softmax attention whose keys and values come from a reduced map, on ``(B, H, W, C)``.

    Source:
        PVT: Wang et al., ICCV 2021; the projections' biases: docs/method.md section 2 [A].
    """

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels, bias=False)
        self.key_value = nn.Linear(channels, 2 * channels, bias=False)
        self.project = nn.Linear(channels, channels)
        self.reduce = nn.Conv2d(channels, channels, reduction, reduction) if reduction > 1 else None
        self.reduce_norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS) if reduction > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Attend from every position to the reduced map."""
        batch, height, width, channels = x.shape
        source = x
        if self.reduce is not None and self.reduce_norm is not None:
            source = self.reduce_norm(self.reduce(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        size = channels // self.heads
        query = self.query(x).reshape(batch, height * width, self.heads, size).transpose(1, 2)
        key_value = self.key_value(source).reshape(batch, -1, 2, self.heads, size).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key_value[0], key_value[1])
        out: Tensor = self.project(attended.transpose(1, 2).reshape(batch, height, width, channels))
        return out


class ConvolutionalSelfAttention(nn.Module):
    """Attention inside 3x3 windows at stride 2 whose values pass a matrix per position.

    For every window and head a 9x9 matrix a weighs the transformed positions:
    ``out_i = sum_j softmax(a)_ij W_j x_j``; the nine outputs are folded back, overlaps summed.

    Source:
        docs/method.md section 2 [A]; form: Lite Vision Transformer, Yang et al., CVPR 2022.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.logits = nn.Linear(channels, 81 * heads)
        self.values = nn.Parameter(torch.empty(9, channels, channels))
        self.project = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.values, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, H, W, C)`` with even H, W to the same shape."""
        batch, height, width, channels = x.shape
        half_height, half_width = height // 2, width // 2
        windows, size = half_height * half_width, channels // self.heads
        pooled = F.avg_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        attention = self.logits(pooled).reshape(batch, windows, self.heads, 9, 9)
        attention = (attention * size**-0.5).softmax(-1)
        taps = unfold_windows(x).reshape(batch, windows, 9, channels)
        values = torch.einsum("bnjc,jcd->bnjd", taps, self.values)
        values = values.reshape(batch, windows, 9, self.heads, size).transpose(2, 3)
        mixed = (attention @ values).transpose(2, 3)
        folded = fold_windows(mixed.reshape(batch, half_height, half_width, 9, channels))
        out: Tensor = self.project(folded)
        return out


def unfold_windows(x: Tensor) -> Tensor:
    """The nine taps of every 3x3 window at stride 2, padding 1.

    Args:
        x: ``(B, H, W, C)``, H and W even.

    Returns:
        ``(B, H/2, W/2, 9, C)``, taps row-major.
    """
    _, height, width, _ = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    return torch.stack(
        [
            padded[:, row : row + height : 2, column : column + width : 2]
            for row in range(3)
            for column in range(3)
        ],
        dim=3,
    )


def fold_windows(taps: Tensor) -> Tensor:
    """Adjoint of :func:`unfold_windows`: put the taps back, sum where windows overlap.

    Per axis an even output takes tap 1 of window p, an odd one tap 2 of p and tap 0 of p + 1. Written with
    slices and a stack because runtimes run Col2Im on slow reference kernels.

    Args:
        taps: ``(B, H/2, W/2, 9, C)``.

    Returns:
        ``(B, H, W, C)``.
    """
    batch, half_height, half_width, _, channels = taps.shape
    grid = taps.reshape(batch, half_height, half_width, 3, 3, channels)
    next_row = F.pad(grid[:, 1:, :, 0], (0, 0, 0, 0, 0, 0, 0, 1))
    rows = torch.stack([grid[:, :, :, 1], grid[:, :, :, 2] + next_row], dim=2)
    rows = rows.reshape(batch, 2 * half_height, half_width, 3, channels)
    next_column = F.pad(rows[:, :, 1:, 0], (0, 0, 0, 1))
    out = torch.stack([rows[:, :, :, 1], rows[:, :, :, 2] + next_column], dim=3)
    return out.reshape(batch, 2 * half_height, 2 * half_width, channels)
