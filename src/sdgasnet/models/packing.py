"""Weights in fewer bits, for small model files: 16, or mostly 8 with a scale for each output channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Bits = Literal[16, 8]
LARGEST = 127
SMALL = 8192
"""Tensors of fewer numbers, mostly depthwise convolutions, keep 16 bits: few, and most sensitive. A file of
preset n is 5 % larger for it."""
SCALE = "::scale"
"""Ending of the name under which the scales of a tensor of 8 bits stand beside it."""


def pack_weights(weights: Mapping[str, Tensor], bits: Bits) -> dict[str, Tensor]:
    """Weights of convolutions and linear layers, which are nearly all, in fewer bits.

    Vectors, such as the statistics of normalisations, and whole numbers stay as they are.

    Args:
        weights: Name -> tensor.
        bits: 16 stores half precision; 8 stores a byte each, and a scale for each output channel, for all but
            small tensors.

    Examples:
        >>> packed = pack_weights({"conv.weight": torch.full((2, 5000), -0.5)}, bits=8)
        >>> packed["conv.weight"].unique().tolist(), packed["conv.weight::scale"].shape
        ([-127], torch.Size([2, 1]))
    """
    packed: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not value.is_floating_point() or value.ndim < 2:
            packed[name] = value
        elif bits == 8 and value.numel() >= SMALL:
            sides = tuple(range(1, value.ndim))
            scale = value.abs().amax(sides, keepdim=True) / LARGEST
            packed[name] = (value / scale.clamp(min=torch.finfo(torch.float32).tiny)).round().to(torch.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.half()
    return packed


def unpack_weights(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float32 again.

    Examples:
        >>> unpack_weights(pack_weights({"a": torch.tensor([[0.5]])}, bits=8))["a"].item()
        0.5
    """
    weights: dict[str, Tensor] = {}
    for name, value in packed.items():
        if name.endswith(SCALE):
            continue
        scale = packed.get(name + SCALE)
        if scale is not None:
            weights[name] = value.float() * scale
        else:
            weights[name] = value.float() if value.is_floating_point() else value
    return weights
