"""``sdgasnet data suspect``: labels that a detector contradicts which never saw them, or near-duplicates do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.data import DEFAULT_FORMAT, DataPath, FormatOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import ConfigError, DataError
from sdgasnet.evaluation.detections_file import SplitDetections, read_detections
from sdgasnet.evaluation.label_errors import Suspicion, suspect_labels
from sdgasnet.evaluation.neighbours import Neighbours
from sdgasnet.evaluation.suspicion_page import build_suspicion_page
from sdgasnet.imaging.detections import Detections
from sdgasnet.output import write_text

SHOWN, DRAWN = 20, 50
DETECTIONS_NAME = "detections.json"


def suspect(
    path: DataPath,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Finished trainings, each of which measured pictures that it had not seen, such as all folds. "
            "Without any, labels are held against those of near-duplicates alone.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write all suspicions as JSON.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with the pictures, one self-contained file.")
    ] = None,
    shown: Annotated[int, typer.Option("--first", min=1, help="How many are printed.")] = SHOWN,
    drawn: Annotated[int, typer.Option("--drawn", min=1, help="How many are on the page.")] = DRAWN,
    near_duplicates: Annotated[
        bool,
        typer.Option("--near-duplicates/--ignore-near-duplicates", help="Compare labels of near-duplicates, too."),
    ] = True,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Suspect labels: missing boxes, wrong classes, bad extents, boxes around nothing, copies labelled unlike.

    Labels are held against what trainings found in pictures that they had not seen, and against labels of the same
    piece of surface in other pictures. The strongest suspicions come first; look at them in that order, and stop
    where most are wrong.
    """
    runs = runs or []
    if not runs and not near_duplicates:
        raise ConfigError("Nothing to hold the labels against: name runs, or leave out --ignore-near-duplicates.")
    index = load_dataset(path, format)
    records = {record.name: record for members in index.splits.values() for record in members}
    detections = _join(runs, index.class_names, records)
    known = list(records.values())
    neighbours = None
    if near_duplicates:
        with counting_bar("comparing pictures") as advance:
            neighbours = Neighbours.find(known, advance)
    suspicions = suspect_labels(known, detections, len(index.class_names), neighbours)
    left_out = len(records) - len(detections)
    if left_out and runs:
        say(f"{left_out} of {len(records)} pictures were measured by none of the runs and are left out")
    if out is not None:
        document = {
            "class_names": list(index.class_names),
            "pictures": len(detections) if runs else len(records),
            "runs": [str(run) for run in runs],
            "suspicions": [entry.to_json(index.class_names) for entry in suspicions],
        }
        write_text(out, json.dumps(document, indent=1) + "\n")
    if html is not None:
        facts = {
            "Data": str(path),
            "Content": f"SHA-256 {index.content_hash}",
            "Held against": ", ".join(map(str, runs)) or "near-duplicates alone",
        }
        write_text(html, build_suspicion_page(suspicions, records, index.class_names, drawn, facts))
        say(f"page: {html}")
    Console(highlight=False).print(_table(suspicions[:shown], index.class_names))
    say(
        f"{len(suspicions)} suspicions in {len(detections) if runs else len(records)} pictures, "
        f"{min(shown, len(suspicions))} shown"
    )


def _join(
    runs: list[Path], class_names: tuple[str, ...], records: dict[str, ImageRecord]
) -> dict[str, Detections]:
    """Detections of all runs, each picture from one.

    Raises:
        DataError: A run is of other classes or pictures, or a picture was measured twice.
    """
    joined: dict[str, Detections] = {}
    for run in runs:
        measured: SplitDetections = read_detections(run / DETECTIONS_NAME)
        if measured.class_names != class_names:
            raise DataError(
                f"{run} knows the classes {', '.join(measured.class_names)}; the data set has "
                f"{', '.join(class_names)}. Name runs that were trained on it."
            )
        unknown = next((name for name in measured.pictures if name not in records), None)
        if unknown is not None:
            raise DataError(
                f"{run} measured {unknown}, which the data set does not hold. Name runs that were trained on it."
            )
        twice = next((name for name in measured.pictures if name in joined), None)
        if twice is not None:
            raise DataError(f"{run} measured {twice}, as another run did. Name one run for each picture.")
        joined |= measured.pictures
    return joined


def _table(suspicions: list[Suspicion], class_names: tuple[str, ...]) -> Table:
    table = Table("", "strength", "kind", "labelled", "found", "at")
    table.add_column("picture", overflow="fold")
    for number, entry in enumerate(suspicions, start=1):
        names = ["" if thing is None else class_names[thing[0]] for thing in (entry.labelled, entry.found)]
        _, box = entry.labelled or entry.found or (0, (0.0, 0.0, 0.0, 0.0))
        place = f"{box[0]:.0f}, {box[1]:.0f}"
        table.add_row(str(number), f"{entry.strength:.2f}", entry.kind, *names, place, entry.picture)
    return table
