"""Repair of a labelled data set: a corrected copy, and a log of every change."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sdgasnet.data.check_records import Box, box_identity, find_box_fault
from sdgasnet.data.check_set import find_origin
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.data.write import file_names, new_folder, require_new, write_dataset
from sdgasnet.errors import DataError, ImageError, OutputError
from sdgasnet.imaging.image import read_image
from sdgasnet.output import write_text

Action = Literal["box dropped", "box clipped", "left out", "rewritten", "listed"]
Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""
LOG_NAME = "fix.jsonl"

_READER_ACTIONS: dict[str, Action] = {
    "ambiguous-picture": "left out",
    "broken-annotation": "left out",
    "missing-picture": "left out",
    "missing-split": "left out",
    "orphan-annotation": "left out",
    "orphan-picture": "left out",
    "unknown-class": "left out",
    "missing-annotation": "rewritten",
    "missing-size": "rewritten",
    "picture-listed-twice": "rewritten",
    "polygon": "rewritten",
}
"""What the copy makes of things that a reader noticed; anything else is listed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a data set and its corrected copy, or one thing that only a person can mend.

    Attributes:
        file: Picture or annotation, as a path below the data set's folder.
        kind: Kind of the finding, as the data check names it.
        action: ``box dropped`` and ``box clipped`` concern one box, ``left out`` a file or a listed name;
            ``rewritten`` says the same in another way; ``listed`` changes nothing.
        what: Class of the box, or what was found.
        before: The box x1 y1 x2 y2 in pixels, or the file's name; None where neither applies.
        after: The same in the copy; None if it is not there.
    """

    file: str
    kind: str
    action: Action
    what: str
    before: Box | str | None = None
    after: Box | str | None = None


def fix_dataset(index: DatasetIndex, progress: Progress | None = None) -> tuple[DatasetIndex, tuple[Change, ...]]:
    """Correct what can be corrected without a person who looks at the pictures.

    Boxes without area and repeated boxes are dropped, boxes that stick out are clipped (and dropped when nothing
    remains). Pictures that can't be read, or whose annotation is for a picture of another size, are left out, as
    their boxes can't be placed. What the reader could not take is not in the index, and so not in the copy.

    Args:
        index: The data set; nothing in its folder is changed.
        progress: Called after every picture.

    Returns:
        The corrected data set, still of the source's pictures and with its ``content_hash``; and all changes:
        first what the reader noticed, then picture by picture.

    Raises:
        DataError: No picture remains.
    """
    changes = [_take_finding(finding) for finding in index.findings]
    if index.format == "voc" and any(record.objects for records in index.splits.values() for record in records):
        origin = find_origin(index)
        changes += [_take_finding(origin)] if origin.severity == "warning" else []
    total, done = sum(map(len, index.splits.values())), 0
    splits: dict[str, tuple[ImageRecord, ...]] = {}
    for split, records in index.splits.items():
        kept = []
        for record in records:
            fixed, changed = _fix_record(record, index.class_names)
            kept += [] if fixed is None else [fixed]
            changes += changed
            done += 1
            if progress is not None:
                progress(done, total)
        splits[split] = tuple(kept)
    if not any(splits.values()):
        raise DataError(
            f"Nothing of {index.root} would remain: each of its {total} pictures has to be left out "
            f"({changes[-1].file}: {changes[-1].what}). See: sdgasnet data check {index.root}"
        )
    fixed_index = replace(index, splits=splits, findings=())
    return fixed_index, (*changes, *_renamed(fixed_index))


def write_fixed(
    index: DatasetIndex, changes: Sequence[Change], out: Path, progress: Progress | None = None
) -> None:
    """Write a corrected data set in its own format, with the log ``fix.jsonl`` of one change a line.

    Args:
        index: As :func:`fix_dataset` gives it.
        changes: As :func:`fix_dataset` gives them.
        out: Folder that does not exist or is empty, outside the source.
        progress: Called after every picture.

    Raises:
        OutputError: ``out`` holds something, lies in the source's folder, or can't be written.
    """
    require_outside(out, index)
    with new_folder(out) as folder:
        write_dataset(index, folder, index.format, progress)
        lines = (json.dumps(dataclasses.asdict(change), ensure_ascii=False) + "\n" for change in changes)
        write_text(folder / LOG_NAME, "".join(lines))


def require_outside(out: Path, index: DatasetIndex) -> None:
    """Refuse a place for a copy that is taken, or part of the source.

    Raises:
        OutputError: ``out`` holds something, or lies in the source's folder.
    """
    if require_new(out).is_relative_to(index.root.resolve()):
        raise OutputError(f"{out} lies in {index.root}, which is not to be changed. Choose a folder outside.")


def _take_finding(finding: Finding) -> Change:
    return Change(finding.where, finding.kind, _READER_ACTIONS.get(finding.kind, "listed"), finding.message)


def _fix_record(record: ImageRecord, class_names: Sequence[str]) -> tuple[ImageRecord | None, list[Change]]:
    """The picture with correct boxes, None if it has to be left out; and what was changed."""
    try:
        height, width, _ = read_image(record.path, 1).shape
    except ImageError as error:
        return None, [Change(record.name, "unreadable-picture", "left out", str(error))]
    stated = record.annotated_size
    if stated not in (None, (height, width)):
        what = f"The annotation says {stated}, the picture is {(height, width)} (height, width)."
        return None, [Change(record.name, "size-mismatch", "left out", what)]
    changes: list[Change] = []
    objects: dict[tuple[int, Box], ObjectRecord] = {}
    for thing in record.objects:
        fixed, fault = _fix_box(thing, (height, width))
        if fixed is not None and box_identity(fixed) in objects:
            fixed, fault = None, fault or "duplicate-box"
        if fixed is not None:
            objects[box_identity(fixed)] = fixed
        if fault is not None:
            action: Action = "box dropped" if fixed is None else "box clipped"
            after = None if fixed is None else fixed.box_xyxy
            name = class_names[thing.label]
            changes.append(Change(record.name, fault, action, name, thing.box_xyxy, after))
    return replace(record, objects=tuple(objects.values())), changes


def _fix_box(thing: ObjectRecord, size: tuple[int, int]) -> tuple[ObjectRecord | None, str | None]:
    """The object with a correct box, None if nothing remains of it; and what was wrong."""
    fault = find_box_fault(thing.box_xyxy, size)
    if fault is None:
        return thing, None
    if fault == "empty-box":
        return None, fault
    x1, y1, x2, y2 = thing.box_xyxy
    height, width = size
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    remains = find_box_fault(clipped, size) is None
    return (replace(thing, box_xyxy=clipped) if remains else None), fault


def _renamed(index: DatasetIndex) -> Iterator[Change]:
    names = file_names(index, index.format)
    for records in index.splits.values():
        for record in records:
            if names[record.path] != record.path.name:
                what = "Another picture is of the same name."
                yield Change(record.name, "same-name", "rewritten", what, record.path.name, names[record.path])
