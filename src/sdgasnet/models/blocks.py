"""Convolutional building blocks shared by backbones, neck and head."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["silu", "relu", "none"]
ACTIVATIONS: dict[Activation, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU, "none": nn.Identity}
BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.03


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with the project's constants.

    Source:
        eps 1e-3, momentum 0.03: docs/method.md section 1a [A].
    """
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM)


class ConvBlock(nn.Module):
    """Convolution without bias, batch normalisation, activation: ``(B, C, H, W) -> (B, D, H/s, W/s)``.

    Args:
        in_channels: C.
        out_channels: D.
        kernel: Side of the kernel, odd; padding keeps the size at stride 1.
        stride: s.
        activation: ``silu``, ``relu`` or ``none``.

    Examples:
        >>> ConvBlock(3, 8, kernel=3, stride=2)(torch.zeros(1, 3, 32, 64)).shape
        torch.Size([1, 8, 16, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.norm = batch_norm(out_channels)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, activate."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out

    def fused(self) -> nn.Module:
        """One convolution with bias (and the activation) that equals this block in eval mode."""
        conv = fold_batch_norm(self.conv, self.norm)
        return conv if isinstance(self.activation, nn.Identity) else nn.Sequential(conv, self.activation)


class DepthwiseConv(nn.Conv2d):
    """Convolution of each channel by itself, without bias; its gradients are computed in float32 on processors.

    Their bfloat16 gradients run on reference kernels where the stride is 2 or the kernel 5x5; with them a step of
    preset lite0 takes 1.7 s, without 1.0 s: ``benchmarks/results/processor_training.json``.

    Args:
        channels: C, in and out.
        kernel: Side of the kernel.
        stride: Step in both directions.
        padding: Zeros at every side.

    Examples:
        >>> DepthwiseConv(4, 3, padding=1)(torch.zeros(1, 4, 6, 8)).shape
        torch.Size([1, 4, 6, 8])
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__(channels, channels, kernel, stride, padding, groups=channels, bias=False)
        self._is_slow_in_bfloat16 = stride > 1 or kernel > 3

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, H', W')``."""
        trains = self._is_slow_in_bfloat16 and torch.is_grad_enabled()
        if trains and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            low = torch.get_autocast_dtype("cpu")
            apply: Any = _DepthwiseFloat32Gradients.apply
            out: Tensor = apply(x.to(low), self.weight, self.stride, self.padding)
            return out
        return super().forward(x)


class _DepthwiseFloat32Gradients(torch.autograd.Function):
    """Forward in the type of the input, backward in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        wanted = (*ctx.needs_input_grad[:2], False)
        # Not torch.nn.grad's functions: they lose the memory format and copy every map.
        by_x, by_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float(), x.float(), weight, None,
            ctx.stride, ctx.padding, (1, 1), False, (0, 0), x.shape[1], wanted,
        )  # fmt: skip
        return by_x if by_x is None else by_x.to(x.dtype), by_weight, None, None


class SameConv(nn.Module):
    """Convolution, batch normalisation and ReLU6, padded as TensorFlow's "same".

    At stride 2 an even side is padded more at its end than at its start. Sides have to be even there.

    Args:
        in_channels: C.
        out_channels: D.
        kernel: Side of the kernel, odd.
        stride: 1 or 2.
        depthwise: Each channel by itself; C and D are equal then.
        activation: ``relu6`` or ``none``.

    Source:
        Padding: TensorFlow, tf.nn "Notes on padding".

    Examples:
        >>> block = SameConv(4, 8, kernel=5, stride=2).eval()
        >>> x = torch.randn(1, 4, 6, 10)
        >>> block(x).shape, torch.allclose(block(x), block.fused()(x), atol=1e-5)
        (torch.Size([1, 8, 3, 5]), True)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        depthwise: bool = False,
        activation: Literal["relu6", "none"] = "relu6",
    ) -> None:
        super().__init__()
        before, total = (kernel - stride) // 2, kernel - stride
        self.pad = nn.ZeroPad2d((before, total - before) * 2) if stride > 1 else nn.Identity()
        padding = 0 if stride > 1 else kernel // 2
        self.conv = (
            DepthwiseConv(in_channels, kernel, stride, padding)
            if depthwise
            else nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        )
        self.norm = batch_norm(out_channels)
        self.activation = nn.ReLU6() if activation == "relu6" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Pad, convolve, normalise, activate."""
        out: Tensor = self.activation(self.norm(self.conv(self.pad(x))))
        return out

    def fused(self) -> nn.Module:
        """One convolution with bias (and padding and activation) that equals this block in eval mode."""
        parts = (self.pad, fold_batch_norm(self.conv, self.norm), self.activation)
        return nn.Sequential(*(part for part in parts if not isinstance(part, nn.Identity)))


