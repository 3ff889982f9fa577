"""COCO: one JSON file a split; boxes are x, y, width, height."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdgasnet.data.layout import build_index, is_file, is_text, orphan_pictures, read_text, relative_name
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.errors import DataError

PREFIX = "instances_"


def is_coco(root: Path) -> bool:
    """Whether the path is a JSON file, or a folder with ``annotations/*.json``."""
    return bool(_annotation_files(root))


def read_coco(root: Path) -> DatasetIndex:
    """Read a COCO data set.

    Layout: ``annotations/<split>.json`` or ``instances_<split>.json``, pictures in ``images/``,
    ``images/<split>/``, ``<split>/`` or beside them. A single JSON file is one split of its name. A picture
    one of whose annotations can't be taken is left out.

    Args:
        root: Folder of the data set, or one JSON file.

    Returns:
        The index; category ids are mapped to 0..K-1 in the order of the ids.

    Raises:
        DataError: A file is no COCO JSON, or the files disagree about the categories.
    """
    files = _annotation_files(root)
    if not files:
        raise DataError(f"{root} is no COCO data set: expected annotations/<split>.json.")
    folder = _dataset_folder(root) if root.is_file() else root
    documents = {path.stem.removeprefix(PREFIX): _Document(path, folder) for path in files}
    first = next(iter(documents.values()))
    for document in documents.values():
        if document.categories != first.categories:
            raise DataError(
                f"{document.path} lists other categories than {first.path}: {document.categories} instead of "
                f"{first.categories}. All splits need the same."
            )
    findings: list[Finding] = []
    left_out: list[Path] = []
    splits = {split: document.records(split, findings, left_out) for split, document in documents.items()}
    if root.is_dir():
        folders = [folder / "images", *(folder / split for split in splits)]
        findings += orphan_pictures(folders, folder, splits, left_out)
    return build_index(folder, "coco", tuple(first.categories.values()), splits, findings)


class _Document:
    """One COCO file.

    Args:
        path: The JSON file.
        folder: Folder of the data set.

    Raises:
        DataError: It is no JSON, or not of COCO's structure.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.content = _load(path)
        self.categories = _categories(self.content, path)
        self.images = _images(self.content, path)

    def records(self, split: str, findings: list[Finding], left_out: list[Path]) -> Sequence[ImageRecord]:
        """The pictures in the order of the file; appends what can't be taken to the two lists."""
        objects, broken = self._objects(findings)
        records = []
        for identity, entry in self.images.items():
            picture = _find_picture(self.folder, split, entry["file_name"])
            if picture is None:
                message = (
                    f"No file for '{entry['file_name']}' in images/, images/{split}/, {split}/ or the folder."
                )
                findings.append(Finding("error", "missing-picture", self._where, message))
            elif identity in broken:
                left_out.append(picture)
            else:
                name = relative_name(picture, self.folder)
                records.append(ImageRecord(picture, name, tuple(objects[identity]), _size(entry), self.path))
        return records

    @property
    def _where(self) -> str:
        return relative_name(self.path, self.folder)

    def _objects(self, findings: list[Finding]) -> tuple[dict[Any, list[ObjectRecord]], set[Any]]:
        labels = {identity: label for label, identity in enumerate(self.categories)}
        objects: dict[Any, list[ObjectRecord]] = defaultdict(list)
        broken: set[Any] = set()
        for number, annotation in enumerate(self.content["annotations"]):
            identity = annotation.get("image_id") if isinstance(annotation, dict) else None
            if isinstance(identity, list | dict) or identity not in self.images:
                message = f"Annotation number {number} belongs to picture id {identity!r}, which is not listed."
                findings.append(Finding("warning", "orphan-annotation", self._where, message))
                continue
            picture = self.images[identity]["file_name"]
            try:
                objects[identity].append(_object(annotation, labels))
            except _UnknownCategoryError as error:
                findings.append(Finding("error", "unknown-class", picture, f"{error} The picture is left out."))
                broken.add(identity)
            except (KeyError, OverflowError, TypeError, ValueError):
                message = (
                    f"Annotation number {number} has category_id {annotation.get('category_id')!r} and bbox "
                    f"{annotation.get('bbox')!r}; expected an id and four finite numbers. The picture is left out."
                )
                findings.append(Finding("error", "broken-annotation", picture, message))
                broken.add(identity)
        return objects, broken


class _UnknownCategoryError(Exception):
    pass


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}.") from None
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        raise DataError(f"{path} is no COCO file: expected lists 'images', 'annotations' and 'categories'.")
    return content


def _categories(content: dict[str, Any], path: Path) -> dict[int, str]:
    try:
        pairs = sorted((int(entry["id"]), str(entry["name"])) for entry in content["categories"])
    except (KeyError, OverflowError, TypeError, ValueError):
        raise DataError(f"{path}: every category needs an 'id' and a 'name'.") from None
    if len({identity for identity, _ in pairs}) != len(pairs):
        raise DataError(f"{path}: two categories have the same id.")
    return dict(pairs)


def _images(content: dict[str, Any], path: Path) -> dict[Any, dict[str, Any]]:
    images: dict[Any, dict[str, Any]] = {}
    for entry in content["images"]:
        identity = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("file_name") if isinstance(entry, dict) else None
        if not isinstance(identity, int | str) or not isinstance(name, str) or not is_text(name):
            raise DataError(f"{path}: every picture needs an 'id' and a 'file_name'; found {entry!r}.")
        if identity in images:
            raise DataError(f"{path}: picture id {identity!r} stands twice.")
        images[identity] = entry
    return images


def _object(annotation: dict[str, Any], labels: dict[int, int]) -> ObjectRecord:
    category = annotation["category_id"]
    if category not in labels:
        raise _UnknownCategoryError(f"Category id {category!r} is not among {', '.join(map(str, labels))}.")
    x, y, width, height = (float(value) for value in annotation["bbox"])
    return ObjectRecord(labels[category], (x, y, x + width, y + height), crowd=bool(annotation.get("iscrowd")))


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _find_picture(folder: Path, split: str, file_name: str) -> Path | None:
    places = (folder / "images", folder / "images" / split, folder / split, folder)
    return next((place / file_name for place in places if is_file(place / file_name)), None)


def _dataset_folder(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _annotation_files(root: Path) -> list[Path]:
    """The file itself, or those in ``annotations/``; beside ``instances_*`` COCO keeps captions and key points."""
    if root.is_file():
        return [root] if root.suffix == ".json" else []
    files = sorted((root / "annotations").glob("*.json"))
    return [path for path in files if path.name.startswith(PREFIX)] or files


def write_coco(index: DatasetIndex, out: Path) -> None:
    """Write one JSON file a split of an index whose pictures already lie in ``out/images``.

    Args:
        index: What to write; every record's ``name`` is its path below ``out``, and its annotated size is set.
        out: Folder of the new data set.
    """
    (out / "annotations").mkdir()
    for split, records in index.splits.items():
        document = {
            "images": [_image_entry(number, record) for number, record in enumerate(records, start=1)],
            "annotations": _annotation_entries(records),
            "categories": [{"id": i, "name": name} for i, name in enumerate(index.class_names, start=1)],
        }
        (out / "annotations" / f"{split}.json").write_text(json.dumps(document), encoding="utf-8")


def _image_entry(number: int, record: ImageRecord) -> dict[str, Any]:
    name = record.name.removeprefix("images/")
    if record.annotated_size is None:
        return {"id": number, "file_name": name}
    height, width = record.annotated_size
    return {"id": number, "file_name": name, "width": width, "height": height}


def _annotation_entries(records: Sequence[ImageRecord]) -> list[dict[str, Any]]:
    things = [(number, thing) for number, record in enumerate(records, start=1) for thing in record.objects]
    entries = []
    for identity, (number, thing) in enumerate(things, start=1):
        x1, y1, x2, y2 = thing.box_xyxy
        entries.append(
            {
                "id": identity,
                "image_id": number,
                "category_id": thing.label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": int(thing.crowd),
            }
        )
    return entries
