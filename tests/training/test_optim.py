from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sdgasnet.models.network import Network
from sdgasnet.training.ema import build_ema
from sdgasnet.training.optim import build_optimizer, learning_rate_factor, set_learning_rate, split_parameters

from .conftest import tiny_recipe


def test_every_parameter_is_in_one_group_and_only_kernels_decay() -> None:
    network = Network(tiny_recipe().model, 3)
    decayed, plain = split_parameters(network)
    assert {id(p) for p in decayed + plain} == {id(p) for p in network.parameters()}
    assert len(decayed) + len(plain) == len(list(network.parameters()))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not {id(p) for m in norms for p in m.parameters()} & {id(p) for p in decayed}
    assert all(p.ndim > 1 for p in decayed)


@pytest.mark.parametrize(("kind", "cls"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_groups_of_the_optimiser(kind: str, cls: type) -> None:
    recipe = tiny_recipe(optimizer=kind, weight_decay=0.03, learning_rate=0.01)
    optimizer = build_optimizer(Network(recipe.model, 3), recipe.training)
    assert isinstance(optimizer, cls)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.03, 0.0]
    set_learning_rate(optimizer, 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {0.5}


def test_learning_rate_rises_then_falls_to_its_end() -> None:
    factors = [learning_rate_factor(step, 200, 20, 0.05) for step in range(200)]
    assert factors[0] == pytest.approx(1 / 20)
    assert max(factors) == factors[19] == factors[20] == 1.0
    assert factors[-1] == pytest.approx(0.05)
    assert factors[20:] == sorted(factors[20:], reverse=True)
    assert factors[20 + 179 // 2] == pytest.approx(0.525, abs=0.01)


def test_average_follows_the_ramp_over_parameters_and_statistics() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    config = tiny_recipe(ema_decay=0.9, ema_ramp_steps=4.0).training
    ema = build_ema(network, config)
    expected = None
    for step in range(6):
        with torch.no_grad():
            network[0].weight.fill_(float(step))
            network[1].running_mean.fill_(float(step))
            network[1].num_batches_tracked.fill_(step)
        ema.update_parameters(network)
        decay = 0.9 * (1 - math.exp(-step / 4.0))
        expected = float(step) if expected is None else decay * expected + (1 - decay) * step
        assert ema.module[0].weight.item() == pytest.approx(expected, rel=1e-5)
        assert ema.module[1].running_mean.item() == pytest.approx(expected, rel=1e-5)
        assert ema.module[1].num_batches_tracked.item() == step
