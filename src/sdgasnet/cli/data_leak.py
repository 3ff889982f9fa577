"""``sdgasnet data leak``: what near-duplicates in training are worth on the evaluation pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.data import DEFAULT_FORMAT, DataPath, FormatOption
from sdgasnet.cli.opening import align_classes, open_detector
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.tables import percent
from sdgasnet.config.schema import DataConfig
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.near_duplicates import find_near_duplicates
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.split import group_names
from sdgasnet.evaluation.bootstrap import Figure
from sdgasnet.evaluation.leak import Leak, measure_leak
from sdgasnet.evaluation.measure import measure
from sdgasnet.runtime.deployment import ANY_THREADS


def leak(
    path: DataPath,
    model: Annotated[Path, typer.Option("--model", help="Run, model file or bundle trained on it.")],
    train_split: Annotated[
        str, typer.Option("--train-split", help="What the model was trained on; not:NAME: all splits but that.")
    ] = DataConfig().train_split,
    split: Annotated[str, typer.Option("--split", help="Evaluation pictures.")] = DataConfig().val_split,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Regular expression on the file name: pictures with an equal first capture group (or match), "
            "such as a board, count as known, instead of near-duplicates.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Measure how much better a model is on pictures that it knows.

    Compares average precision on evaluation pictures with and without a near-duplicate in training.
    """
    detector = open_detector(model, "throughput", "auto", "auto", ANY_THREADS, None)
    index = align_classes(load_dataset(path, format), detector.spec.class_names, detector.spec.name)
    trained, measured = require_split(index, train_split), require_split(index, split)
    known = _known_groups(trained, measured, group) if group is not None else _known_pictures(trained, measured)
    say(f"{int(known.sum())} of {len(measured)} pictures of '{split}' are known from '{train_split}'")
    with counting_bar("measuring") as advance:
        detections = measure(detector, measured, index.class_names, advance).detections
    found = measure_leak(detections, [record.objects for record in measured], known, len(index.class_names))
    if as_json:
        document = {"model": str(model), "data": str(path), "split": split, "group": group, **found.to_json()}
        print(json.dumps(document, indent=2))
    else:
        _print_table(found, index.class_names)


def _known_pictures(trained: tuple[ImageRecord, ...], measured: tuple[ImageRecord, ...]) -> NDArray[np.bool_]:
    with counting_bar("comparing pictures") as advance:
        pairs = find_near_duplicates([record.path for record in (*trained, *measured)], advance)
    known = np.zeros(len(measured), np.bool_)
    for pair in pairs:
        if pair.first < len(trained) <= pair.second:
            known[pair.second - len(trained)] = True
    return known


def _known_groups(
    trained: tuple[ImageRecord, ...], measured: tuple[ImageRecord, ...], group: str
) -> NDArray[np.bool_]:
    seen = set(group_names(trained, group))
    return np.array([name in seen for name in group_names(measured, group)], np.bool_)


def _print_table(found: Leak, class_names: tuple[str, ...]) -> None:
    table = Table("")
    for heading in ("pictures", "objects", "AP50 (95 %)", "AP (95 %)"):
        table.add_column(heading, justify="right")
    for name, part in (("known", found.known), ("new", found.new)):
        table.add_row(name, str(part.pictures), str(part.objects), _cell(part.AP50), _cell(part.AP))
    table.add_section()
    table.add_row("difference", "", "", _cell(found.AP50_gain), _cell(found.AP_gain))
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"Figures in percent, over {len(found.classes)} of {len(class_names)} classes that both parts hold.\n"
        "Part of a difference may be that the pictures differ; training on a split without the leak tells."
    )


def _cell(figure: Figure) -> str:
    interval = figure.interval
    bounds = "" if interval is None else f" ({percent(interval.low)} to {percent(interval.high)})"
    return percent(figure.value) + bounds
