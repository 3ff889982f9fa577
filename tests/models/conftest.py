from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.network import Network

Build = Callable[..., Network]


@pytest.fixture
def model_config() -> Callable[..., ModelConfig]:
    """Preset and overrides to the recipe's ``model`` section."""

    def build(preset: str, **overrides: Any) -> ModelConfig:
        return build_recipe({"model": {"preset": preset, **overrides}}).model

    return build


@pytest.fixture
def trained_network(model_config: Callable[..., ModelConfig]) -> Build:
    """A network in eval mode whose statistics, gates and predictors are as arbitrary as after training."""

    def build(preset: str, **overrides: Any) -> Network:
        torch.manual_seed(0)
        network = Network(model_config(preset, **overrides), num_classes=6)
        for module in network.modules():
            randomise(module)
        return network.eval()

    return build


@torch.no_grad()
def randomise(module: nn.Module) -> None:
    if isinstance(module, nn.BatchNorm2d):
        assert module.running_mean is not None
        assert module.running_var is not None
        module.weight.uniform_(0.5, 1.5)
        module.bias.normal_(std=0.3)
        module.running_mean.normal_(std=0.3)
        module.running_var.uniform_(0.5, 1.5)
    elif isinstance(module, nn.Conv2d) and not module.weight.any():
        module.weight.normal_(std=0.05)
