"""Several models, each on the fold of a data set that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from sdgasnet.cli.opening import align_classes
from sdgasnet.cli.progress import counting_bar
from sdgasnet.cli.tables import percent
from sdgasnet.data.index import FOLD
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import DataError, ModelError
from sdgasnet.evaluation.measure import measure
from sdgasnet.runtime.detector import Detector

FIGURES = ("AP50", "AP")


def fold_run(name: str, fold: str) -> str:
    """Name of the run of a fold.

    Examples:
        >>> fold_run("steel", "fold2")
        'steel-fold2'
    """
    return f"{name}-{fold}"


def measure_folds(model: Path, index: DatasetIndex, open_model: Callable[[Path], Detector]) -> dict[str, Any]:
    """Measure every fold with its model.

    Args:
        model: Path of the runs without the ends ``-fold1``, ``-fold2``, ...
        index: A data set with the splits ``fold1``, ``fold2``, ...
        open_model: Opens one.

    Returns:
        Figures in [0, 1] of every fold, their mean, and the standard deviation between folds.

    Raises:
        DataError: The data set has no folds.
        ModelError: A model is missing, or has other classes.
    """
    names = [split for split in index.splits if split.removeprefix(FOLD).isdecimal() and split != FOLD]
    if len(names) < 2:
        raise DataError(
            f"{index.root} has no folds; its splits are {', '.join(index.splits)}. "
            "Make some with: sdgasnet data split --folds 5"
        )
    runs = {name: model.with_name(fold_run(model.name, name)) for name in sorted(names, key=_number)}
    missing = [str(run) for run in runs.values() if not run.exists()]
    if missing:
        raise ModelError(
            f"{len(missing)} of {len(runs)} folds have no model; {missing[0]} is missing. "
            f"Train it with: sdgasnet train --fold {_number(next(n for n, r in runs.items() if not r.exists()))}"
        )
    rows = []
    for name, run in runs.items():
        detector = open_model(run)
        aligned = align_classes(index, detector.spec.class_names, detector.spec.name)
        with counting_bar(f"measuring {name}") as advance:
            measurement = measure(detector, aligned.splits[name], aligned.class_names, advance)
        rows.append({"fold": name, "model": str(run), **measurement.to_json()})
    values = {figure: [row[figure] for row in rows if row[figure] is not None] for figure in FIGURES}
    return {
        "data": str(index.root),
        "mean": {figure: fmean(of) if of else None for figure, of in values.items()},
        "spread": {figure: stdev(of) if len(of) > 1 else None for figure, of in values.items()},
        "folds": rows,
    }


def print_folds(document: dict[str, Any]) -> None:
    """A row for each fold, and their mean and spread."""
    table = Table()
    for heading in ("fold", "pictures", "objects", *FIGURES):
        table.add_column(heading, justify="left" if heading == "fold" else "right")
    for row in document["folds"]:
        table.add_row(
            row["fold"], str(row["images"]), str(row["boxes"]), *(percent(row[figure]) for figure in FIGURES)
        )
    table.add_section()
    table.add_row("mean", "", "", *(percent(document["mean"][figure]) for figure in FIGURES))
    table.add_row("spread", "", "", *(percent(document["spread"][figure]) for figure in FIGURES))
    Console(highlight=False).print(table)
    Console(highlight=False).print("Figures in percent; spread is the standard deviation between folds.")


def _number(fold: str) -> int:
    return int(fold.removeprefix(FOLD))
