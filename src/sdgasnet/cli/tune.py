"""``sdgasnet tune``: find out how a bundle runs fastest on this very machine, and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.benchmark import list_ways, open_measurable
from sdgasnet.cli.opening import PrecisionOption, PublicKeyOption, RuntimeOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.evaluation.speed_process import SpeedTask, measure_speed
from sdgasnet.runtime.deployment import Deployment
from sdgasnet.runtime.host import count_cores
from sdgasnet.runtime.tuning import write_tuned

TUNED_SCOPE = "array"
"""From a picture in memory to its detections."""
ROWS_A_TASK = 4
"""Stages that a measuring process times, roughly; for the estimate of time."""


def tune(
    bundle: Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")],
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    public_key: PublicKeyOption = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="For all of it, roughly.")] = 60.0,
) -> None:
    """Try runtimes, precisions, threads and streams, and write the fastest beside the bundle.

    ``val``, ``predict`` and ``open_detector`` follow the file on the machine that it was made on. Precisions
    that the parity gate refused are not tried.
    """
    opened = open_measurable(bundle, public_key)
    ways = [
        Deployment(name, computed, threads, streams)
        for name, computed in list_ways(opened, runtime, precision)
        for threads, streams in list_splits(count_cores())
    ]
    rows: list[dict[str, Any]] = []
    with counting_bar("tuning") as advance:
        for number, way in enumerate(ways, start=1):
            rows += measure_speed(SpeedTask(bundle, way, None, 1, seconds / len(ways) / ROWS_A_TASK))
            advance(number, len(ways))
    measured = [row for row in rows if row["scope"] == TUNED_SCOPE]
    latency = min((row for row in measured if row["streams"] == 1), key=lambda row: row["p50_ms"])
    throughput = max(measured, key=lambda row: row["per_second"])
    path = write_tuned(opened, deployment_of(latency), deployment_of(throughput), measured)
    print_choice(measured, latency, throughput)
    say(f"kept in {path}")


def list_splits(cores: int) -> list[tuple[int, int]]:
    """Threads and streams worth trying.

    Examples:
        >>> list_splits(1), list_splits(2), list_splits(8)
        ([(1, 1)], [(1, 1), (2, 1), (2, 2)], [(1, 1), (4, 1), (8, 1), (4, 4), (8, 4), (8, 8)])
    """
    single = [(threads, 1) for threads in (1, cores // 2, cores) if threads]
    many = [(cores // 2, cores // 2), (cores, cores // 2), (cores, cores)]
    return list(dict.fromkeys(single + [split for split in many if split[1] > 1]))


def deployment_of(row: dict[str, Any]) -> Deployment:
    """The settings that a row was measured with."""
    return Deployment(row["runtime"], row["precision"], row["threads"], row["streams"])


def print_choice(rows: Sequence[dict[str, Any]], latency: dict[str, Any], throughput: dict[str, Any]) -> None:
    """A table of what was tried; the two that were chosen are marked."""
    table = Table(box=SIMPLE_HEAD, title="from a picture in memory to its detections")
    for heading in ("runtime", "precision", "threads", "streams", "p50 ms", "a second", "best for"):
        is_text = heading in ("runtime", "precision", "best for")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for row in rows:
        chosen = [name for name, best in (("one", latency), ("many", throughput)) if row is best]
        cells = [str(row[key]) for key in ("runtime", "precision", "threads", "streams")]
        # Between the results of a stream lies no time that a picture takes.
        p50 = f"{row['p50_ms']:.2f}" if row["streams"] == 1 else ""
        table.add_row(*cells, p50, f"{row['per_second']:,.0f}", " and ".join(chosen))
    Console().print(table)
