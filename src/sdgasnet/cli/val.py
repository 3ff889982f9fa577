"""``sdgasnet val``: how good is a model on labelled pictures?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.opening import open_detector
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import DataConfig
from sdgasnet.data.index import load_dataset, reorder_classes, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import ModelError
from sdgasnet.evaluation.measure import Measurement, measure
from sdgasnet.evaluation.report import build_report
from sdgasnet.output import write_text


def val(
    model: Annotated[Path, typer.Argument(help="Model file (.pt) or run folder.")],
    data: Annotated[Path, typer.Argument(help="Labelled data set.")],
    split: Annotated[str, typer.Option("--split", help="Which of its splits.")] = DataConfig().val_split,
    format: Annotated[
        Literal["auto", "voc", "coco", "yolo"], typer.Option("--format", help="Format of the data set.")
    ] = DataConfig().format,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a results page, one self-contained file.")
    ] = None,
) -> None:
    """Measure a model on a labelled data set: AP, precision and recall, confusion."""
    detector = open_detector(model)
    index = load_dataset(data, format)
    index = align_classes(index, detector.spec.class_names, detector.spec.name)
    records = require_split(index, split)
    with counting_bar("measuring") as advance:
        measurement = measure(detector, records, index.class_names, advance)
    document = {**measurement.to_json(), "model": detector.spec.name, "data": str(data), "split": split}
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        _print_tables(measurement, document)
    if html is not None:
        curves = find_metrics(model)
        write_text(html, build_report(measurement, document, detector.spec, metrics_file=curves))
        say(f"results page: {html}")


def find_metrics(model: Path) -> Path | None:
    """``metrics.csv`` of the run that a model belongs to, if it lies in one."""
    beside = (model if model.is_dir() else model.parent) / "metrics.csv"
    return beside if beside.is_file() else None


def align_classes(index: DatasetIndex, class_names: tuple[str, ...], model: str) -> DatasetIndex:
    """The data set with its labels in the model's order of classes.

    Raises:
        ModelError: Model and data set have different classes.
    """
    if set(index.class_names) != set(class_names):
        raise ModelError(
            f"The classes differ. {model} knows {list(class_names)}; {index.root} has {list(index.class_names)}. "
            "Use the model that was trained on these classes."
        )
    return reorder_classes(index, class_names)


def _print_tables(measurement: Measurement, document: dict[str, Any]) -> None:
    console = Console()
    table = Table(title=f"{document['images']} pictures, {document['boxes']} objects, split '{document['split']}'")
    for heading in ("class", "AP50", "AP", "objects"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    labels = [thing.label for record in measurement.records for thing in record.objects if not thing.crowd]
    for number, name in enumerate(measurement.class_names):
        figures = document["per_class"][name]
        table.add_row(name, percent(figures["AP50"]), percent(figures["AP"]), str(labels.count(number)))
    table.add_section()
    table.add_row("all", percent(document["AP50"]), percent(document["AP"]), str(len(labels)))
    console.print(table)
    best, here = document["best_F1"], document["at_score_threshold"]
    console.print(
        f"AP75 {percent(document['AP75'])}; small {percent(document['AP_small'])}, medium "
        f"{percent(document['AP_medium'])}, large {percent(document['AP_large'])}"
    )
    for title, point in (("threshold of the model", here), ("best F1", best)):
        console.print(
            f"{title}: score {point['threshold']:.2f}, precision {percent(point['precision'])}, "
            f"recall {percent(point['recall'])}, F1 {percent(point['F1'])}"
        )


def percent(value: float | None) -> str:
    """A share as percent with one decimal; a dash where nothing is labelled.

    Examples:
        >>> percent(0.4567), percent(None)
        ('45.7', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"
