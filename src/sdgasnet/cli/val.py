"""``sdgasnet val``: how good is a model on labelled pictures?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdgasnet.cli.opening import (
    PrecisionOption,
    PublicKeyOption,
    RuntimeOption,
    ThreadsOption,
    align_classes,
    open_detector,
)
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.tables import percent
from sdgasnet.cli.val_folds import measure_folds, print_folds
from sdgasnet.config.schema import DataConfig
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.errors import ConfigError
from sdgasnet.evaluation.figures import require_plotting
from sdgasnet.evaluation.measure import Measurement, measure
from sdgasnet.evaluation.operating_point import OperatingCurve
from sdgasnet.evaluation.plot_folder import write_plots
from sdgasnet.evaluation.report import build_report
from sdgasnet.imaging.template import shown_channels
from sdgasnet.output import write_text
from sdgasnet.runtime.deployment import ANY_THREADS
from sdgasnet.runtime.detector import Detector


def val(
    model: Annotated[Path, typer.Argument(help="Bundle, model file (.pt), run folder or packaged name.")],
    data: Annotated[Path, typer.Argument(help="Labelled data set.")],
    split: Annotated[str, typer.Option("--split", help="Which of its splits.")] = DataConfig().val_split,
    format: Annotated[
        Literal["auto", "voc", "coco", "yolo"], typer.Option("--format", help="Format of the data set.")
    ] = DataConfig().format,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a results page, one self-contained file.")
    ] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Write plots into this folder.")] = None,
    score_threshold: Annotated[
        float | None, typer.Option("--score-threshold", min=0.0, max=1.0, help="Instead of the model's own.")
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option("--iou-threshold", min=0.0, max=1.0, help="Of the suppression, instead of the model's own."),
    ] = None,
    averaging_iou: Annotated[
        float | None,
        typer.Option(
            "--averaging-iou",
            min=0.0,
            max=1.0,
            help="Boxes that overlap a kept one by more are averaged with it; 1: none.",
        ),
    ] = None,
    folds: Annotated[
        bool,
        typer.Option("--folds", help="MODEL-fold1, MODEL-fold2, ... each on the fold that it was not trained on."),
    ] = False,
) -> None:
    """Measure a model on a labelled data set: AP, precision and recall, confusion."""
    settings = {
        "score_threshold": score_threshold,
        "iou_threshold": iou_threshold,
        "averaging_iou": averaging_iou,
    }
    if folds:
        if html is not None or plots is not None:
            raise ConfigError("--folds measures several models; --html and --plots are of one. Leave them out.")
        measured = measure_folds(
            model,
            load_dataset(data, format),
            lambda run: override_settings(
                open_detector(run, "throughput", runtime, precision, threads, public_key), settings
            ),
        )
        print(json.dumps(measured, indent=2)) if as_json else print_folds(measured)
        return
    if html is not None or plots is not None:
        require_plotting()
    detector = override_settings(
        open_detector(model, "throughput", runtime, precision, threads, public_key), settings
    )
    spec = detector.spec
    index = align_classes(load_dataset(data, format), spec.class_names, spec.name)
    records = require_split(index, split)
    with counting_bar("measuring") as advance:
        measurement = measure(detector, records, index.class_names, advance)
    document = {**measurement.to_json(), "model": spec.name, "data": str(data), "split": split}
    run = model if model.is_dir() else model.parent
    if html is not None:
        write_text(html, build_report(measurement, document, spec, run))
        say(f"results page: {html}")
    if plots is not None:
        metrics_file = run / "metrics.csv"
        shown = shown_channels(spec.channels, spec.paired)
        write_plots(plots, measurement, shown, records, metrics_file if metrics_file.is_file() else None)
        say(f"plots: {plots}")
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        _print_tables(measurement, document)


def override_settings(detector: Detector, wanted: dict[str, float | None]) -> Detector:
    """The detector with other thresholds where one is given; says so."""
    given = {name: value for name, value in wanted.items() if value is not None}
    settings = detector.spec.detection
    for name, value in given.items():
        say(f"{name.replace('_', ' ')} {value:g} instead of the model's {getattr(settings, name):g}")
    return detector.with_settings(settings.model_copy(update=given)) if given else detector


def _print_tables(measurement: Measurement, document: dict[str, Any]) -> None:
    console = Console()
    threshold = measurement.score_threshold
    table = Table()
    for heading in ("class", "objects", "AP50", "AP", "precision", "recall"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, curve in measurement.class_curves.items():
        table.add_row(Text(name), *_cells(document["per_class"][name], curve, threshold))
    table.add_section()
    table.add_row("all", *_cells(document, measurement.curve, threshold))
    console.print(f"{document['images']} pictures of split '{document['split']}'", markup=False, highlight=False)
    console.print(table)
    console.print(
        f"Figures in percent; precision and recall at score {threshold:g} and IoU 0.5\n"
        f"AP75 {percent(document['AP75'])}; AP of small objects {percent(document['AP_small'])}, "
        f"medium {percent(document['AP_medium'])}, large {percent(document['AP_large'])}\n{_best(document)}",
        highlight=False,
    )


def _cells(figures: dict[str, Any], curve: OperatingCurve, threshold: float) -> list[str]:
    here = curve.at(threshold)
    shares = (figures["AP50"], figures["AP"], here["precision"], here["recall"])
    return [str(curve.objects), *(percent(share) for share in shares)]


def _best(document: dict[str, Any]) -> str:
    best = document["best_F1"]
    if best is None:
        return "best F1: none, no detection is right"
    return (
        f"best F1 {percent(best['F1'])} at score {best['threshold']:g}: "
        f"precision {percent(best['precision'])}, recall {percent(best['recall'])}"
    )
