"""``sdgasnet data suspect``: labels that a detector contradicts which never saw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.data import DEFAULT_FORMAT, DataPath, FormatOption
from sdgasnet.cli.progress import say
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import DataError
from sdgasnet.evaluation.detections_file import SplitDetections, read_detections
from sdgasnet.evaluation.label_errors import Suspicion, suspect_labels
from sdgasnet.imaging.detections import Detections
from sdgasnet.output import write_text

SHOWN = 20
DETECTIONS_NAME = "detections.json"


def suspect(
    path: DataPath,
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Finished trainings, each of which measured pictures that it had not seen, such as all folds.",
        ),
    ],
    out: Annotated[Path | None, typer.Option("--json", help="Write all suspicions as JSON.")] = None,
    shown: Annotated[int, typer.Option("--first", min=1, help="How many are printed.")] = SHOWN,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Suspect labels: missing boxes, wrong classes, bad extents, boxes around nothing.

    Labels are held against what trainings found in pictures that they had not seen. The strongest suspicions come
    first; look at them in that order, and stop where most are wrong.
    """
    index = load_dataset(path, format)
    records = {record.name: record for members in index.splits.values() for record in members}
    detections = _join(runs, index.class_names, records)
    suspicions = suspect_labels(records.values(), detections, len(index.class_names))
    left_out = len(records) - len(detections)
    if left_out:
        say(f"{left_out} of {len(records)} pictures were measured by none of the runs and are left out")
    if out is not None:
        document = {
            "class_names": list(index.class_names),
            "pictures": len(detections),
            "runs": [str(run) for run in runs],
            "suspicions": [entry.to_json(index.class_names) for entry in suspicions],
        }
        write_text(out, json.dumps(document, indent=1) + "\n")
    Console(highlight=False).print(_table(suspicions[:shown], index.class_names))
    say(f"{len(suspicions)} suspicions in {len(detections)} pictures, {min(shown, len(suspicions))} shown")


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
