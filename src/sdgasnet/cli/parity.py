"""``sdgasnet parity``: is a bundle still as good as the model it was made from?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.benchmark import open_measurable
from sdgasnet.cli.opening import PublicKeyOption, align_classes
from sdgasnet.cli.progress import counting_bar
from sdgasnet.cli.tables import percent
from sdgasnet.config.schema import DataConfig, ParityConfig
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.errors import MissingExtraError, ModelError
from sdgasnet.evaluation.parity import (
    Sample,
    generate_samples,
    label_samples,
    run_gate,
    run_gate_without_model,
)
from sdgasnet.evaluation.parity_report import Comparison, ParityReport
from sdgasnet.output import write_text
from sdgasnet.runtime.session import Session

NAMED = 5
"""Pictures that are named on the screen; the JSON names all."""
LEGEND = """\
boxes (pixels), scores: largest difference of raw outputs
IoU, shift of scores: means over detections that belong together
alone: percent of the detections without a partner
differ: pictures where one says something and the other nothing
"""


def parity(
    bundle: Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")],
    data: Annotated[
        Path | None,
        typer.Argument(help="Labelled data set; default, not for int8: generated pictures, and no AP."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="Model file (.pt), run folder or packaged name, run in torch; "
            "default: the bundle's own float graph, which must meet its golden vectors.",
        ),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Which split of the data set.")] = DataConfig().val_split,
    format: Annotated[
        Literal["auto", "voc", "coco", "yolo"], typer.Option("--format", help="Format of the data set.")
    ] = DataConfig().format,
    public_key: PublicKeyOption = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
) -> None:
    """Compare a bundle with its model in every runtime and precision: raw outputs, detections, AP.

    Ends with 0 if the bundle's own precision and its float graph are within the tolerances, else with 1.
    """
    opened = open_measurable(bundle, public_key)
    if data is None and "int8" in opened.manifest.graphs:
        raise ModelError(
            f"{bundle} is in int8, which was calibrated to pictures of one kind and is judged on those alone. "
            f"Name a data set: sdgasnet parity {bundle} DATA"
        )
    if data is None:
        samples = generate_samples(opened)
    else:
        samples = read_samples(data, format, split, opened.manifest.class_names, str(bundle))
    session = None if reference is None else open_reference(reference)
    with counting_bar("comparing") as advance:
        report = (
            run_gate_without_model(opened, samples, ParityConfig(), advance)
            if session is None
            else run_gate(session, opened, samples, ParityConfig(), advance)
        )
    print_report(report)
    if as_json is not None:
        source = {"bundle": str(bundle), "data": None if data is None else str(data), "split": split}
        write_text(as_json, json.dumps({**source, **report.to_json()}, indent=1) + "\n")
    if not report.passed:
        raise typer.Exit(1)


def read_samples(
    data: Path,
    format: Literal["auto", "voc", "coco", "yolo"],
    split: str,
    class_names: tuple[str, ...],
    model: str,
) -> list[Sample]:
    """Labelled pictures of a split.

    Raises:
        DataError: There is no such data set or split.
        ModelError: The data set has other classes than the model.
    """
    return label_samples(require_split(align_classes(load_dataset(data, format), class_names, model), split))


def open_reference(path: Path) -> Session:
    """A trained model in torch, float32.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The model can't be opened.
    """
    try:
        from sdgasnet.models.session import load_detector
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("train", f"Running the reference {path}") from None
    return load_detector(path).session


def print_report(report: ParityReport) -> None:
    """A table of the figures, and a line of verdict for each runtime and precision."""
    labelled = report.AP is not None
    headings = ("boxes", "scores", "IoU", "shift", "alone", "differ", *(("AP50", "AP") if labelled else ()))
    # Without frames, to stay within 80 columns.
    table = Table(box=box.SIMPLE, padding=(0, 0, 0, 1))
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    if labelled:
        table.add_row("reference", *[""] * 6, percent(report.AP50), percent(report.AP), end_section=True)
    for one in report.comparisons:
        if one.figures is not None:
            table.add_row(one.name, *_cells(one, labelled))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{report.pictures} pictures; reference {report.reference}", markup=False)
    if report.comparisons:
        console.print(table, LEGEND)
    for line in _verdicts(report):
        console.print(line, markup=False)


def _cells(one: Comparison, labelled: bool) -> list[str]:
    assert one.figures is not None
    figures, found = one.figures, one.figures.detections
    cells = [
        f"{figures.boxes.largest:.1g}" if figures.boxes.largest < 1 else f"{figures.boxes.largest:.0f}",
        f"{figures.scores.largest:.1g}",
        "–" if found.mean_iou is None else f"{found.mean_iou:.3f}",
        "–" if found.mean_score_shift is None else f"{found.mean_score_shift:+.3f}",
        percent(found.unmatched_share),
        str(len(figures.differing)),
    ]
    return cells + ([percent(figures.AP50), percent(figures.AP)] if labelled else [])


def _verdicts(report: ParityReport) -> list[str]:
    lines = [] if report.AP is not None else ["no labels: AP was not compared"]
    if (golden := report.golden) is not None:
        verdict = "meets" if golden.passed else "MISSES"
        lines.append(
            f"float graph in onnxruntime: {verdict} the golden vectors "
            f"(boxes {golden.boxes.largest:.2g} px, scores {golden.scores.largest:.2g})"
        )
    for one in report.comparisons:
        reasons = f": {'; '.join(one.reasons)}" if one.reasons else ""
        lines.append(f"{one.name}: {one.verdict}{reasons}")
        differing = [picture.name for picture in one.figures.differing] if one.figures else []
        if differing:
            more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
            lines.append(f"  differ: {', '.join(differing[:NAMED])}{more}")
    measured = [one.figures for one in report.comparisons if one.figures]
    if measured and not any(figures.detections.any for figures in measured):
        lines.append("nothing was detected in any picture: only raw outputs say something")
    if report.refused:
        lines.append(f"not to be used: {', '.join(report.refused)}")
    lines.append(f"parity {'passed' if report.passed else 'FAILED'} in {report.precision}")
    return lines
