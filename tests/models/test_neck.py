from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.neck import (
    AESFPN,
    ChannelSynchronization,
    Inject,
    MultiScaleFeatureAlignment,
    TopDown,
    upsample,
)


def backbone_maps(widths: tuple[int, ...], height: int = 96, width: int = 160) -> list[torch.Tensor]:
    return [
        torch.randn(2, channels, height // stride, width // stride)
        for channels, stride in zip(widths, (4, 8, 16, 32), strict=True)
    ]


def test_alignment_equals_adaptive_pooling_and_interpolation() -> None:
    maps = backbone_maps((2, 3, 4, 5))
    size = (6, 10)
    expected = torch.cat(
        [
            F.adaptive_avg_pool2d(maps[0], size),
            F.adaptive_avg_pool2d(maps[1], size),
            maps[2],
            F.interpolate(maps[3], size, mode="bilinear", align_corners=False),
        ],
        dim=1,
    )
    torch.testing.assert_close(MultiScaleFeatureAlignment()(maps), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2])
def test_inject_gates_and_adds_the_gathered_map(factor: int) -> None:
    block = Inject(4).eval()
    gathered = 4 * torch.randn(2, 4, 6, 5)
    local = torch.randn(2, 4, 6 * factor, 5 * factor)
    gate = F.relu6(block.global_gate(gathered) + 3) / 6
    embed = block.global_embed(gathered)
    if factor == 2:
        gate, embed = upsample(gate), upsample(embed)
    torch.testing.assert_close(block(local, gathered), block.local_embed(local) * gate + embed)


def test_synchronization_joins_three_levels() -> None:
    block = ChannelSynchronization(8, 6, 5, 4).eval()
    high, same, low = torch.randn(1, 8, 3, 5), torch.randn(1, 6, 6, 10), torch.randn(1, 5, 12, 20)
    raised = F.conv_transpose2d(high, block.high.weight, block.high.bias, stride=2)
    expected = block.mix(torch.cat([raised, block.same(same), block.low(low)], dim=1))
    torch.testing.assert_close(block(high, same, low), expected)


def test_top_down_step_leaves_the_low_level_out() -> None:
    block = TopDown(8, 6, 5, 4).eval()
    high, same = torch.randn(1, 8, 3, 5), torch.randn(1, 6, 6, 10)
    one, other = (block(high, same, torch.randn(1, 5, 12, 20)) for _ in range(2))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert one.shape == (1, 4, 6, 10)


@pytest.mark.parametrize("preset", ["n", "s"])
def test_levels_have_the_sizes_of_the_recipe(model_config: Callable[..., ModelConfig], preset: str) -> None:
    config = model_config(preset)
    levels = AESFPN(config, config.backbone_widths)(backbone_maps(config.backbone_widths))
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, 96 // stride, 160 // stride)
        for channels, stride in zip(config.neck_channels, (8, 16, 32), strict=True)
    ]


def test_neck_follows_the_equations_of_the_method(model_config: Callable[..., ModelConfig]) -> None:
    config = model_config("s")
    neck = AESFPN(config, config.backbone_widths).eval()
    f2, f3, f4, f5 = maps = backbone_maps(config.backbone_widths, 64, 64)
    aligned = neck.align(maps)
    assert aligned.shape[1] == 544
    enhanced = neck.enhance(aligned)
    assert enhanced.shape == (2, 128, 4, 4)
    g4, g3 = enhanced[:, :64], enhanced[:, 64:]
    l5 = neck.lateral5(f5)
    l4 = neck.lateral4(neck.fuse4(neck.inject(neck.synchronize4(l5, f4, f3), g4)))
    p3 = neck.fuse3(neck.inject(neck.synchronize3(l4, f3, f2), g3))
    p4 = neck.aggregate4(torch.cat([neck.down3(p3), l4], dim=1))
    p5 = neck.aggregate5(torch.cat([neck.down4(p4), l5], dim=1))
    for level, expected in zip(neck(maps), (p3, p4, p5), strict=True):
        torch.testing.assert_close(level, expected)


def test_without_fusion_nothing_is_gathered(model_config: Callable[..., ModelConfig]) -> None:
    config = model_config("s", fusion="none")
    names = {name for name, _ in AESFPN(config, config.backbone_widths).named_children()}
    assert not names & {"align", "enhance", "inject"}
