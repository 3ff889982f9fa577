"""Milliseconds of a random training sample on one core, and its share of a training step of preset ``n``.

    .venv/bin/python benchmarks/loading.py

Pictures are generated steel of 200x200, drawn onto 224x224 as training does it; rows say what is done to them.
The share is the time of a batch of samples over that of a training step, each on one core in the same run. Every
sample is made several times and the fastest counts, and so with the steps: other processes neither flatter nor
spoil it. ``best_ms`` of samples is the mean of these fastest times.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from record import load_average, write_record
from training_step import CLASSES, time_steps

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.models.network import Network
from sdgasnet.training.loader import EpochBatches, TrainingSet, build_loader

SOURCE_SIDE = 200
PICTURES = 64
REPEATS = 6
VARIANTS: dict[str, dict[str, Any]] = {
    "mosaic": {},
    "mosaic, grey": {"model": {"channels": 1}},
    "mosaic, mixup 0.2": {"augmentation": {"mixup": 0.2}},
    "mosaic, read from disk": {"training": {"cache_mebibytes": 0}},
    "one picture": {"augmentation": {"mosaic": 0.0}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--samples", type=int, default=320)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    load = load_average()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    steps = {
        precision: measure_step(precision, arguments.batch, arguments.side, arguments.steps)
        for precision in ("fp32", "bf16")
    }
    with tempfile.TemporaryDirectory() as folder:
        records = generate_records(Path(folder) / "steel")
        rows = []
        for name, changes in VARIANTS.items():
            recipe = build_variant(changes, arguments.side)
            figures = time_samples(recipe, records, arguments.samples)
            shares = {
                f"share_of_{precision}_step": round(figures["best_ms"] * arguments.batch / step["best_ms"], 3)
                for precision, step in steps.items()
            }
            rows.append(describe(name, arguments.side, 1, "sample", {**figures, **shares}))
            print(rows[-1], flush=True)
        recipe = build_variant({}, arguments.side)
        figures = time_worker(recipe, records, arguments.batch, REPEATS * arguments.samples // arguments.batch)
        rows.append(describe("mosaic", arguments.side, arguments.batch, "batch of one worker", figures))
        print(rows[-1], flush=True)
    for precision, step in steps.items():
        row = describe("n", arguments.side, arguments.batch, "training-step", step)
        rows.append({**row, "runtime": "torch channels_last", "precision": precision})
    print(write_record("loading", rows, ("torch", "numpy", "opencv-python-headless"), load))


def measure_step(precision: str, batch: int, side: int, steps: int) -> dict[str, Any]:
    torch.manual_seed(0)
    recipe = build_recipe({"model": {"preset": "n"}})
    return time_steps(recipe, Network(recipe.model, CLASSES), precision, batch, side, steps)


def generate_records(out: Path) -> Sequence[ImageRecord]:
    counts = {"train": PICTURES, "val": 1}
    write_surfaces(out, "steel", counts, (SOURCE_SIDE, SOURCE_SIDE), seed=0, good_share=0.1, format="yolo")
    return load_dataset(out).splits["train"]


def build_variant(changes: dict[str, dict[str, Any]], side: int) -> Recipe:
    model = {"preset": "n", "image_size": [side, side], **changes.get("model", {})}
    return build_recipe({**changes, "model": model})


def time_samples(recipe: Recipe, records: Sequence[ImageRecord], samples: int) -> dict[str, Any]:
    dataset = TrainingSet(records, recipe)
    seconds = np.empty((REPEATS, samples))
    for repeat in range(REPEATS):
        for number in range(samples):
            start = time.perf_counter()
            dataset.sample(*divmod(number, len(dataset)))
            seconds[repeat, number] = time.perf_counter() - start
    best = float(seconds.min(axis=0).mean())
    return {**summarise_finely(seconds[1:], 1), "best_ms": round(best * 1e3, 3)}


def time_worker(recipe: Recipe, records: Sequence[ImageRecord], batch: int, count: int) -> dict[str, Any]:
    """Batches as they leave one loader process that nothing else waits for."""
    dataset = TrainingSet(records, recipe)
    batches = EpochBatches(len(dataset), batch, recipe.training.seed)
    loader = build_loader(dataset, batches, workers=1)
    seconds: list[float] = []
    while len(seconds) < count:
        seconds += time_between(loader)
        batches.epoch += 1
    return summarise_finely(seconds, batch)


def time_between(items: Iterable[Any]) -> list[float]:
    times = [time.perf_counter(), *(time.perf_counter() for _ in items)]
    return [later - earlier for earlier, later in pairwise(times[1:])]


def summarise_finely(seconds: Sequence[float] | NDArray[np.float64], batch: int) -> dict[str, float]:
    """Percentiles to the microsecond, and pictures a second at the median."""
    p50, p95 = (float(value) for value in np.percentile(seconds, (50, 95)))
    milliseconds = {"p50_ms": p50, "p95_ms": p95, "best_ms": float(np.min(seconds))}
    return {
        **{name: round(value * 1e3, 3) for name, value in milliseconds.items()},
        "per_second": round(batch / p50, 1),
    }


def describe(name: str, side: int, batch: int, scope: str, figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": name,
        "image_size": [side, side],
        "runtime": "opencv",
        "precision": "u8",
        "threads": 1,
        "batch": batch,
        "scope": scope,
        **figures,
    }


if __name__ == "__main__":
    main()
