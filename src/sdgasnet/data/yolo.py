"""YOLO: one text file a picture with relative centre and size, and a data.yaml."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sdgasnet.data.layout import build_index, orphan_pictures, read_text, relative_name
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.errors import DataError, ImageError
from sdgasnet.imaging.image import IMAGE_SUFFIXES, find_images, read_size

DATA_FILES = ("data.yaml", "data.yml", "dataset.yaml")
SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
"""Key in data.yaml -> name of the split; any other key that names a folder is a split of its own name,
unless the data set lies in that folder."""
_SPLIT_NAME = re.compile(r"\w[\w .-]{0,63}")
"""What can name a folder on every system, and no folder elsewhere."""
CLASS_FILE = "classes.txt"
_YAML_FAILURES = (yaml.YAMLError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What PyYAML raises: all kinds of errors where a tag or the look of a text promises a date or a number."""


def is_yolo(root: Path) -> bool:
    """Whether the path is a data.yaml, or a folder that holds one."""
    return _data_file(root) is not None


def read_yolo(root: Path) -> DatasetIndex:
    """Read a YOLO data set as Ultralytics writes it.

    ``data.yaml`` names classes (list or mapping) and, for ``train``, ``val`` and ``test``, a folder, a text
    file of picture paths, or a list of those. The label of ``.../images/a/b.jpg`` is ``.../labels/a/b.txt``;
    an empty or missing one is background. Polygons become their bounding box. A picture with a line that
    can't be taken is left out.

    Args:
        root: Folder of the data set, or its data.yaml.

    Returns:
        The index.

    Raises:
        DataError: data.yaml is missing or malformed, or train or val names a folder that does not exist.
    """
    path = _data_file(root)
    if path is None:
        raise DataError(f"{root} is no YOLO data set: expected {DATA_FILES[0]}.")
    document = _load(path)
    class_names = _class_names(document, path)
    folder, base = path.parent, _base(document, path)
    findings: list[Finding] = []
    left_out: list[Path] = []
    splits: dict[str, list[ImageRecord]] = {}
    for key, split in _split_keys(document, base).items():
        splits[split] = []
        for picture in _split_pictures(document[key], base, path, key, findings):
            record = _record(picture, folder, class_names, findings)
            if record is None:
                left_out.append(picture)
            else:
                splits[split].append(record)
    if not splits:
        raise DataError(f"{path} names no split; expected keys like 'train: images/train' and 'val: images/val'.")
    listed = [*left_out, *(record.path for records in splits.values() for record in records)]
    findings += _orphan_labels(folder, listed)
    findings += orphan_pictures([base / "images"], folder, splits, left_out)
    return build_index(folder, "yolo", class_names, splits, findings)


