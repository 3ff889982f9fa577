"""How large a network is: parameters and multiply-accumulates, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sdgasnet.models.deploy import deploy
from sdgasnet.models.network import Network


@dataclass(frozen=True, slots=True)
class PartSize:
    """Size of one part of the network.

    Attributes:
        parameters: Number of weights and biases.
        macs: Multiply-accumulates for one picture.
    """

    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Size of a deployed network for one picture.

    Attributes:
        parameters: Number of weights and biases.
        macs: Multiply-accumulates of convolutions and matrix products, attention included.
        image_size: (height, width) that they were counted at.
        parts: The same for ``backbone``, each part of the neck (``neck.NAME``) and ``head``; they add up to
            the whole.
        outputs: Shapes of the graph's outputs.
    """

    parameters: int
    macs: int
    image_size: tuple[int, int]
    parts: Mapping[str, PartSize]
    outputs: Mapping[str, tuple[int, ...]]

    def to_json(self) -> dict[str, Any]:
        """Plain values: parameters, macs, image_size, parts."""
        values = asdict(self)
        del values["outputs"]
        return values


def compute_network_size(network: Network, image_size: tuple[int, int]) -> NetworkSize:
    """Count the deployed form of a network by running it once.

    Args:
        network: Trained or not; not changed.
        image_size: (height, width), multiples of 32.

    Returns:
        Its size.

    Raises:
        ModelError: ``image_size`` is no multiple of 32.

    Examples:
        >>> from sdgasnet.config.loading import build_recipe
        >>> network = Network(build_recipe({"model": {"preset": "n"}}).model, num_classes=6)
        >>> size = compute_network_size(network, (64, 96))
        >>> size.macs == sum(part.macs for part in size.parts.values())
        True
    """
    graph = deploy(network)
    picture = torch.zeros((1, *image_size, network.config.channels), dtype=torch.uint8)
    # The counter has no formula for the processor's fused attention kernel; the plain one is two matrix products.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        outputs = graph(picture)
    flops = counter.get_flop_counts()
    root = f"{type(graph).__name__}.network"
    parts = {
        name: PartSize(_count_parameters(part), sum(flops.get(f"{root}.{name}", {}).values()) // 2)
        for name, part in _parts_of(graph.network).items()
    }
    return NetworkSize(
        parameters=_count_parameters(graph),
        macs=counter.get_total_flops() // 2,
        image_size=image_size,
        parts={name: part for name, part in parts.items() if part.parameters},
        outputs={name: tuple(output.shape) for name, output in outputs._asdict().items()},
    )


def _parts_of(network: Network) -> dict[str, nn.Module]:
    neck = {f"neck.{name}": part for name, part in network.neck.named_children()}
    return {"backbone": network.backbone, **neck, "head": network.head}


def _count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
