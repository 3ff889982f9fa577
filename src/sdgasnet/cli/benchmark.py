"""``sdgasnet benchmark``: how fast is a bundle on this very machine?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.opening import ANY_NUMBER_OF_THREADS, Runtime, open_bundle_detector
from sdgasnet.cli.progress import say
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.errors import ConfigError, ModelError
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.speed import time_stages
from sdgasnet.imaging.image import Image, find_images, read_image
from sdgasnet.output import write_text
from sdgasnet.runtime.bundle import is_bundle, open_bundle

RUNTIMES = tuple(name for name in get_args(Runtime) if name != "auto")
MOST_PICTURES = 64
WORKER = "SDGASNET_BENCHMARK_WORKER"
"""Set in the environment of the processes that measure one runtime each."""


def benchmark(
    bundle: Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")],
    pictures: Annotated[
        Path | None, typer.Argument(help="Folder of pictures; default: generated ones, and no files.")
    ] = None,
    runtimes: Annotated[
        str | None, typer.Option("--runtimes", help=f"Of {','.join(RUNTIMES)}; default: those installed.")
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Of one run; 0: as the runtime likes.")
    ] = ANY_NUMBER_OF_THREADS,
    batch: Annotated[int, typer.Option("--batch", min=1, help="One more row for batches of this size.")] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="For each row.")] = 2.0,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
) -> None:
    """Time reading, preparing, network and decoding, apart and together; each runtime in a process of its own."""
    if not is_bundle(bundle):
        raise ModelError(f"{bundle} is no bundle. Export the model first: sdgasnet export MODEL {bundle.stem}.sdg")
    chosen = choose_runtimes(runtimes)
    if os.environ.get(WORKER):
        rows = measure_runtime(bundle, pictures, chosen[0], threads, batch, seconds)
        print(json.dumps(rows))
        return
    load = os.getloadavg()[0]
    rows = []
    for runtime in chosen:
        say(f"measuring {runtime}")
        arguments = [str(bundle), *([str(pictures)] if pictures else []), "--runtimes", runtime]
        arguments += ["--threads", str(threads), "--batch", str(batch), "--seconds", str(seconds)]
        rows += run_worker(arguments)
    print_rows(rows)
    if load > 0.5:
        say(f"other work shared the machine (load {load:.1f}); the figures would be better without")
    if as_json is not None:
        record = {
            "hardware": describe_hardware(),
            "versions": describe_versions(),
            "load_before": load,
            "rows": rows,
        }
        write_text(as_json, json.dumps(record, indent=1) + "\n")


def choose_runtimes(text: str | None) -> list[Runtime]:
    """The runtimes asked for, or all that are installed.

    Raises:
        ConfigError: An unknown one.
    """
    if text is None:
        return [name for name in RUNTIMES if find_spec("openvino" if "openvino" in name else name) is not None]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in RUNTIMES:
            raise ConfigError(f"--runtimes names {name!r}; expected some of {', '.join(RUNTIMES)}.")
    return names  # type: ignore[return-value]


def run_worker(arguments: list[str]) -> list[dict[str, Any]]:
    """Measure in another process: runtimes in one process disturb each other's threads.

    Raises:
        ModelError: It failed; with what it said.
    """
    command = [sys.executable, "-m", "sdgasnet", "benchmark", *arguments]
    environment = {**os.environ, WORKER: "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ModelError(done.stderr.strip().removeprefix("error: ") or "The measuring process died.")
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def measure_runtime(
    bundle: Path, pictures: Path | None, runtime: Runtime, threads: int, batch: int, seconds: float
) -> list[dict[str, Any]]:
    """Rows of one runtime, in this process."""
    session = open_bundle_detector(bundle, runtime, threads).session
    manifest = open_bundle(bundle).manifest
    files = find_images(pictures)[:MOST_PICTURES] if pictures is not None else []
    if pictures is not None and not files:
        raise ConfigError(f"{pictures} holds no pictures.")
    channels, size = session.spec.channels, session.spec.image_size
    images = [read_image(file, channels) for file in files] or generated_pictures(size, channels)
    head = {
        "model": manifest.preset,
        "image_size": list(size),
        "runtime": runtime.removesuffix("-bf16"),
        "precision": "bf16" if runtime.endswith("-bf16") else manifest.precision,
        "threads": threads,
    }
    return [
        {**head, "batch": count, "scope": scope, **figures}
        for scope, count, figures in time_stages(session, files, images, batch, seconds)
    ]


def generated_pictures(size: tuple[int, int], channels: int) -> list[Image]:
    """Some generated pictures of the size of the canvas."""
    grey = [generate_surface("mixed", size, seed=1, index=index, good_share=0.1).image for index in range(8)]
    return [image.repeat(channels, axis=2) for image in grey]


def print_rows(rows: list[dict[str, Any]]) -> None:
    """A table of all rows."""
    table = Table(title="per picture, or per batch where one is given")
    for heading in ("runtime", "precision", "scope", "batch", "p50 ms", "p95 ms", "pictures a second"):
        table.add_column(heading, justify="left" if heading in ("runtime", "precision", "scope") else "right")
    for row in rows:
        cells = (row["runtime"], row["precision"], row["scope"], str(row["batch"]))
        table.add_row(*cells, f"{row['p50_ms']:.2f}", f"{row['p95_ms']:.2f}", f"{row['per_second']:,.0f}")
    Console().print(table)
