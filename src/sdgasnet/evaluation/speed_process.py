"""Measure the speed of a bundle in a process of its own: runtimes in one process disturb each other's threads."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.errors import ModelError, SDGASNetError
from sdgasnet.evaluation.speed import time_stages, time_streams
from sdgasnet.imaging.image import Image, find_images
from sdgasnet.imaging.template import as_input, read_input
from sdgasnet.runtime.bundle import open_bundle
from sdgasnet.runtime.deployment import Deployment, open_session
from sdgasnet.runtime.session import ModelSpec

MOST_PICTURES = 64
"""Of a folder; they are gone through again and again."""


@dataclass(frozen=True)
class SpeedTask:
    """What one process measures.

    Attributes:
        bundle: The bundle.
        deployment: How it runs; one stream times the stages, more count what passes.
        pictures: Folder of pictures, or None for generated ones in memory.
        batch: Size of the batches of one more row, > 1 to have one.
        seconds: Time for each row.
    """

    bundle: Path
    deployment: Deployment
    pictures: Path | None
    batch: int
    seconds: float


def measure_speed(task: SpeedTask) -> list[dict[str, Any]]:
    """Rows of figures, measured in a new process.

    Raises:
        ModelError: It failed; with what it said.
    """
    words = {**asdict(task), "bundle": str(task.bundle), "pictures": task.pictures and str(task.pictures)}
    command = [sys.executable, "-m", "sdgasnet.evaluation.speed_process", json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ModelError(done.stderr.strip().removeprefix("error: ") or "The measuring process died.")
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def measure_here(task: SpeedTask) -> list[dict[str, Any]]:
    """Rows of figures, measured in this process.

    Raises:
        ImageError: A picture can't be read.
        ModelError: The bundle can't be opened so, or the folder holds no pictures.
    """
    bundle = open_bundle(task.bundle)
    session = open_session(bundle, task.deployment)
    files = find_images(task.pictures)[:MOST_PICTURES] if task.pictures is not None else []
    if task.pictures is not None and not files:
        raise ModelError(f"{task.pictures} holds no pictures to measure with.")
    spec = session.spec
    images = [read_input(file, spec.channels, spec.paired) for file in files] or generated_pictures(spec)
    head = {"model": bundle.manifest.preset, "image_size": list(spec.image_size), **asdict(task.deployment)}
    if task.deployment.streams > 1:
        return [
            {**head, "batch": 1, "scope": scope, **figures}
            for scope, figures in time_streams(session, files, images, task.seconds)
        ]
    return [
        {**head, "batch": count, "scope": scope, **figures}
        for scope, count, figures in time_stages(session, files, images, task.batch, task.seconds)
    ]


def generated_pictures(spec: ModelSpec) -> list[Image]:
    """Some generated pictures of the size of the canvas."""
    grey = (generate_surface("mixed", spec.image_size, seed=1, index=index, good_share=0.1) for index in range(8))
    return [as_input(made.image, spec.channels, spec.paired) for made in grey]


def main() -> None:
    """Entry of the measuring process: the task as JSON in, rows as JSON out."""
    words = json.loads(sys.argv[1])
    task = SpeedTask(
        bundle=Path(words["bundle"]),
        deployment=Deployment(**words["deployment"]),
        pictures=Path(words["pictures"]) if words["pictures"] else None,
        batch=words["batch"],
        seconds=words["seconds"],
    )
    try:
        rows = measure_here(task)
    except SDGASNetError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
