from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sdgasnet.config.schema import ModelConfig
from sdgasnet.errors import ConfigError
from sdgasnet.models.backbones import build_backbone
from sdgasnet.models.backbones.lvt import (
    ConvolutionalSelfAttention,
    SpatialReductionAttention,
    fold_windows,
    unfold_windows,
)
from sdgasnet.models.network import initialise_linears


@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 6), (10, 8)])
def test_unfold_equals_torch(height: int, width: int) -> None:
    x = torch.randn(2, height, width, 3)
    expected = F.unfold(x.permute(0, 3, 1, 2), 3, padding=1, stride=2)
    expected = expected.reshape(2, 3, 9, height // 2, width // 2).permute(0, 3, 4, 2, 1)
    torch.testing.assert_close(unfold_windows(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 6), (10, 8)])
def test_fold_equals_torch(height: int, width: int) -> None:
    taps = torch.randn(2, height // 2, width // 2, 9, 3)
    columns = taps.permute(0, 4, 3, 1, 2).reshape(2, 27, -1)
    expected = F.fold(columns, (height, width), 3, padding=1, stride=2).permute(0, 2, 3, 1)
    torch.testing.assert_close(fold_windows(taps), expected, rtol=0, atol=1e-6)


def test_convolutional_self_attention_equals_loops() -> None:
    """``out_i = sum_j softmax(a)_ij W_j x_j``, window by window, folded with overlaps summed."""
    torch.manual_seed(0)
    channels, heads, height, width = 4, 2, 4, 6
    mixer = ConvolutionalSelfAttention(channels, heads).double()
    x = torch.randn(1, height, width, channels, dtype=torch.float64)
    size = channels // heads
    folded = torch.zeros(height + 2, width + 2, channels, dtype=torch.float64)
    padded = F.pad(x[0], (0, 0, 1, 1, 1, 1))
    for row in range(0, height, 2):
        for column in range(0, width, 2):
            logits = mixer.logits(x[0, row : row + 2, column : column + 2].mean((0, 1)))
            window = padded[row : row + 3, column : column + 3].reshape(9, channels)
            values = torch.stack([window[j] @ mixer.values[j] for j in range(9)])
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                weights = (logits.reshape(heads, 9, 9)[head] / size**0.5).softmax(-1)
                folded[row : row + 3, column : column + 3, part] += (weights @ values[:, part]).reshape(3, 3, size)
    expected = mixer.project(folded[1:-1, 1:-1])[None]
    torch.testing.assert_close(mixer(x), expected)


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_spatial_reduction_attention_equals_plain_attention(reduction: int) -> None:
    torch.manual_seed(0)
    channels, heads = 12, 3
    mixer = SpatialReductionAttention(channels, heads, reduction)
    x = torch.randn(2, 4, 8, channels)
    source = x
    if mixer.reduce is not None and mixer.reduce_norm is not None:
        source = mixer.reduce_norm(mixer.reduce(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        assert source.shape[1:3] == (4 // reduction, 8 // reduction)
    key, value = mixer.key_value(source.flatten(1, 2)).chunk(2, dim=-1)
    query = mixer.query(x.flatten(1, 2))
    heads_out = []
    for q, k, v in zip(query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        heads_out.append((q @ k.transpose(1, 2) / (channels // heads) ** 0.5).softmax(-1) @ v)
    expected = mixer.project(torch.cat(heads_out, -1)).reshape(x.shape)
    torch.testing.assert_close(mixer(x), expected, rtol=1e-4, atol=1e-5)
    assert mixer.query.bias is None
    assert mixer.key_value.bias is None


@pytest.mark.parametrize("preset", ["n", "s"])
@pytest.mark.parametrize("channels", [1, 3])
def test_backbone_gives_four_maps(model_config: Callable[..., ModelConfig], preset: str, channels: int) -> None:
    config = model_config(preset, channels=channels)
    maps = build_backbone(config)(torch.rand(2, channels, 96, 160))
    assert [tuple(m.shape) for m in maps] == [
        (2, width, 96 // stride, 160 // stride)
        for width, stride in zip(config.backbone_widths, (4, 8, 16, 32), strict=True)
    ]


def test_linear_layers_start_small(model_config: Callable[..., ModelConfig]) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(model_config("s"))
    initialise_linears(backbone)
    linears = [part for part in backbone.modules() if isinstance(part, nn.Linear)]
    weights = torch.cat([part.weight.flatten() for part in linears])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(part.bias is None or not part.bias.any() for part in linears)


def test_widths_that_heads_do_not_divide_are_refused(model_config: Callable[..., ModelConfig]) -> None:
    with pytest.raises(ConfigError, match=r"\(64, 64, 128, 256\).*\(2, 2, 5, 8\)"):
        build_backbone(model_config("s", backbone_widths=(64, 64, 128, 256)))
