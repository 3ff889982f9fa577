"""AES-FPN: alignment, enhancement, synchronization, and the path-aggregation half behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.blocks import MBLA, ConvBlock, RepConv
from sdgasnet.models.frequency import FGPEM, LowPass

FusionBlock = Callable[[int, int], nn.Module]


class AESFPN(nn.Module):
    """Fuse four backbone maps (strides 4 to 32) into P3, P4, P5 (strides 8, 16, 32).

    Order of work: MFA aligns and gathers all levels at stride 16, the enhancement gives one global map a
    level, CS brings neighbouring levels together, one Inject that both levels share allocates the global maps
    to them, and a bottom-up half with plain concatenation follows.

    Source:
        docs/method.md section 3: names [P], interfaces [A], enhancement [O].
    """

    def __init__(self, config: ModelConfig, in_channels: Sequence[int]) -> None:
        super().__init__()
        lateral = config.lateral_channels
        p3, p4, p5 = config.neck_channels
        f2, f3, f4, f5 = in_channels
        self.fuses = config.fusion == "mfa"
        if self.fuses:
            self.align = MultiScaleFeatureAlignment()
            self.enhance = ENHANCEMENTS[config.enhance](config, sum(in_channels))
            self.inject = Inject(lateral)
        block = FUSION_BLOCKS[config.neck_block](config)
        synchronize = SYNCHRONIZATIONS[config.synchronize]
        self.lateral5 = ConvBlock(f5, lateral)
        self.synchronize4 = synchronize(lateral, f4, f3, lateral)
        self.fuse4 = block(lateral, lateral)
        self.lateral4 = ConvBlock(lateral, lateral)
        self.synchronize3 = synchronize(lateral, f3, f2, lateral)
        self.fuse3 = block(lateral, p3)
        self.down3 = ConvBlock(p3, lateral, kernel=3, stride=2)
        self.aggregate4 = block(2 * lateral, p4)
        self.down4 = ConvBlock(p4, p4, kernel=3, stride=2)
        self.aggregate5 = block(p4 + lateral, p5)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """F2..F5 to P3, P4, P5."""
        f2, f3, f4, f5 = maps
        l5 = self.lateral5(f5)
        m4 = self.synchronize4(l5, f4, f3)
        if self.fuses:
            g4, g3 = self.enhance(self.align(maps)).chunk(2, dim=1)
            m4 = self.inject(m4, g4)
        l4 = self.lateral4(self.fuse4(m4))
        m3 = self.synchronize3(l4, f3, f2)
        if self.fuses:
            m3 = self.inject(m3, g3)
        p3 = self.fuse3(m3)
        p4 = self.aggregate4(torch.cat([self.down3(p3), l4], dim=1))
        p5 = self.aggregate5(torch.cat([self.down4(p4), l5], dim=1))
        return p3, p4, p5


class MultiScaleFeatureAlignment(nn.Module):
    """Bring all levels to the size of the 1/16 level and concatenate them; no parameters.

    Sides that are multiples of 32 make the adaptive pooling a plain 4x4 or 2x2 average; it is written so.

    Source:
        [P]; that 1/16 is the reference: docs/method.md section 3 [A].
    """

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """F2..F5 to ``(B, sum of channels, H/16, W/16)``."""
        f2, f3, f4, f5 = maps
        return torch.cat([F.avg_pool2d(f2, 4), F.avg_pool2d(f3, 2), f4, upsample(f5)], dim=1)


def upsample(x: Tensor) -> Tensor:
    """Double height and width, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Inject(nn.Module):
    """Allocate a global map to a local one: ``le(x) * up(hsigmoid(ga(g))) + up(ge(g))``.

    Source:
        Gold-YOLO: Wang et al., NeurIPS 2023; docs/method.md section 3 [A].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.local_embed = ConvBlock(channels, channels, activation="none")
        self.global_embed = ConvBlock(channels, channels, activation="none")
        self.global_gate = ConvBlock(channels, channels, activation="none")

    def forward(self, local: Tensor, gathered: Tensor) -> Tensor:
        """``(B, C, H, W)`` and ``(B, C, H, W)`` or half of that size, to ``(B, C, H, W)``."""
        embed = self.global_embed(gathered)
        gate = F.hardsigmoid(self.global_gate(gathered))
        if local.shape[-2:] != gathered.shape[-2:]:
            embed, gate = upsample(embed), upsample(gate)
        out: Tensor = self.local_embed(local) * gate + embed
        return out


class ChannelSynchronization(nn.Module):
    """Bring three neighbouring levels to one size and one number of channels, and mix them.

    Source:
        That it compensates for information lost in fusion [P]; construction: docs/method.md section 3 [A].
    """

    def __init__(self, high_channels: int, same_channels: int, low_channels: int, out_channels: int) -> None:
        super().__init__()
        self.high = nn.ConvTranspose2d(high_channels, out_channels, 2, 2)
        self.same = ConvBlock(same_channels, out_channels)
        self.low = nn.Sequential(
            ConvBlock(low_channels, out_channels), ConvBlock(out_channels, out_channels, kernel=3, stride=2)
        )
        self.mix = ConvBlock(3 * out_channels, out_channels)

    def forward(self, high: Tensor, same: Tensor, low: Tensor) -> Tensor:
        """Maps of half, full and double size to one of full size."""
        out: Tensor = self.mix(torch.cat([self.high(high), self.same(same), self.low(low)], dim=1))
        return out


class TopDown(nn.Module):
    """The step of a plain feature pyramid in the place of CS: the higher level up, beside the same level.

    Source:
        FPN: Lin et al., CVPR 2017; with concatenation instead of a sum. The ablation's baseline [O].
    """

    def __init__(self, high_channels: int, same_channels: int, low_channels: int, out_channels: int) -> None:
        super().__init__()
        self.same = ConvBlock(same_channels, out_channels)
        self.mix = ConvBlock(high_channels + out_channels, out_channels)

    def forward(self, high: Tensor, same: Tensor, low: Tensor) -> Tensor:
        """Maps of half and full size to one of full size; the one of double size is not used."""
        out: Tensor = self.mix(torch.cat([upsample(high), self.same(same)], dim=1))
        return out


def _frequency_guided(config: ModelConfig, in_channels: int) -> nn.Module:
    return FGPEM(
        in_channels,
        config.enhance_channels,
        2 * config.lateral_channels,
        LowPass(config.frequency_ratio, learnable=config.frequency_band == "learnable"),
        config.activation,
    )


def _convolutional(config: ModelConfig, in_channels: int) -> nn.Module:
    """The author's version without frequency: docs/method.md section 3 [A]."""
    channels = config.enhance_channels
    return nn.Sequential(
        ConvBlock(in_channels, channels),
        *(RepConv(channels, channels) for _ in range(3)),
        ConvBlock(channels, 2 * config.lateral_channels),
    )


def _plain(config: ModelConfig, in_channels: int) -> nn.Module:
    return ConvBlock(in_channels, 2 * config.lateral_channels)


ENHANCEMENTS: dict[str, Callable[[ModelConfig, int], nn.Module]] = {
    "fgpem": _frequency_guided,
    "conv": _convolutional,
    "none": _plain,
}
SYNCHRONIZATIONS: dict[str, Callable[[int, int, int, int], nn.Module]] = {
    "cs": ChannelSynchronization,
    "topdown": TopDown,
}
FUSION_BLOCKS: dict[str, Callable[[ModelConfig], FusionBlock]] = {
    "mbla": lambda config: lambda fan_in, fan_out: MBLA(fan_in, fan_out, config.activation),
    "rep": lambda config: lambda fan_in, fan_out: RepConv(fan_in, fan_out, activation=config.activation),
}