class RepConv(nn.Module):
    """3x3 convolution that is trained with three branches and deployed as one.

    ``activation(BN(BN(conv3x3(x)) + conv1x1(x) + x))``: only the 3x3 branch has a normalisation of its
    own, and one stands after the sum. The identity exists where input and output have the same shape.

    Source:
        The form that survives 8-bit quantisation: Chu et al., QARepVGG, AAAI 2024; after
        Ding et al., RepVGG, CVPR 2021. Its use here is ours [O].

    Examples:
        >>> block = RepConv(8, 8).eval()
        >>> x = torch.randn(1, 8, 6, 10)
        >>> torch.allclose(block(x), block.fused()(x), atol=1e-5)
        True
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, activation: Activation = "relu"
    ) -> None:
        super().__init__()
        self.dense = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.dense_norm = batch_norm(out_channels)
        self.stride = stride
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.identity = in_channels == out_channels and stride == 1
        self.norm = batch_norm(out_channels)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Sum of the branches, normalised and activated."""
        # Strided by slicing: torch's strided 1x1 convolution of few channels corrupts memory in its
        # backward pass on CPUs when the tensors are channels_last.
        sampled = x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x
        total = self.dense_norm(self.dense(x)) + self.pointwise(sampled)
        if self.identity:
            total = total + x
        out: Tensor = self.activation(self.norm(total))
        return out

    def fused(self) -> nn.Module:
        """One 3x3 convolution with bias (and the activation) that equals this block in eval mode."""
        conv = fold_batch_norm(self.dense, self.dense_norm)
        with torch.no_grad():
            conv.weight += F.pad(self.pointwise.weight, (1, 1, 1, 1))
            if self.identity:
                channels = torch.arange(conv.out_channels)
                conv.weight[channels, channels, 1, 1] += 1.0
        conv = fold_batch_norm(conv, self.norm)
        return conv if isinstance(self.activation, nn.Identity) else nn.Sequential(conv, self.activation)


def fold_batch_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Fold a batch normalisation in eval mode into the convolution before it.

    Args:
        conv: Convolution, with or without bias; not changed.
        norm: Normalisation of its outputs.

    Returns:
        A convolution with bias that equals ``norm(conv(x))``.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = conv.bias if conv.bias is not None else torch.zeros_like(norm.running_mean)
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (conv.kernel_size[0], conv.kernel_size[1]),
        (conv.stride[0], conv.stride[1]),
        (int(conv.padding[0]), int(conv.padding[1])),
        groups=conv.groups,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    with torch.no_grad():
        folded.weight.copy_(conv.weight * gain[:, None, None, None])
        assert folded.bias is not None
        folded.bias.copy_((bias - norm.running_mean) * gain + norm.bias)
    return folded


class MBLA(nn.Module):
    """Multi-branch layer aggregation: ``(B, C, H, W) -> (B, D, H, W)``.

    A 1x1 convolution gives three parts y0, y1, y2 of D/2 channels. y1 passes one residual block, y2
    two; all six maps are concatenated and mixed by a 1x1 convolution.

    Source:
        docs/method.md section 3 [A] (n = 4, e = 0.5, SiLU).
    """

    def __init__(self, in_channels: int, out_channels: int, activation: Activation = "silu") -> None:
        super().__init__()
        width = out_channels // 2
        self.width = width
        self.expand = ConvBlock(in_channels, 3 * width, activation=activation)
        self.short = ResidualTriple(width, activation)
        self.long_first = ResidualTriple(width, activation)
        self.long_second = ResidualTriple(width, activation)
        self.mix = ConvBlock(6 * width, out_channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Expand, run the branches, mix."""
        y0, y1, y2 = self.expand(x).split(self.width, dim=1)
        a1 = self.short(y1)
        b1 = self.long_first(y2)
        b2 = self.long_second(b1)
        out: Tensor = self.mix(torch.cat([y0, y1, a1, y2, b1, b2], dim=1))
        return out


class ResidualTriple(nn.Module):
    """Three 3x3 convolutions around which the input passes, times a learnable scale.

    Source:
        docs/method.md section 3, the B of MBLA; scale initialised to 1: section 1a [A].
    """

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(ConvBlock(channels, channels, kernel=3, activation=activation) for _ in range(3))
        )
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """``body(x) + scale * x``."""
        out: Tensor = self.body(x) + self.scale * x
        return out
