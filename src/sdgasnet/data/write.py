"""Write a whole data set, pictures and labels, in any of the formats."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sdgasnet.data.coco import write_coco
from sdgasnet.data.index import Format
from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.data.voc import write_voc
from sdgasnet.data.yolo import write_yolo
from sdgasnet.errors import OutputError
from sdgasnet.imaging.image import read_image

WRITERS: dict[Format, Callable[[DatasetIndex, Path], None]] = {
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
}
HOLDS_DIFFICULT: frozenset[Format] = frozenset({"voc"})
HOLDS_CROWD: frozenset[Format] = frozenset({"coco"})


def write_dataset(
    index: DatasetIndex, out: Path, format: Format, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write a data set to a new folder; its pictures are copied byte for byte.

    Pictures of one folder whose names differ only in their suffix or in the folder they came from get a number
    behind their name, since labels are found by stem; VOC and COCO have one folder, YOLO one for each split.
    Nothing is at ``out`` before everything is there.

    Args:
        index: What to write.
        out: Folder that does not exist or is empty.
        format: Format of the labels.
        progress: Called with (pictures done, pictures in all).

    Raises:
        OutputError: ``out`` holds something, or can't be written.
        ImageError: A picture can't be read, so its size is not known.
    """
    with new_folder(out) as folder:
        names = file_names(index, format)
        total, done = sum(map(len, index.splits.values())), 0
        splits: dict[str, tuple[ImageRecord, ...]] = {}
        for split, records in index.splits.items():
            place = f"images/{split}" if format == "yolo" else "images"
            (folder / place).mkdir(parents=True, exist_ok=True)
            moved = []
            for record in records:
                moved.append(_copy(record, folder, f"{place}/{names[record.path]}"))
                done += 1
                if progress is not None:
                    progress(done, total)
            splits[split] = tuple(moved)
        WRITERS[format](replace(index, root=folder, format=format, splits=splits), folder)


def describe_loss(index: DatasetIndex, format: Format) -> list[str]:
    """What a data set holds and a format can't, one sentence each."""
    things = [thing for records in index.splits.values() for record in records for thing in record.objects]
    difficult, crowd = sum(thing.difficult for thing in things), sum(thing.crowd for thing in things)
    errors = sum(finding.severity == "error" for finding in index.findings)
    lost = []
    if difficult and format not in HOLDS_DIFFICULT:
        lost.append(
            f"{difficult} objects are marked difficult, which {format} can't say; they become plain objects."
        )
    if crowd and format not in HOLDS_CROWD:
        lost.append(f"{crowd} objects are marked as crowd, which {format} can't say; they become plain objects.")
    if errors:
        lost.append(
            f"{errors} errors were met in reading; what they concern is left out. See: sdgasnet data check"
        )
    return lost


def require_new(out: Path) -> Path:
    """The absolute path of a folder to be made.

    Raises:
        OutputError: ``out`` holds something.
    """
    target = out.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{out} exists and is not an empty folder. Choose another one, or remove it.")
    return target


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder under a temporary name that becomes ``out`` if nothing fails, and vanishes otherwise.

    Raises:
        OutputError: ``out`` holds something, or can't be written.
    """
    target = require_new(out)
    temporary = target.with_name(f".{target.name}.part-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{out} can't be written: {reason}. Free space, or choose another folder.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy(record: ImageRecord, folder: Path, name: str) -> ImageRecord:
    height, width, _ = read_image(record.path, 1).shape
    shutil.copyfile(record.path, folder / name)
    return replace(record, path=folder / name, name=name, annotated_size=(height, width), annotation=None)


def file_names(index: DatasetIndex, format: Format) -> dict[Path, str]:
    """The file name that each picture is written under.

    Args:
        index: The data set.
        format: Format it is written in.

    Returns:
        Name by picture file; unique by its stem, whatever the case of the letters, in each folder of the format.
    """
    folders: dict[Path, set[str]] = defaultdict(set)
    for split, records in index.splits.items():
        for record in records:
            folders[record.path].add(split if format == "yolo" else "")
    names: dict[Path, str] = {}
    taken: set[tuple[str, str]] = set()
    for path, places in folders.items():
        stem, number = path.stem, 2
        while any((place, stem.casefold()) in taken for place in places):
            stem, number = f"{path.stem}_{number}", number + 1
        taken.update((place, stem.casefold()) for place in places)
        names[path] = stem + path.suffix
    return names
