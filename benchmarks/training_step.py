"""Seconds of a training step of preset ``n`` against a plain network of equal multiply-accumulates.

    .venv/bin/python benchmarks/training_step.py

The plain network is a chain of 3x3 convolutions with batch normalisation and ReLU and one 1x1 predictor a level,
as wide as it takes for the deployed MACs to be equal. Both go through the same step: forward, detection loss,
backward, clipping, AdamW.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from record import load_average, write_record
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import ModelConfig, Recipe
from sdgasnet.losses.assignment import Targets
from sdgasnet.models.blocks import ConvBlock
from sdgasnet.models.deploy import deploy
from sdgasnet.models.head import HeadOutputs
from sdgasnet.models.network import Network
from sdgasnet.training.objective import DetectionObjective
from sdgasnet.training.optim import build_optimizer

CLASSES = 6
BOXES = 3
WARM_UP = 2
CONVOLUTIONS_PER_LEVEL = 4
WIDTHS = (16, 16, 48, 96, 160)
"""Of the plain network at strides 2 to 32, before they are scaled."""


class PlainNetwork(nn.Module):
    """A chain of 3x3 convolutions whose outputs have the shapes of :class:`Network`'s."""

    def __init__(self, config: ModelConfig, width_factor: float) -> None:
        super().__init__()
        self.bins = config.reg_max + 1
        widths = [max(8, round(width * width_factor)) for width in WIDTHS]
        self.stem = nn.Sequential(
            ConvBlock(config.channels, widths[0], 3, 2), ConvBlock(widths[0], widths[1], 3, 2)
        )
        self.levels = nn.ModuleList(
            nn.Sequential(
                ConvBlock(before, width, 3, 2),
                *(ConvBlock(width, width, 3) for _ in range(CONVOLUTIONS_PER_LEVEL - 1)),
            )
            for before, width in pairwise(widths[1:])
        )
        self.predictors = nn.ModuleList(nn.Conv2d(width, CLASSES + 4 * self.bins, 1) for width in widths[2:])

    def forward(self, images: Tensor) -> HeadOutputs:
        x = self.stem(images)
        outputs, means = [], []
        for level, predictor in zip(self.levels, self.predictors, strict=True):
            x = level(x)
            outputs.append(predictor(x).flatten(2))
            means.append(x.mean((2, 3)))
        classes, boxes = torch.cat(outputs, 2).transpose(1, 2).split([CLASSES, 4 * self.bins], dim=2)
        return HeadOutputs(classes, boxes.unflatten(2, (4, self.bins)), torch.cat(means, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    load = load_average()
    torch.set_num_threads(arguments.threads)
    recipe = build_recipe({"model": {"preset": "n"}})
    torch.manual_seed(0)
    network = Network(recipe.model, CLASSES)
    macs = count_macs(deploy(network).network, recipe.model.channels, arguments.side)
    plain = PlainNetwork(recipe.model, find_width_factor(recipe.model, macs, arguments.side))
    rows = []
    for precision in ("fp32", "bf16"):
        for name, candidate in (("n", network), ("plain 3x3 chain", plain)):
            deployed = deploy(candidate).network if isinstance(candidate, Network) else candidate
            rows.append(
                {
                    "model": name,
                    "image_size": [arguments.side, arguments.side],
                    "runtime": "torch channels_last",
                    "precision": precision,
                    "threads": arguments.threads,
                    "batch": arguments.batch,
                    "scope": "training-step",
                    **time_steps(recipe, candidate, precision, arguments.batch, arguments.side, arguments.steps),
                    "macs_deployed": count_macs(deployed, recipe.model.channels, arguments.side),
                    "macs_training": count_macs(candidate, recipe.model.channels, arguments.side),
                    "parameters": sum(parameter.numel() for parameter in candidate.parameters()),
                }
            )
            print(rows[-1], flush=True)
    print(write_record("training_step", rows, ("torch", "numpy"), load))


def count_macs(network: nn.Module, channels: int, side: int) -> int:
    training = network.training
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, channels, side, side))
    network.train(training)
    return counter.get_total_flops() // 2


def find_width_factor(config: ModelConfig, macs: int, side: int) -> float:
    """Width at which the plain network has so many MACs, by bisection."""
    low, high = 0.25, 4.0
    for _ in range(12):
        middle = (low + high) / 2
        if count_macs(PlainNetwork(config, middle), config.channels, side) < macs:
            low = middle
        else:
            high = middle
    return low


def time_steps(
    recipe: Recipe, network: nn.Module, precision: str, batch: int, side: int, steps: int
) -> dict[str, Any]:
    network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = build_optimizer(network, recipe.training)
    objective = DetectionObjective(recipe, lambda total: total.clamp(min=1.0))
    images = torch.rand(batch, recipe.model.channels, side, side).to(memory_format=torch.channels_last)
    targets = random_targets(batch, side)
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            terms = objective(network, images, targets)
        optimizer.zero_grad()
        terms.total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.training.gradient_clip)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return summarise(seconds[WARM_UP:], batch)


def random_targets(batch: int, side: int) -> Targets:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(batch, BOXES, 2, 2, generator=generator).sort(dim=2).values * side
    return Targets(
        labels=torch.randint(0, CLASSES, (batch, BOXES), generator=generator),
        boxes_xyxy=corners.flatten(2),
        valid=torch.ones(batch, BOXES, dtype=torch.bool),
        crowd=torch.zeros(batch, BOXES, dtype=torch.bool),
    )


def summarise(seconds: Sequence[float], batch: int) -> dict[str, float]:
    """Percentiles, the fastest step, and pictures a second at the median."""
    p50, p95 = (float(value) for value in np.percentile(seconds, (50, 95)))
    return {
        "p50_ms": round(p50 * 1e3, 1),
        "p95_ms": round(p95 * 1e3, 1),
        "best_ms": round(min(seconds) * 1e3, 1),
        "per_second": round(batch / p50, 1),
    }


if __name__ == "__main__":
    main()
