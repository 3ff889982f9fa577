"""YOLO: one text file a picture with relative centre and size, and a data.yaml."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sdgasnet.data.fingerprint import hash_dataset
from sdgasnet.data.layout import list_pictures, refuse_empty, relative_name
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.errors import DataError, ImageError
from sdgasnet.imaging.image import IMAGE_SUFFIXES, read_image

DATA_FILES = ("data.yaml", "data.yml", "dataset.yaml")
SPLITS = ("train", "val", "valid", "test")


def is_yolo(root: Path) -> bool:
    """Whether the path is a data.yaml, or a folder that holds one."""
    return _data_file(root) is not None


def read_yolo(root: Path) -> DatasetIndex:
    """Read a YOLO data set as Ultralytics writes it.

    ``data.yaml`` names classes (list or mapping) and, for ``train``, ``val`` and ``test``, a folder, a text
    file of picture paths, or a list of those. The label of ``.../images/a/b.jpg`` is ``.../labels/a/b.txt``;
    an empty or missing one is background. Polygons become their bounding box.

    Args:
        root: Folder of the data set, or its data.yaml.

    Returns:
        The index.

    Raises:
        DataError: data.yaml is missing or malformed, or a folder that it names does not exist.
    """
    path = _data_file(root)
    if path is None:
        raise DataError(f"{root} is no YOLO data set: expected {DATA_FILES[0]}.")
    document = _load(path)
    folder = path.parent
    class_names = _class_names(document, path)
    base = folder / str(document.get("path") or ".")
    if not base.is_dir():
        base = folder
    findings: list[Finding] = []
    splits = {}
    for split in SPLITS:
        if document.get(split):
            pictures = list(_pictures(document[split], base, path, split))
            name = "val" if split == "valid" else split
            splits[name] = tuple(_record(picture, folder, class_names, findings) for picture in pictures)
    if not splits:
        raise DataError(f"{path} names no split; expected keys like 'train: images/train' and 'val: images/val'.")
    findings += _orphans(folder, splits)
    return refuse_empty(
        DatasetIndex(folder, "yolo", class_names, splits, hash_dataset(class_names, splits), tuple(findings))
    )


def _data_file(root: Path) -> Path | None:
    if root.suffix in {".yaml", ".yml"}:
        return root if root.is_file() else None
    return next((root / name for name in DATA_FILES if (root / name).is_file()), None)


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read as YAML: {error}.") from None
    if not isinstance(document, dict):
        raise DataError(f"{path} holds no keys; expected 'train', 'val' and 'names'.")
    return document


def _class_names(document: dict[str, Any], path: Path) -> tuple[str, ...]:
    names = document.get("names")
    if isinstance(names, list):
        return tuple(str(name) for name in names)
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        return tuple(str(names[index]) for index in range(len(names)))
    raise DataError(f"{path}: 'names' is {names!r}; expected a list, or a mapping with the keys 0, 1, 2, ...")


def _pictures(entry: Any, base: Path, path: Path, split: str) -> Iterator[Path]:
    if isinstance(entry, list):
        for part in entry:
            yield from _pictures(part, base, path, split)
        return
    place = base / str(entry)
    if not place.exists() and str(entry).startswith("../"):
        place = base / str(entry).removeprefix("../")
    if place.is_dir():
        yield from list_pictures(place)
    elif place.is_file() and place.suffix == ".txt":
        for line in place.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield (place.parent if line.startswith(".") else base) / line.strip()
    elif place.is_file() and place.suffix.lower() in IMAGE_SUFFIXES:
        yield place
    else:
        raise DataError(f"{path}: '{split}: {entry}' is neither a folder nor a list of pictures ({place}).")


def _record(picture: Path, folder: Path, class_names: tuple[str, ...], findings: list[Finding]) -> ImageRecord:
    label_file = label_path(picture)
    name = relative_name(picture, folder)
    if not label_file.is_file():
        findings.append(Finding("note", "missing-annotation", name, "No label file; taken as background."))
        return ImageRecord(picture, name, ())
    lines = _read_lines(label_file, folder, findings)
    if not lines:
        return ImageRecord(picture, name, (), annotation=label_file)
    try:
        size = image_size(picture)
    except ImageError:
        return ImageRecord(picture, name, (), annotation=label_file)
    objects = []
    for number, line in lines:
        where = f"{relative_name(label_file, folder)}:{number}"
        try:
            thing, is_polygon = _object(line, size)
        except ValueError as error:
            findings.append(Finding("error", "broken-annotation", where, f"The line is left out: {error}."))
            continue
        if not 0 <= thing.label < len(class_names):
            message = f"Class {thing.label} is not in 0..{len(class_names) - 1}; the object is left out."
            findings.append(Finding("error", "unknown-class", where, message))
            continue
        if is_polygon:
            findings.append(Finding("note", "polygon", where, "The polygon is taken as its bounding box."))
        objects.append(thing)
    return ImageRecord(picture, name, tuple(objects), annotation=label_file)


def label_path(picture: Path) -> Path:
    """``labels/.../x.txt`` for ``images/.../x.jpg``: the last folder ``images`` of the path is exchanged."""
    parts = list(picture.parts)
    positions = [index for index, part in enumerate(parts[:-1]) if part == "images"]
    if positions:
        parts[positions[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def image_size(picture: Path) -> tuple[int, int]:
    """(height, width) of a picture as :func:`read_image` gives it."""
    height, width, _ = read_image(picture, 1).shape
    return height, width


def _read_lines(path: Path, folder: Path, findings: list[Finding]) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"Not a readable label file: {error}. The picture is taken as background."
        findings.append(Finding("error", "broken-annotation", relative_name(path, folder), message))
        return []
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _object(line: str, size: tuple[int, int]) -> tuple[ObjectRecord, bool]:
    parts = line.split()
    values = [float(part) for part in parts[1:]]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"'{line}' holds a number that is not finite")
    label = float(parts[0])
    if label != int(label):
        raise ValueError(f"class '{parts[0]}' is no whole number")
    height, width = size
    if len(values) == 4:
        x, y, w, h = values
        box = ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
        return ObjectRecord(int(label), box), False
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        box = (min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height)
        return ObjectRecord(int(label), box), True
    raise ValueError(
        f"'{line}' has {len(values)} numbers after the class; expected 4, or a polygon of 3 points or more"
    )


def _orphans(folder: Path, splits: dict[str, tuple[ImageRecord, ...]]) -> list[Finding]:
    expected = {label_path(record.path) for records in splits.values() for record in records}
    return [
        Finding("warning", "orphan-annotation", relative_name(path, folder), "The label file has no picture.")
        for path in sorted((folder / "labels").rglob("*.txt"))
        if path not in expected and path.name != "classes.txt"
    ]


def write_yolo(
    index: DatasetIndex, out: Path, pictures: dict[str, str], sizes: dict[str, tuple[int, int]]
) -> None:
    """Write label files and data.yaml of an index whose pictures already lie in ``out/images/<split>``.

    Args:
        index: What to write.
        out: Folder of the new data set.
        pictures: Record name -> path of its picture below ``out``.
        sizes: Record name -> (height, width).
    """
    document: dict[str, Any] = {"path": ".", **{split: f"images/{split}" for split in index.splits}}
    document["names"] = dict(enumerate(index.class_names))
    (out / DATA_FILES[0]).write_text(
        yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    for split, records in index.splits.items():
        (out / "labels" / split).mkdir(parents=True)
        for record in records:
            height, width = sizes[record.name]
            lines = []
            for thing in record.objects:
                x1, y1, x2, y2 = thing.box_xyxy
                values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
                lines.append(f"{thing.label} " + " ".join(f"{value:.8f}" for value in values) + "\n")
            target = label_path(out / pictures[record.name])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines), encoding="utf-8")
