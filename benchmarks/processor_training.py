"""Seconds of a bf16 training step on a processor, with and without what is done for it there.

.venv/bin/python benchmarks/processor_training.py

Two things are switched: gradients of depthwise convolutions in float32 instead of bfloat16, and freed memory that
stays in the process instead of going back to the system. Each setting is a process of its own, in turn, for the
second can't be taken back.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from typing import Any

import torch
from distillation_step import build_step
from record import load_average, write_record
from torch import Tensor, nn
from training_step import WARM_UP, random_targets, summarise

from sdgasnet.config.loading import build_recipe
from sdgasnet.models.blocks import DepthwiseConv
from sdgasnet.training.launch import keep_freed_memory
from sdgasnet.training.objective import DetectionObjective

SETTINGS = (
    ("lite0", 224, ""),
    ("lite0", 224, "float32 gradients"),
    ("lite0", 224, "float32 gradients, memory kept"),
    ("n", 224, ""),
    ("n", 224, "memory kept"),
    ("n", 640, ""),
    ("n", 640, "memory kept"),
)
"""(preset, side, what is done)."""
BATCH = 16
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5, help="In each of three rounds.")
    parser.add_argument("--setting", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.setting is not None:
        print(json.dumps(measure(*SETTINGS[arguments.setting], arguments.threads, arguments.steps)))
        return
    load = load_average()
    seconds: list[list[float]] = [[] for _ in SETTINGS]
    for _ in range(ROUNDS):
        for number in range(len(SETTINGS)):
            command = [sys.executable, __file__, "--setting", str(number)]
            options = ["--threads", str(arguments.threads), "--steps", str(arguments.steps)]
            done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=True)
            seconds[number] += json.loads(done.stdout)
    rows = []
    for (preset, side, done_for_it), values in zip(SETTINGS, seconds, strict=True):
        rows.append(
            {
                "model": f"{preset}, {done_for_it or 'nothing done'}",
                "image_size": [side, side],
                "runtime": "torch channels_last",
                "precision": "bf16",
                "threads": arguments.threads,
                "batch": BATCH,
                "scope": "training-step",
                **summarise(values, BATCH),
            }
        )
        print(rows[-1], flush=True)
    print(write_record("processor_training", rows, ("torch", "numpy"), load))


def measure(preset: str, side: int, done_for_it: str, threads: int, steps: int) -> list[float]:
    """Seconds of each step, the warm-up left out."""
    if "memory kept" in done_for_it:
        assert keep_freed_memory()
    if "float32 gradients" not in done_for_it:
        DepthwiseConv.forward = nn.Conv2d.forward  # type: ignore[method-assign]
    torch.set_num_threads(threads)
    recipe = build_recipe({"model": {"preset": preset}})

    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16)

    def normaliser(total: Tensor) -> Tensor:
        return total.clamp(min=1.0)

    step = build_step(recipe, DetectionObjective(recipe, normaliser), autocast)
    images = torch.rand(BATCH, recipe.model.channels, side, side).to(memory_format=torch.channels_last)
    targets = random_targets(BATCH, side)
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        step(images, targets)
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


if __name__ == "__main__":
    main()