def label_path(picture: Path) -> Path:
    """Label file of a picture: the last folder ``images`` of its path exchanged for ``labels``.

    Examples:
        >>> label_path(Path("set/images/train/a.jpg")).as_posix()
        'set/labels/train/a.txt'
    """
    parts = list(picture.parts)
    positions = [index for index, part in enumerate(parts[:-1]) if part == "images"]
    if positions:
        parts[positions[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _data_file(root: Path) -> Path | None:
    if root.is_file():
        return root if root.suffix in {".yaml", ".yml"} else None
    return next((root / name for name in DATA_FILES if (root / name).is_file()), None)


class _WithoutAliases(yaml.SafeLoader):
    """Refuses aliases: data.yaml needs none, and aliases of aliases fill the memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "it holds an alias, which data.yaml does not need", mark)
        return super().compose_node(parent, index)


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(read_text(path), _WithoutAliases)
    except _YAML_FAILURES as error:
        raise DataError(f"{path} can't be read as YAML: {str(error) or type(error).__name__}.") from None
    if not isinstance(document, dict):
        raise DataError(f"{path} holds no keys; expected 'train', 'val' and 'names'.")
    return document


def _class_names(document: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    names = document.get("names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{path}: 'names' is {names!r}; expected a list, or a mapping with the keys 0, 1, 2, ...")
    if document.get("nc", len(names)) != len(names):
        raise DataError(f"{path}: 'nc' is {document['nc']!r}, but 'names' holds {len(names)} classes.")
    return tuple(str(name) for name in names)


def _base(document: Mapping[str, Any], path: Path) -> Path:
    """Folder that the splits start from; an own ``path`` that is not on this machine gives way to the file's."""
    base = path.parent / str(document.get("path") or ".")
    return base if base.is_dir() else path.parent


def _split_keys(document: Mapping[str, Any], base: Path) -> dict[str, str]:
    known = {key: split for key, split in SPLITS.items() if document.get(key)}
    others = {
        key: key
        for key, value in document.items()
        if isinstance(key, str)
        and _SPLIT_NAME.fullmatch(key)
        and key not in {*SPLITS, "path"}
        and isinstance(value, str)
        and value
        and (base / value).is_dir()
        and not base.resolve().is_relative_to((base / value).resolve())
    }
    return {**known, **others}


def _split_pictures(entry: Any, base: Path, path: Path, key: str, findings: list[Finding]) -> Iterator[Path]:
    if isinstance(entry, list):
        for part in entry:
            yield from _split_pictures(part, base, path, key, findings)
        return
    place = base / str(entry)
    if not place.exists():
        # Exports for cloud notebooks write ../train/images for what lies beside data.yaml.
        place = base / str(entry).removeprefix("../")
    if place.is_dir():
        if place.resolve() == Path(place.resolve().anchor):
            raise DataError(f"{path}: '{key}: {entry}' is the whole disk. Name the folder of the pictures.")
        yield from find_images(place)
    elif place.is_file() and place.suffix == ".txt":
        for line in filter(None, map(str.strip, read_text(place).splitlines())):
            yield (place.parent if line.startswith("./") else base) / line
    elif place.suffix.lower() in IMAGE_SUFFIXES and place.is_file():
        yield place
    elif key == "test":
        message = f"'{key}: {entry}' is neither a folder nor a list of pictures; the split is left out."
        findings.append(Finding("warning", "missing-split", path.name, message))
    else:
        raise DataError(
            f"{path}: '{key}: {entry}' is neither a folder nor a list of pictures (looked for {place}). "
            "Correct the entry, or 'path'."
        )


def _record(
    picture: Path, folder: Path, class_names: tuple[str, ...], findings: list[Finding]
) -> ImageRecord | None:
    labels, name = label_path(picture), relative_name(picture, folder)
    if not labels.is_file():
        findings.append(Finding("note", "missing-annotation", name, "No label file; taken as background."))
        return ImageRecord(picture, name, ())
    where = relative_name(labels, folder)
    try:
        lines = [(n, line.split()) for n, line in enumerate(read_text(labels).splitlines(), start=1)]
        lines = [(number, words) for number, words in lines if words]
        size = _picture_size(picture) if lines else None
        if size is None:
            return ImageRecord(picture, name, (), annotation=labels)
        objects = []
        for number, words in lines:
            where = f"{relative_name(labels, folder)}:{number}"
            objects.append(_object(words, size, class_names))
            if len(words) > 5:
                findings.append(Finding("note", "polygon", where, "The polygon is taken as its bounding box."))
    except _UnknownClassError as error:
        findings.append(Finding("error", "unknown-class", where, f"{error} The picture is left out."))
        return None
    except (DataError, ValueError) as error:
        message = f"{str(error).removesuffix('.')}. The picture is left out."
        findings.append(Finding("error", "broken-annotation", where, message))
        return None
    return ImageRecord(picture, name, tuple(objects), annotation=labels)


def _picture_size(picture: Path) -> tuple[int, int] | None:
    """(height, width); None for a broken picture, which the check reports."""
    try:
        return read_size(picture)
    except ImageError:
        return None


class _UnknownClassError(Exception):
    pass


def _object(words: Sequence[str], size: tuple[int, int], class_names: tuple[str, ...]) -> ObjectRecord:
    values = [float(word) for word in words]
    label, numbers = values[0], values[1:]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"'{' '.join(words)}' holds a number that is not finite")
    if label != int(label):
        raise ValueError(f"class '{words[0]}' is no whole number")
    if not 0 <= label < len(class_names):
        raise _UnknownClassError(f"Class {words[0]} is not in 0..{len(class_names) - 1} of data.yaml.")
    height, width = size
    if len(numbers) == 4:
        x, y, w, h = numbers
        x1, y1, x2, y2 = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[::2], numbers[1::2]
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
    else:
        raise ValueError(
            f"{len(numbers)} numbers after the class; expected 4 of a box, or 6 or more of a polygon's points"
        )
    return ObjectRecord(int(label), (x1 * width, y1 * height, x2 * width, y2 * height))


def _orphan_labels(folder: Path, pictures: Sequence[Path]) -> list[Finding]:
    expected = {label_path(picture) for picture in pictures}
    folders = {path.parent for path in expected if "labels" in path.parts}
    found = {path for place in folders for path in place.glob("*.txt") if path.name != CLASS_FILE}
    return [
        Finding("warning", "orphan-annotation", relative_name(path, folder), "The label file has no picture.")
        for path in sorted(found - expected)
    ]


def write_yolo(index: DatasetIndex, out: Path) -> None:
    """Write label files and data.yaml of an index whose pictures already lie in ``out/images/<split>``.

    Args:
        index: What to write; every record's ``name`` is its path below ``out``, and its annotated size is set.
        out: Folder of the new data set.
    """
    document = {"path": ".", **{split: f"images/{split}" for split in index.splits}}
    content = {**document, "names": dict(enumerate(index.class_names))}
    (out / DATA_FILES[0]).write_text(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    for split, records in index.splits.items():
        for folder in ("images", "labels"):
            (out / folder / split).mkdir(parents=True, exist_ok=True)
        for record in records:
            label_path(out / record.name).write_text("".join(_lines(record)), encoding="utf-8")


def _lines(record: ImageRecord) -> Iterator[str]:
    for thing in record.objects:
        if record.annotated_size is None:
            raise DataError(f"{record.name} has no known size, which relative boxes need.")
        height, width = record.annotated_size
        x1, y1, x2, y2 = thing.box_xyxy
        values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        yield f"{thing.label} " + " ".join(f"{value:.8f}" for value in values) + "\n"
