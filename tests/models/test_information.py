from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.deploy import deploy
from sdgasnet.models.information import NetworkSize, compute_network_size
from sdgasnet.models.network import Network

FIGA = ("neck.enhance", "neck.inject")


@pytest.fixture(scope="module")
def paper_size() -> NetworkSize:
    config = ModelConfig(preset="s")
    return compute_network_size(Network(config, num_classes=6), (640, 640))


def test_paper_preset_has_the_sizes_of_the_method(paper_size: NetworkSize) -> None:
    """docs/method.md section 3, 6 classes, 640: 7.69 M with the distribution predictor, 10.15 GMac."""
    neck = sum(
        part.parameters for name, part in paper_size.parts.items() if name.startswith("neck.") and name not in FIGA
    )
    assert paper_size.parameters == pytest.approx(7.69e6, rel=0.02)
    assert paper_size.macs == pytest.approx(10.15e9, rel=0.02)
    assert paper_size.parts["backbone"].parameters == pytest.approx(3.19e6, rel=0.02)
    assert neck == pytest.approx(2.57e6, rel=0.02)
    assert paper_size.parts["head"].parameters == pytest.approx(1.64e6, rel=0.02)


def test_version_without_frequency_has_the_sizes_of_the_method(model_config: Callable[..., ModelConfig]) -> None:
    """docs/method.md section 3: about 8.0 M parameters with all branches."""
    network = Network(model_config("s", enhance="conv"), num_classes=6)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(8.0e6, rel=0.02)


def test_small_preset_keeps_its_budget(model_config: Callable[..., ModelConfig]) -> None:
    network = Network(model_config("n"), num_classes=6)
    size = compute_network_size(network, (640, 640))
    assert sum(p.numel() for p in network.parameters()) <= 2.0e6
    assert size.macs <= 1.6e9


@pytest.mark.parametrize("preset", ["n", "s"])
def test_parts_add_up(model_config: Callable[..., ModelConfig], preset: str) -> None:
    network = Network(model_config(preset), num_classes=6)
    size = compute_network_size(network, (96, 160))
    assert size.parameters == sum(part.parameters for part in size.parts.values())
    assert size.macs == sum(part.macs for part in size.parts.values())
    assert size.parameters == sum(p.numel() for p in deploy(network).parameters())
    assert size.outputs["boxes_xyxy"] == (1, 315, 4)
    assert size.outputs["scores"] == (1, 315, 6)


def test_count_of_one_part_by_hand(model_config: Callable[..., ModelConfig]) -> None:
    """P5's block of preset n is one 3x3 convolution of 96 to 128 channels on a twentieth of 640."""
    size = compute_network_size(Network(model_config("n"), num_classes=6), (640, 640))
    assert size.parts["neck.aggregate5"].parameters == 9 * 96 * 128 + 128
    assert size.parts["neck.aggregate5"].macs == 9 * 96 * 128 * 20 * 20


def test_attention_is_counted(model_config: Callable[..., ModelConfig]) -> None:
    """Doubling the area doubles all work but attention's, which grows with its square."""
    network = Network(model_config("s"), num_classes=6)
    small, large = (compute_network_size(network, size).parts["backbone"].macs for size in ((64, 64), (64, 128)))
    assert large > 2 * small


def test_network_is_left_alone(model_config: Callable[..., ModelConfig]) -> None:
    network = Network(model_config("n"), num_classes=2)
    before = network.state_dict()
    compute_network_size(network, (64, 64))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
