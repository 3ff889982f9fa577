"""COCO: one JSON file a split; boxes are x, y, width, height."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sdgasnet.data.fingerprint import hash_dataset
from sdgasnet.data.layout import list_pictures, refuse_empty, relative_name
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.errors import DataError

PREFIX = "instances_"


def is_coco(root: Path) -> bool:
    """Whether the path is a COCO file, or a folder with ``annotations/*.json``."""
    return root.suffix == ".json" or bool(_annotation_files(root))


def read_coco(root: Path) -> DatasetIndex:
    """Read a COCO data set.

    Layout: ``annotations/<split>.json`` or ``instances_<split>.json``, pictures in ``images/``,
    ``images/<split>/``, ``<split>/`` or beside them. A single JSON file is one split of its name.

    Args:
        root: Folder of the data set, or one JSON file.

    Returns:
        The index; category ids are mapped to 0..K-1 in the order of the ids.

    Raises:
        DataError: A file is no COCO JSON, or the files disagree about the categories.
    """
    files = [root] if root.suffix == ".json" else _annotation_files(root)
    folder = _dataset_folder(root) if root.suffix == ".json" else root
    if not files:
        raise DataError(f"{root} is no COCO data set: expected annotations/<split>.json.")
    findings: list[Finding] = []
    class_names, splits = _read_documents(files, folder, findings)
    known = {record.path for records in splits.values() for record in records}
    findings += [
        Finding("warning", "missing-annotation", relative_name(path, folder), "The picture is in no JSON file.")
        for path in (list_pictures(folder / "images") if root.suffix != ".json" else [])
        if path not in known
    ]
    return refuse_empty(
        DatasetIndex(folder, "coco", class_names, splits, hash_dataset(class_names, splits), tuple(findings))
    )


def _read_documents(
    files: list[Path], folder: Path, findings: list[Finding]
) -> tuple[tuple[str, ...], dict[str, tuple[ImageRecord, ...]]]:
    categories: dict[int, str] | None = None
    splits = {}
    for path in files:
        document = _load(path)
        found = _categories(document, path)
        if categories is not None and found != categories:
            raise DataError(f"{path} lists other categories than {files[0]}: {found} instead of {categories}.")
        categories = found
        split = path.stem.removeprefix(PREFIX)
        splits[split] = _records(document, path, folder, split, list(categories), findings)
    return tuple((categories or {}).values()), splits


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}.") from None
    if not isinstance(document, dict) or not all(
        isinstance(document.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise DataError(f"{path} is no COCO file: expected lists 'images', 'annotations' and 'categories'.")
    return document


def _categories(document: dict[str, Any], path: Path) -> dict[int, str]:
    try:
        pairs = sorted((int(entry["id"]), str(entry["name"])) for entry in document["categories"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path}: every category needs an 'id' and a 'name'.") from None
    if len({identity for identity, _ in pairs}) != len(pairs):
        raise DataError(f"{path}: two categories have the same id.")
    return dict(pairs)


def _records(
    document: dict[str, Any], path: Path, folder: Path, split: str, ids: list[int], findings: list[Finding]
) -> tuple[ImageRecord, ...]:
    where = relative_name(path, folder)
    labels = {identity: label for label, identity in enumerate(ids)}
    entries: dict[Any, dict[str, Any]] = {}
    for entry in document["images"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or "id" not in entry:
            raise DataError(f"{path}: every picture needs an 'id' and a 'file_name'; found {entry!r}.")
        if entry["id"] in entries:
            raise DataError(f"{path}: picture id {entry['id']!r} stands twice.")
        entries[entry["id"]] = entry
    objects: dict[Any, list[ObjectRecord]] = {identity: [] for identity in entries}
    for number, annotation in enumerate(document["annotations"]):
        try:
            thing = _object(annotation, labels)
            objects[annotation["image_id"]].append(thing)
        except (KeyError, TypeError, ValueError) as error:
            kind = "unknown-class" if isinstance(error, _UnknownCategoryError) else "broken-annotation"
            reason = f"no picture or key {error}" if type(error) is KeyError else str(error)
            message = f"Annotation number {number} is left out: {reason}."
            findings.append(Finding("error", kind, where, message))
    records = []
    for identity, entry in entries.items():
        picture = _find_picture(folder, split, entry["file_name"])
        if picture is None:
            message = f"No file for '{entry['file_name']}' in images/, images/{split}/, {split}/ or the folder."
            findings.append(Finding("error", "missing-picture", where, message))
            continue
        size = _size(entry)
        name = relative_name(picture, folder)
        records.append(ImageRecord(picture, name, tuple(objects[identity]), size, path))
    return tuple(records)


class _UnknownCategoryError(ValueError):
    pass


def _object(annotation: dict[str, Any], labels: dict[int, int]) -> ObjectRecord:
    category = annotation["category_id"]
    if category not in labels:
        raise _UnknownCategoryError(f"category id {category!r} is not among {sorted(labels)}")
    x, y, width, height = (float(value) for value in annotation["bbox"])
    if not all(math.isfinite(value) for value in (x, y, width, height)):
        raise ValueError(f"its box {annotation['bbox']} is not finite")
    return ObjectRecord(labels[category], (x, y, x + width, y + height), crowd=bool(annotation.get("iscrowd", 0)))


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    return (
        (int(height), int(width)) if isinstance(height, int | float) and isinstance(width, int | float) else None
    )


def _find_picture(folder: Path, split: str, file_name: str) -> Path | None:
    places = (folder / "images", folder / "images" / split, folder / split, folder)
    return next((place / file_name for place in places if (place / file_name).is_file()), None)


def _dataset_folder(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "annotations" else path.parent


def _annotation_files(root: Path) -> list[Path]:
    return sorted((root / "annotations").glob("*.json"))


def write_coco(
    index: DatasetIndex, out: Path, pictures: dict[str, str], sizes: dict[str, tuple[int, int]]
) -> None:
    """Write one JSON file a split of an index whose pictures already lie in ``out/images``.

    Args:
        index: What to write.
        out: Folder of the new data set.
        pictures: Record name -> path of its picture below ``out``.
        sizes: Record name -> (height, width).
    """
    (out / "annotations").mkdir()
    for split, records in index.splits.items():
        document: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": i, "name": name} for i, name in enumerate(index.class_names, start=1)],
        }
        for number, record in enumerate(records, start=1):
            height, width = sizes[record.name]
            name = Path(pictures[record.name]).relative_to("images").as_posix()
            document["images"].append({"id": number, "file_name": name, "width": width, "height": height})
            for thing in record.objects:
                x1, y1, x2, y2 = thing.box_xyxy
                document["annotations"].append(
                    {
                        "id": len(document["annotations"]) + 1,
                        "image_id": number,
                        "category_id": thing.label + 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1),
                        "iscrowd": int(thing.crowd),
                    }
                )
        (out / "annotations" / f"{split}.json").write_text(json.dumps(document), encoding="utf-8")
