"""Read a labelled data set, whatever format it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sdgasnet.data.coco import is_coco, read_coco
from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.data.voc import is_voc, read_voc
from sdgasnet.data.yolo import is_yolo, read_yolo
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import find_images

Format = Literal["voc", "coco", "yolo"]
InputFormat = Literal["auto", "voc", "coco", "yolo"]

READERS: dict[Format, Callable[[Path], DatasetIndex]] = {"voc": read_voc, "coco": read_coco, "yolo": read_yolo}
DETECTORS: dict[Format, Callable[[Path], bool]] = {"voc": is_voc, "coco": is_coco, "yolo": is_yolo}

OTHERS = "not:"
"""Before the name of a split: all others."""
FOLD = "fold"
"""Folds are splits of this name with a number from 1 on."""


def load_dataset(path: Path, format: InputFormat = "auto") -> DatasetIndex:
    """Read a data set.

    Args:
        path: Its folder; for COCO also a JSON file, for YOLO also a data.yaml.
        format: ``auto`` looks at what is in the folder.

    Returns:
        The index.

    Raises:
        DataError: The path is missing, of no known format, of two at once, can't be read, or nothing in it is
            usable.
    """
    if not path.exists():
        raise DataError(f"Data set {path} does not exist.")
    chosen = detect_format(path) if format == "auto" else format
    try:
        return READERS[chosen](path)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error} ({error.filename}).") from None


def detect_format(path: Path) -> Format:
    """The one format whose signs lie at ``path``.

    Raises:
        DataError: None or several fit.
    """
    fitting = [name for name, fits in DETECTORS.items() if fits(path)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(f"{path} looks like {' and '.join(fitting)} at once; say which with the format option.")
    raise DataError(
        f"No labelled data set at {path}: looked for data.yaml (YOLO), annotations/*.json (COCO) and "
        f"annotations/*.xml beside images/ (Pascal VOC); {_what_is_there(path)}."
    )


def _what_is_there(path: Path) -> str:
    if path.is_file():
        return "it is a file of another kind"
    if not any(path.iterdir()):
        return "the folder is empty"
    pictures = len(find_images(path))
    return f"the folder holds {pictures} pictures, but no labels" if pictures else "the folder holds none of them"


def require_split(index: DatasetIndex, split: str) -> tuple[ImageRecord, ...]:
    """The pictures of a split.

    Args:
        index: The data set.
        split: Its name; ``not:NAME`` are the pictures of all other splits.

    Raises:
        DataError: There is no such split, or it is empty; the message names those there are.
    """
    if split.startswith(OTHERS):
        require_split(index, split.removeprefix(OTHERS))
        records = tuple(
            r for name, members in index.splits.items() if name != split.removeprefix(OTHERS) for r in members
        )
    else:
        records = index.splits.get(split, ())
    if not records:
        found = ", ".join(f"{name} ({len(members)} pictures)" for name, members in index.splits.items())
        raise DataError(f"{index.root} has no pictures in split '{split}'; it has: {found}.")
    return records


def reorder_classes(index: DatasetIndex, class_names: tuple[str, ...]) -> DatasetIndex:
    """The same data set with its classes in another order.

    Args:
        index: The data set.
        class_names: The same names, in the order wanted.

    Returns:
        An index whose labels point into ``class_names``.
    """
    label_of = [class_names.index(name) for name in index.class_names]
    splits = {
        split: tuple(
            replace(record, objects=tuple(replace(thing, label=label_of[thing.label]) for thing in record.objects))
            for record in records
        )
        for split, records in index.splits.items()
    }
    return replace(index, class_names=class_names, splits=splits)
