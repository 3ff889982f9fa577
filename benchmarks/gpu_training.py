"""Milliseconds of a training step on a GPU, with and without captured passes, alone and several side by side.

    python benchmarks/gpu_training.py

The step is the trainer's, averaged weights and all; pictures and objects are random and ready. ``--processes``
are for rows that say so: as many trainings as an experiment puts side by side on one GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import torch
from record import load_average, write_record
from training_step import CLASSES, random_targets, summarise

from sdgasnet.config.loading import build_recipe
from sdgasnet.models.network import Network
from sdgasnet.training.ema import build_ema
from sdgasnet.training.graphed import GraphedNetwork
from sdgasnet.training.launch import launch_fabric, normaliser_reduction
from sdgasnet.training.loader import Batch
from sdgasnet.training.objective import DetectionObjective
from sdgasnet.training.optim import build_optimizer
from sdgasnet.training.trainer import training_step

SETTINGS = (
    ("n", 256, 16),
    ("n", 256, 64),
    ("n", 640, 16),
    ("lite0", 256, 32),
    ("lite0", 384, 32),
)
"""(preset, side, pictures a step)."""
SIDE_BY_SIDE = (SETTINGS[0], SETTINGS[3])
WARM_UP = 4
"""Steps in which kernels are tried out and the passes captured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one row, after the warm-up")
    parser.add_argument("--processes", type=int, default=6, help="side by side, where there are several")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(2, "error: this benchmark needs a CUDA device; none was found\n")
    if arguments.one is not None:
        print(json.dumps(measure(*json.loads(arguments.one), arguments.seconds)))
        return
    load, rows = load_average(), []
    for graphs in (False, True):
        for setting in SETTINGS:
            rows.append(describe(*setting, graphs, 1, measure(*setting, graphs, arguments.seconds)))
        for setting in SIDE_BY_SIDE if arguments.processes > 1 else ():
            several = side_by_side(arguments.processes, *setting, graphs, 2 * arguments.seconds)
            rows.append(describe(*setting, graphs, arguments.processes, several))
    print(write_record("gpu_training", rows, ("torch", "numpy"), load))


def describe(
    preset: str, side: int, batch: int, graphs: bool, processes: int, seconds: list[float]
) -> dict[str, Any]:
    """A row, printed."""
    row = {
        "model": f"{preset}, {'captured' if graphs else 'single launches'}, {processes} side by side",
        "image_size": [side, side],
        "runtime": "torch channels_last",
        "device": torch.cuda.get_device_name(),
        "precision": "bf16",
        "batch": batch,
        "scope": "training-step",
        **summarise(seconds, batch),
    }
    print(row, flush=True)
    return row


def side_by_side(count: int, *setting: Any) -> list[float]:
    """Seconds of the steps of all processes, the first and last quarter of each left out: then not all run."""
    command = [sys.executable, __file__, "--seconds", str(setting[-1]), "--one", json.dumps(setting[:-1])]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    seconds: list[float] = []
    for child in children:
        measured = json.loads(child.communicate()[0].splitlines()[-1])
        seconds += measured[len(measured) // 4 : -(len(measured) // 4)]
    return seconds


def measure(preset: str, side: int, batch: int, graphs: bool, duration: float) -> list[float]:
    """Seconds of each step, the warm-up left out."""
    recipe = build_recipe({"model": {"preset": preset, "channels": 1, "image_size": [side, side]}})
    fabric = launch_fabric(recipe.training)
    network = Network(recipe.model, CLASSES).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(fabric.device)
    ema, optimizer = build_ema(network, recipe.training), build_optimizer(network, recipe.training)
    wrapped, wrapped_optimizer = fabric.setup(GraphedNetwork(network) if graphs else network, optimizer)
    objective = DetectionObjective(recipe, normaliser_reduction(fabric))
    pictures = torch.randint(0, 256, (batch, side, side, 1), dtype=torch.uint8)
    made = Batch(pictures, random_targets(batch, side))
    wrapped.train()

    def step() -> None:
        training_step(fabric, wrapped, wrapped_optimizer, objective, made, recipe)
        ema.update_parameters(network)
        torch.cuda.synchronize()

    for _ in range(WARM_UP):
        step()
    seconds: list[float] = []
    while sum(seconds) < duration:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
