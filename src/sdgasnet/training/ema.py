"""Moving average of the weights; it is what is measured and shipped."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sdgasnet.config.schema import TrainingConfig


def build_ema(network: nn.Module, config: TrainingConfig) -> AveragedModel:
    """Exponential moving average over parameters and buffers.

    At step t the decay is ``ema_decay * (1 - exp(-t / ema_ramp_steps))``; whole numbers (counters of batch
    normalisation) are copied.

    Args:
        network: The network that is trained.
        config: Decay and ramp.

    Returns:
        A model whose ``update_parameters(network)`` is called after every optimiser step.

    Source:
        docs/method.md section 1a [A].
    """

    def average(averaged: Any, current: Any, count: Any) -> None:
        decay = config.ema_decay * (1.0 - math.exp(-int(count) / config.ema_ramp_steps))
        if not averaged[0].is_floating_point():
            for mine, other in zip(averaged, current, strict=True):
                mine.copy_(other)
            return
        weights: list[Tensor] = list(averaged)
        torch._foreach_lerp_(weights, list(current), 1.0 - decay)

    return AveragedModel(network, multi_avg_fn=torch.no_grad()(average), use_buffers=True)
