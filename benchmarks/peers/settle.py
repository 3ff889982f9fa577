"""Random weights that behave as trained ones do; used in both environments."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

PICTURES = 4


def settle(network: nn.Module, side: int, channels: int = 3) -> nn.Module:
    """Fit the batch normalisations to noise, in place, so that activations keep their scale through all layers.

    Without it they shrink from layer to layer, down to numbers that processors compute slowly and quantisers
    can't scale.
    """
    norms = [part for part in network.eval().modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = None
    with torch.no_grad():
        network(torch.rand(PICTURES, channels, side, side))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()
