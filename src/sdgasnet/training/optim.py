"""Optimiser, its parameter groups, and the learning rate over the steps."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import Optimizer

from sdgasnet.config.schema import TrainingConfig

ADAM_SECOND_BETA = 0.999
"""docs/method.md section 6 [A]."""


def build_optimizer(network: nn.Module, config: TrainingConfig) -> Optimizer:
    """AdamW or SGD; weight decay acts on matrices and kernels, not on norms, biases and scales.

    Args:
        network: Its parameters are optimised.
        config: Kind, learning rate, momentum, weight decay.
    """
    decayed, plain = split_parameters(network)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0
        )
    betas = config.momentum, ADAM_SECOND_BETA
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=decayed[0].is_cuda or None)


def split_parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters with and without weight decay, in the network's order.

    Source:
        docs/method.md section 6: not on norm, bias [A]; nor on learnable scales [O].
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in network.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    return decayed, plain


def learning_rate_factor(step: int, total_steps: int, warmup_steps: int, final_ratio: float) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to ``final_ratio``.

    Args:
        step: From 0 to total_steps - 1.
        total_steps: Steps of the whole training.
        warmup_steps: Steps until the full rate.
        final_ratio: Factor at the end, in [0, 1].

    Examples:
        >>> [round(learning_rate_factor(s, 100, 10, 0.1), 2) for s in (0, 9, 10, 99)]
        [0.1, 1.0, 1.0, 0.1]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - 1 - warmup_steps)
    return final_ratio + (1.0 - final_ratio) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Set the rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
