"""Seconds of a training step under a teacher against a plain step, in turn, so that both see the same machine.

.venv/bin/python benchmarks/distillation_step.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from record import load_average, write_record
from torch import Tensor, nn
from training_step import CLASSES, WARM_UP, random_targets, summarise

from sdgasnet.config.loading import build_recipe
from sdgasnet.losses.assignment import Targets
from sdgasnet.models.checkpoint import ModelFile, write_model
from sdgasnet.models.network import Network
from sdgasnet.training.distillation import DistillationObjective, load_teacher
from sdgasnet.training.objective import DetectionObjective, Objective
from sdgasnet.training.optim import build_optimizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="n")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    load = load_average()
    torch.set_num_threads(arguments.threads)
    rows = []
    for precision in ("fp32", "bf16"):
        measured = measure(arguments, precision)
        ratio = float(np.median(np.divide(measured["student"], measured["plain"])))
        for name, seconds in measured.items():
            row = {
                "model": f"{arguments.preset}, {name}",
                "image_size": [arguments.side, arguments.side],
                "runtime": "torch channels_last",
                "precision": precision,
                "threads": arguments.threads,
                "batch": arguments.batch,
                "scope": "training-step",
                **summarise(seconds, arguments.batch),
            }
            rows.append(row if name == "plain" else {**row, "ratio_to_plain": round(ratio, 3)})
            print(rows[-1], flush=True)
    print(write_record("distillation_step", rows, ("torch", "numpy"), load))


def measure(arguments: argparse.Namespace, precision: str) -> dict[str, list[float]]:
    """Seconds of each step of both, the warm-up left out."""

    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")

    with TemporaryDirectory() as folder:
        names = tuple(f"class {number}" for number in range(CLASSES))
        plain = build_recipe({"model": {"preset": arguments.preset}})
        teacher_file = Path(folder) / "teacher.pt"
        write_model(ModelFile(plain, names, Network(plain.model, CLASSES).state_dict()), teacher_file)
        student = build_recipe(
            {"model": {"preset": arguments.preset}, "distillation": {"teacher": str(teacher_file)}}
        )
        teacher = load_teacher(student, names)[0].to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def normaliser(total: Tensor) -> Tensor:
        return total.clamp(min=1.0)

    steps = {
        "plain": build_step(plain, DetectionObjective(plain, normaliser), autocast),
        "student": build_step(student, DistillationObjective(student, normaliser, teacher, autocast), autocast),
    }
    images = torch.rand(arguments.batch, plain.model.channels, arguments.side, arguments.side)
    images, targets = images.to(memory_format=torch.channels_last), random_targets(arguments.batch, arguments.side)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(WARM_UP + arguments.steps):
        for name, step in steps.items():
            start = time.perf_counter()
            step(images, targets)
            seconds[name].append(time.perf_counter() - start)
    return {name: values[WARM_UP:] for name, values in seconds.items()}


def build_step(
    recipe: Any, objective: Objective, autocast: Callable[[], AbstractContextManager[Any]]
) -> Callable[[Tensor, Targets], None]:
    torch.manual_seed(0)
    network = Network(recipe.model, CLASSES).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = build_optimizer(network, recipe.training)

    def step(images: Tensor, targets: Targets) -> None:
        with autocast():
            terms = objective(network, images, targets)
        optimizer.zero_grad()
        terms.total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.training.gradient_clip)
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
