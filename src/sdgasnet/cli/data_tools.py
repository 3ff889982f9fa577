"""``sdgasnet data export`` and ``import``: to annotation tools and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sdgasnet.cli.data import DEFAULT_FORMAT, DataPath, FormatOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.data.annotation_tools import ToolBox, add_boxes, describe_labels, to_dataset
from sdgasnet.data.cvat import cvat_labels, read_cvat, to_cvat
from sdgasnet.data.index import Format, load_dataset, require_split
from sdgasnet.data.label_studio import read_label_studio, to_label_studio
from sdgasnet.data.write import write_dataset
from sdgasnet.errors import ConfigError, DataError
from sdgasnet.evaluation.detections_file import read_detections
from sdgasnet.output import write_text

Tool = Literal["cvat", "label-studio"]
LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its own computer; below it, the path under its document root."""


def export_boxes(
    path: DataPath,
    to: Annotated[Tool, typer.Option("--to", help="Which tool the file is for.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    split: Annotated[str | None, typer.Option("--split", help="One split; default: all pictures.")] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="Add these: detections.json of a training.")
    ] = None,
    threshold: Annotated[
        float, typer.Option("--score-threshold", min=0.0, max=1.0, help="Lowest score of a prediction.")
    ] = 0.3,
    suspicions: Annotated[
        Path | None, typer.Option("--suspicions", help="Add these: JSON of data suspect. Only their pictures.")
    ] = None,
    first: Annotated[int, typer.Option("--first", min=1, help="So many of the strongest suspicions.")] = 100,
    address: Annotated[
        str, typer.Option("--address", help="What stands before a picture's name in Label Studio.")
    ] = LOCAL_FILES,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Write labels, predictions or suspicions for CVAT or Label Studio, to be looked at and corrected there."""
    if predictions is not None and suspicions is not None:
        raise ConfigError("Give --predictions or --suspicions, not both: one question at a time.")
    index = load_dataset(path, format)
    records = (
        [record for members in index.splits.values() for record in members]
        if split is None
        else require_split(index, split)
    )
    pictures = describe_labels(records, index.class_names)
    if predictions is not None:
        pictures = add_boxes(pictures, _predictions(predictions, threshold))
    if suspicions is not None:
        pictures = add_boxes(pictures, _suspicions(suspicions, first))
    if to == "cvat":
        write_text(out, to_cvat(pictures, index.class_names))
        labels = out.with_suffix(".labels.json")
        write_text(labels, cvat_labels(index.class_names))
        say(f"labels for the new task, to paste into the page 'Raw': {labels}")
    else:
        write_text(out, to_label_studio(pictures, address, (predictions or suspicions or path).stem))
    say(f"{out}: {len(pictures)} pictures with {sum(len(picture.boxes) for picture in pictures)} boxes")


def import_boxes(
    file: Annotated[Path, typer.Argument(help="What the tool exported: 'CVAT for images 1.1' XML, or JSON.")],
    images: Annotated[Path, typer.Option("--images", help="Folder with the pictures.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder; it must not exist or be empty.")],
    to: Annotated[Format, typer.Option("--format", help="Format of the new data set.")] = "coco",
) -> None:
    """Make a data set of what was drawn in CVAT or Label Studio; pictures are copied."""
    if not images.is_dir():
        raise DataError(f"{images} is no folder. Name the folder with the pictures that were annotated.")
    pictures, class_names = read_cvat(file) if file.suffix.lower() == ".xml" else read_label_studio(file)
    index = to_dataset(pictures, class_names, images, file)
    with counting_bar("copying pictures") as advance:
        write_dataset(index, out, to, advance)
    boxes = sum(len(picture.boxes) for picture in pictures)
    say(f"{out}: {len(pictures)} pictures with {boxes} boxes of {len(class_names)} classes, one split 'train'")


def _predictions(path: Path, threshold: float) -> dict[str, list[ToolBox]]:
    measured = read_detections(path)
    boxes: dict[str, list[ToolBox]] = {}
    for name, found in measured.pictures.items():
        kept = found.above(threshold)
        if len(kept):
            boxes[name] = [
                ToolBox(measured.class_names[label], _box(box), round(float(score), 4))
                for box, score, label in zip(kept.boxes_xyxy, kept.scores, kept.labels, strict=True)
            ]
    return boxes


def _suspicions(path: Path, first: int) -> Mapping[str, Sequence[ToolBox]]:
    boxes: dict[str, list[ToolBox]] = {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["suspicions"][:first]
        for entry in entries:
            boxes.setdefault(entry["picture"], []).append(_suspicion(entry))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no suspicions: {error!r}. Write it with: sdgasnet data suspect") from None
    return boxes


def _suspicion(entry: dict[str, Any]) -> ToolBox:
    thing = entry["labelled"] or entry["found"]
    other = entry["found"]["class"] if entry["kind"] == "class" else ""
    remark = {
        "missing": "not labelled?",
        "class": f"rather {other}?",
        "extent": "box fits?",
        "extra": "anything there?",
        "unlike": "unlike near-duplicates",
    }[entry["kind"]]
    return ToolBox(thing["class"], _box(thing["box_xyxy"]), entry["strength"], remark)


def _box(values: Sequence[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(side), 2) for side in values)
    return x1, y1, x2, y2
