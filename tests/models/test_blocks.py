from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sdgasnet.models.blocks import MBLA, ConvBlock, DepthwiseConv, RepConv, ResidualTriple, fold_batch_norm


def randomise_statistics(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 2.0)
            nn.init.normal_(part.bias)
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_()
            part.running_var.uniform_(0.1, 3.0)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
def test_folded_convolution_equals_convolution_and_norm(with_bias: bool, groups: int) -> None:
    conv = nn.Conv2d(8, 12, 3, 2, 1, groups=groups, bias=with_bias)
    norm = nn.BatchNorm2d(12)
    randomise_statistics(norm)
    conv.eval(), norm.eval()
    x = torch.randn(2, 8, 9, 10)
    torch.testing.assert_close(fold_batch_norm(conv, norm)(x), norm(conv(x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("in_channels", "out_channels", "stride"), [(8, 8, 1), (8, 16, 1), (8, 16, 2), (8, 8, 2)])
def test_rep_conv_fuses_to_one_convolution(in_channels: int, out_channels: int, stride: int) -> None:
    block = RepConv(in_channels, out_channels, stride).eval()
    randomise_statistics(block)
    fused = block.fused()
    x = torch.randn(2, in_channels, 12, 20)
    torch.testing.assert_close(fused(x), block(x), rtol=1e-4, atol=1e-5)
    assert [type(part) for part in fused.children()] == [nn.Conv2d, nn.ReLU]


def test_rep_conv_has_no_norm_in_its_side_branches() -> None:
    """In the form that survives 8 bits only the 3x3 branch and the sum are normalised."""
    block = RepConv(4, 4).eval()
    with torch.no_grad():
        block.dense.weight.zero_()
        block.pointwise.weight.zero_()
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(block(x), F.relu(x / (1 + block.norm.eps) ** 0.5))


def test_rep_conv_trains_the_same_whatever_the_memory_format() -> None:
    torch.manual_seed(0)
    block = RepConv(4, 6, stride=2)
    x = torch.randn(2, 4, 16, 24)
    gradients = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        block.zero_grad()
        block(x.to(memory_format=memory_format)).square().sum().backward()
        gradients.append(
            [parameter.grad.clone() for parameter in block.parameters() if parameter.grad is not None]
        )
    for plain, last in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, last, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "silu", "none"])
def test_conv_block_fuses(activation: str) -> None:
    block = ConvBlock(3, 5, kernel=3, stride=2, activation=activation).eval()  # type: ignore[arg-type]
    randomise_statistics(block)
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(block.fused()(x), block(x), rtol=1e-4, atol=1e-5)


def test_residual_triple_adds_its_input_times_the_scale() -> None:
    block = ResidualTriple(4, "silu").eval()
    x = torch.randn(1, 4, 6, 6)
    assert block.scale.item() == 1.0
    with torch.no_grad():
        block.scale.fill_(-2.0)
    torch.testing.assert_close(block(x), block.body(x) - 2.0 * x)


def test_mbla_concatenates_in_the_order_of_the_method() -> None:
    """Six maps y0, y1, a1, y2, b1, b2, of which the last convolution sees half the output's channels each."""
    block = MBLA(6, 8).eval()
    x = torch.randn(1, 6, 5, 7)
    y0, y1, y2 = block.expand(x).chunk(3, dim=1)
    b1 = block.long_first(y2)
    expected = block.mix(torch.cat([y0, y1, block.short(y1), y2, b1, block.long_second(b1)], dim=1))
    torch.testing.assert_close(block(x), expected)
    assert block.mix.conv.in_channels == 24
    assert block(x).shape == (1, 8, 5, 7)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 0), (5, 1, 2), (5, 2, 0), (3, 1, 1)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_depthwise_convolution_has_the_gradients_of_float32_in_a_bfloat16_training(
    kernel: int, stride: int, padding: int, memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    conv = DepthwiseConv(6, kernel, stride, padding)
    # Numbers that bfloat16 holds exactly, so that only the arithmetic of the gradients could differ.
    exact = torch.randn(2, 6, 12, 16).bfloat16().float().to(memory_format=memory_format)
    with torch.no_grad():
        conv.weight.copy_(conv.weight.bfloat16())
    gradients = []
    for autocast in (False, True):
        x = exact.clone().requires_grad_()
        conv.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = conv(x)
        assert out.dtype == (torch.bfloat16 if autocast else torch.float32)
        out.backward(torch.ones_like(out))
        assert x.grad is not None
        assert conv.weight.grad is not None
        gradients.append((out.detach().float(), x.grad.clone(), conv.weight.grad.clone()))
    (out, of_x, of_weight), (low_out, low_of_x, low_of_weight) = gradients
    torch.testing.assert_close(low_out, out, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(low_of_x, of_x, rtol=1e-2, atol=1e-2)
    if kernel > 3 or stride > 1:
        torch.testing.assert_close(low_of_weight, of_weight, rtol=1e-5, atol=1e-5)
    elif torch.backends.cpu.get_cpu_capability() != "AVX2":  # there torch's own kernel sums in bfloat16
        torch.testing.assert_close(low_of_weight, of_weight, rtol=1e-2, atol=1e-2)


def test_depthwise_convolution_asks_for_no_gradient_that_nobody_wants() -> None:
    conv = DepthwiseConv(4, 5, padding=2).requires_grad_(False)
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        conv(x).sum().backward()
    assert x.grad is not None
    assert conv.weight.grad is None
