"""Speed of detection from pictures in memory and from JPEG files: bundles of both presets in OpenVINO.

    .venv/bin/python benchmarks/detection_speed.py

One stream answers picture by picture with all threads; as many streams as threads let as many pictures pass as
possible. Preset n carries the packaged start weights, so that there is something to detect; s is untrained. Each
way to run has a process of its own; of several rounds, the median by pictures a second is kept, with the lowest
and the highest beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch
from record import load_average, write_record

from sdgasnet.config.loading import build_recipe
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.evaluation.speed_process import SpeedTask, measure_speed
from sdgasnet.export.build import build_bundle
from sdgasnet.models.checkpoint import ModelFile, find_model_file, read_model
from sdgasnet.models.network import Network
from sdgasnet.runtime.bundle import write_bundle
from sdgasnet.runtime.deployment import Deployment
from sdgasnet.runtime.manifest import ComputePrecision

MODELS = (("n", 224), ("n", 320), ("n", 640), ("s", 224))
PRECISIONS: tuple[ComputePrecision, ...] = ("fp32", "bf16")
PICTURES = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one stage in one round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    load = load_average()
    measured: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for preset, side in MODELS:
            place = Path(folder) / f"{preset}{side}"
            pictures = write_pictures(place / "pictures", side)
            write_bundle(place / "model.sdg", *build_bundle(build_model(preset, side), preset, 8))
            for precision in PRECISIONS:
                for streams in (1, arguments.threads):
                    way = Deployment("openvino", precision, arguments.threads, streams)
                    tasks.append(SpeedTask(place / "model.sdg", way, pictures, 1, arguments.seconds))
        for number in range(arguments.rounds):
            for task in tasks:
                print(
                    f"round {number + 1} of {arguments.rounds}: {task.bundle.parent.name} {task.deployment}",
                    flush=True,
                )
                for row in measure_speed(task):
                    key = tuple(
                        str(row[name]) for name in ("model", "image_size", "precision", "streams", "scope")
                    )
                    measured.setdefault(key, []).append(row)
    rows = [middle(rounds) for rounds in measured.values()]
    for row in rows:
        print({name: row[name] for name in ("model", "image_size", "precision", "streams", "scope", "per_second")})
    print(write_record("detection_speed", rows, ("openvino", "numpy", "opencv-python-headless"), load))


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round of median speed, with the lowest and highest speed of all."""
    speeds = [row["per_second"] for row in rounds]
    kept = next(row for row in rounds if row["per_second"] == statistics.median_low(speeds))
    return {**kept, "lowest_per_second": min(speeds), "highest_per_second": max(speeds), "rounds": len(rounds)}


def build_model(preset: str, side: int) -> ModelFile:
    """A model for square pictures of one channel."""
    if preset == "n":
        model = read_model(find_model_file(Path("procedural")))
        shape = model.recipe.model.model_copy(update={"image_size": (side, side)})
        return replace(model, recipe=model.recipe.model_copy(update={"model": shape}))
    recipe = build_recipe({"model": {"preset": preset, "image_size": [side, side], "channels": 1}})
    torch.manual_seed(0)
    names = tuple(f"defect {number}" for number in range(6))
    return ModelFile(recipe, names, Network(recipe.model, len(names)).state_dict(), (), 0, {})


def write_pictures(folder: Path, side: int) -> Path:
    """A folder of generated pictures as JPEG."""
    folder.mkdir(parents=True)
    for index in range(PICTURES):
        picture = generate_surface("mixed", (side, side), seed=2, index=index, good_share=0.1).image
        cv2.imwrite(str(folder / f"{index:03}.jpg"), picture)
    return folder


if __name__ == "__main__":
    main()
