from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sdgasnet.config.schema import ModelConfig
from sdgasnet.errors import ModelError
from sdgasnet.models.network import Network

SWITCHES: list[dict[str, Any]] = [
    {},
    {"fusion": "none"},
    {"enhance": "conv"},
    {"enhance": "none"},
    {"synchronize": "topdown"},
    {"fusion": "none", "synchronize": "topdown"},
    {"frequency_band": "learnable"},
    {"frequency_ratio": 0.5},
    {"channels": 1},
    {"neck_block": "mbla"},
    {"neck_block": "rep"},
    {"reg_max": 8},
    {"activation": "silu"},
    {"box_predictors": "both"},
    {"backbone": "lvt", "backbone_widths": (16, 32, 40, 64)},
    {"backbone": "rep", "backbone_widths": (16, 24, 32, 48), "backbone_depths": (1, 1, 2, 1)},
]


def said(network: Network, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The outputs that the network has."""
    return {name: part for name, part in network(images)._asdict().items() if part is not None}


def run_backward(network: Network, images: torch.Tensor) -> None:
    """Backward of a sum that no symmetry of the untrained head makes zero."""
    outputs = said(network, images).values()
    torch.manual_seed(1)
    sum((part.float() * torch.randn(part.shape)).sum() for part in outputs).backward()


@pytest.mark.parametrize("preset", ["n", "s"])
@pytest.mark.parametrize(
    "overrides", SWITCHES, ids=lambda o: ",".join(f"{k}={v}" for k, v in o.items()) or "preset"
)
def test_every_switch_trains_every_parameter(
    trained_network: Callable[..., Network], preset: str, overrides: dict[str, Any]
) -> None:
    network = trained_network(preset, **overrides).train()
    run_backward(network, torch.rand(2, network.config.channels, 64, 96))
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    assert not silent


@pytest.mark.parametrize("preset", ["n", "s"])
def test_batch_of_two_equals_two_batches_of_one(trained_network: Callable[..., Network], preset: str) -> None:
    network = trained_network(preset)
    images = torch.rand(2, 3, 96, 160)
    with torch.inference_mode():
        together = said(network, images)
        apart = [said(network, images[i : i + 1]) for i in range(2)]
    for name, whole in together.items():
        torch.testing.assert_close(whole, torch.cat([one[name] for one in apart]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("preset", ["n", "s"])
def test_memory_format_does_not_change_outputs(trained_network: Callable[..., Network], preset: str) -> None:
    network = trained_network(preset)
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        plain = said(network, images)
        last = said(network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last))
    for name, one in plain.items():
        other = last[name]
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("preset", ["n", "s"])
def test_trains_under_bfloat16_autocast(trained_network: Callable[..., Network], preset: str) -> None:
    network = trained_network(preset)
    images = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        exact = said(network, images)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = said(network, images)
    for name, one in exact.items():
        other = rounded[name]
        assert (one - other.float()).norm() < 0.05 * one.norm()
    with torch.autocast("cpu", torch.bfloat16):
        run_backward(network.train(), images)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_outputs_depend_on_the_whole_picture(trained_network: Callable[..., Network]) -> None:
    """A point sees far more than its cell: the gathered map reaches everywhere."""
    network = trained_network("n")
    images = torch.rand(1, 3, 224, 224, requires_grad=True)
    network(images).class_logits[0, 0].sum().backward()
    assert images.grad is not None
    assert images.grad[0, :, -8:, -8:].abs().sum() > 0


@pytest.mark.parametrize("shape", [(1, 3, 100, 96), (1, 1, 96, 96), (1, 3, 96, 80)])
def test_wrong_input_is_refused(model_config: Callable[..., ModelConfig], shape: tuple[int, ...]) -> None:
    network = Network(model_config("n"), num_classes=2)
    with pytest.raises(ModelError, match="multiples of 32"):
        network(torch.zeros(shape))


def test_recipe_says_structure_and_state(model_config: Callable[..., ModelConfig]) -> None:
    """The same recipe and seed give the same start weights; a switch changes them."""
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(Network(model_config("n"), num_classes=2).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    other = Network(model_config("n", synchronize="topdown"), num_classes=2).state_dict()
    assert other.keys() != states[0].keys()
