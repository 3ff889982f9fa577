"""``sdgasnet benchmark``: how fast is a bundle on this very machine?"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.opening import PrecisionOption, PublicKeyOption, RuntimeOption, ThreadsOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.errors import ModelError
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.evaluation.speed_process import SpeedTask, measure_speed
from sdgasnet.output import write_text
from sdgasnet.runtime.bundle import Bundle, is_bundle, open_bundle
from sdgasnet.runtime.deployment import (
    ANY_THREADS,
    RUNTIMES,
    Deployment,
    Runtime,
    is_installed,
    list_precisions,
)
from sdgasnet.runtime.host import count_cores
from sdgasnet.runtime.manifest import ComputePrecision

BUSY = 0.5
"""Load from which on other work is mentioned."""


def benchmark(
    bundle: Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")],
    pictures: Annotated[
        Path | None, typer.Argument(help="Folder of pictures; default: generated ones, and no files.")
    ] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="One more row for batches of this size.")] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="For each row.")] = 2.0,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
) -> None:
    """Time a bundle: each stage for one picture at a time, and whole streams of pictures.

    ``auto`` measures every runtime that is installed and every precision that the bundle allows, each in a
    process of its own.
    """
    opened = open_measurable(bundle, public_key)
    cores = threads or count_cores()
    ways = [
        Deployment(name, computed, cores, streams)
        for name, computed in list_ways(opened, runtime, precision)
        for streams in dict.fromkeys((1, cores))
    ]
    load = os.getloadavg()[0]
    rows: list[dict[str, Any]] = []
    with counting_bar("measuring") as advance:
        for number, way in enumerate(ways, start=1):
            rows += measure_speed(SpeedTask(bundle, way, pictures, batch, seconds))
            advance(number, len(ways))
    print_rows(rows)
    if load > BUSY:
        say(f"other work shared the machine (load {load:.1f}); the figures would be better without")
    if as_json is not None:
        record = {
            "hardware": describe_hardware(),
            "commit": describe_commit(),
            "versions": describe_versions(),
            "load_before": load,
            "rows": rows,
        }
        write_text(as_json, json.dumps(record, indent=1) + "\n")


def open_measurable(path: Path, public_key: Path | None) -> Bundle:
    """The bundle.

    Raises:
        ConfigError: There is no public key in the file.
        ModelError: It is none, is damaged, or not signed with the key.
    """
    if not is_bundle(path):
        raise ModelError(f"{path} is no bundle. Export the model first: sdgasnet export MODEL {path.stem}.sdg")
    return open_bundle(path, public_key)


def list_ways(
    bundle: Bundle, runtime: RuntimeOption, precision: PrecisionOption
) -> list[tuple[Runtime, ComputePrecision]]:
    """Runtimes and precisions to measure.

    Raises:
        ModelError: There is none.
    """
    ways = [
        (name, computed)
        for name in RUNTIMES
        if is_installed(name) and runtime in ("auto", name)
        for computed in list_precisions(bundle, name)
        if precision in ("auto", computed)
    ]
    if not ways:
        raise ModelError(
            f"Nothing runs {bundle.path} with --runtime {runtime} --precision {precision} here: "
            f"it has {', '.join(bundle.manifest.graphs)}, and "
            f"{', '.join(name for name in RUNTIMES if is_installed(name))} is installed."
        )
    return ways


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A table of all rows."""
    table = Table(box=SIMPLE_HEAD, title="ms of a picture or batch; pictures a second")
    for heading in ("runtime", "precision", "streams", "scope", "batch", "p50 ms", "p95 ms", "a second"):
        is_text = heading in ("runtime", "precision", "scope")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        cells = [str(row[key]) for key in ("runtime", "precision", "streams", "scope", "batch")]
        # Between the results of a stream lies no time that a picture takes.
        times = [f"{row[key]:.2f}" if row["streams"] == 1 else "" for key in ("p50_ms", "p95_ms")]
        table.add_row(*cells, *times, f"{row['per_second']:,.0f}")
    Console().print(table)
