"""Pascal VOC: one XML file a picture; coordinates are counted from 1 and inclusive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from sdgasnet.data.fingerprint import hash_dataset
from sdgasnet.data.layout import list_pictures, refuse_empty, relative_name
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.errors import DataError

IMAGE_FOLDERS = ("images", "JPEGImages")
ANNOTATION_FOLDERS = ("annotations", "Annotations")
SPLIT_FOLDERS = ("splits", "ImageSets/Main")
CLASS_FILE = "classes.txt"


def is_voc(root: Path) -> bool:
    """Whether a folder of XML annotations lies beside a folder of pictures."""
    annotations = _first(root, ANNOTATION_FOLDERS)
    return annotations is not None and any(annotations.glob("*.xml")) and _first(root, IMAGE_FOLDERS) is not None


def read_voc(root: Path) -> DatasetIndex:
    """Read a Pascal VOC folder.

    Layout: ``images/`` or ``JPEGImages/``, ``annotations/`` or ``Annotations/``, and name lists in
    ``splits/*.txt`` or ``ImageSets/Main/*.txt``; without lists all pictures are one split ``train``. Class
    names are those of ``classes.txt`` if there is one, else the sorted names of all objects.

    Args:
        root: Folder of the data set.

    Returns:
        The index. ``xmin`` of 1 becomes x1 = 0, ``xmax`` of 200 becomes x2 = 200.

    Raises:
        DataError: A folder is missing, or nothing is labelled.
    """
    pictures_folder = _first(root, IMAGE_FOLDERS)
    annotation_folder = _first(root, ANNOTATION_FOLDERS)
    if pictures_folder is None or annotation_folder is None:
        raise DataError(
            f"{root} is no Pascal VOC data set: expected {' or '.join(IMAGE_FOLDERS)} beside "
            f"{' or '.join(ANNOTATION_FOLDERS)}."
        )
    pictures = {path.stem: path for path in list_pictures(pictures_folder)}
    annotations = {path.stem: path for path in sorted(annotation_folder.glob("*.xml"))}
    findings = _orphans(root, pictures, annotations)
    parsed: dict[str, _Annotation] = {}
    for stem, path in annotations.items():
        if stem in pictures:
            annotation = _parse(path, root, findings)
            if annotation is not None:
                parsed[stem] = annotation
    class_names = _class_names(root, parsed)
    splits = {}
    for name, stems in _read_splits(root, sorted(pictures), findings).items():
        records = []
        for stem in stems:
            if stem in annotations and stem not in parsed:
                continue
            records.append(
                _record(stem, root, pictures[stem], annotations.get(stem), parsed, class_names, findings)
            )
        splits[name] = tuple(records)
    return refuse_empty(
        DatasetIndex(root, "voc", class_names, splits, hash_dataset(class_names, splits), tuple(findings))
    )


class _Annotation:
    """One XML file, its classes still by name."""

    def __init__(
        self, size: tuple[int, int] | None, objects: list[tuple[str, tuple[float, float, float, float], bool]]
    ) -> None:
        self.size = size
        self.objects = objects


def _parse(path: Path, root: Path, findings: list[Finding]) -> _Annotation | None:
    where = relative_name(path, root)
    try:
        data = path.read_bytes()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise ValueError("a document type definition, which annotations do not need")
        tree = ElementTree.fromstring(data)
        size = _size(tree)
        objects = [_object(element) for element in tree.iter("object")]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        message = f"Not a readable VOC annotation: {error}. The picture is left out."
        findings.append(Finding("error", "broken-annotation", where, message))
        return None
    return _Annotation(size, objects)


def _size(tree: ElementTree.Element) -> tuple[int, int] | None:
    height, width = tree.findtext("size/height"), tree.findtext("size/width")
    if not height or not width:
        return None
    return int(height), int(width)


def _object(element: ElementTree.Element) -> tuple[str, tuple[float, float, float, float], bool]:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("an object without a name")
    corners = []
    for side in ("xmin", "ymin", "xmax", "ymax"):
        text = element.findtext(f"bndbox/{side}")
        if text is None:
            raise ValueError(f"an object '{name}' without {side}")
        corners.append(float(text))
    x1, y1, x2, y2 = corners
    return name, (x1 - 1.0, y1 - 1.0, x2, y2), (element.findtext("difficult") or "0").strip() == "1"


def _class_names(root: Path, parsed: dict[str, _Annotation]) -> tuple[str, ...]:
    listed = root / CLASS_FILE
    if listed.is_file():
        return tuple(line.strip() for line in listed.read_text(encoding="utf-8").splitlines() if line.strip())
    return tuple(sorted({name for annotation in parsed.values() for name, _, _ in annotation.objects}))


def _read_splits(root: Path, stems: Sequence[str], findings: list[Finding]) -> dict[str, list[str]]:
    folder = _first(root, SPLIT_FOLDERS)
    lists = sorted(folder.glob("*.txt")) if folder is not None else []
    if not lists:
        return {"train": list(stems)}
    known, splits = set(stems), {}
    for path in lists:
        wanted = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        for stem in wanted:
            if stem not in known:
                findings.append(
                    Finding(
                        "error", "missing-picture", relative_name(path, root), f"'{stem}' has no picture file."
                    )
                )
        splits[path.stem] = [stem for stem in wanted if stem in known]
    for stem in sorted(known - {stem for members in splits.values() for stem in members}):
        findings.append(Finding("note", "picture-in-no-split", stem, "The picture is in no list of splits."))
    return splits


def _record(
    stem: str,
    root: Path,
    picture: Path,
    annotation: Path | None,
    parsed: dict[str, _Annotation],
    class_names: tuple[str, ...],
    findings: list[Finding],
) -> ImageRecord:
    if stem not in parsed:
        return ImageRecord(picture, relative_name(picture, root), ())
    labels = {name: index for index, name in enumerate(class_names)}
    objects = []
    for name, box, difficult in parsed[stem].objects:
        if name not in labels:
            message = f"Class '{name}' is not in {CLASS_FILE} ({', '.join(class_names)}); the object is left out."
            findings.append(Finding("error", "unknown-class", relative_name(picture, root), message))
            continue
        objects.append(ObjectRecord(labels[name], box, difficult))
    return ImageRecord(picture, relative_name(picture, root), tuple(objects), parsed[stem].size, annotation)


def _orphans(root: Path, pictures: dict[str, Path], annotations: dict[str, Path]) -> list[Finding]:
    findings = [
        Finding("warning", "orphan-annotation", relative_name(path, root), "The annotation has no picture.")
        for stem, path in annotations.items()
        if stem not in pictures
    ]
    findings += [
        Finding("warning", "missing-annotation", relative_name(path, root), "No annotation; taken as background.")
        for stem, path in pictures.items()
        if stem not in annotations
    ]
    return findings


def _first(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def write_voc(index: DatasetIndex, out: Path, pictures: dict[str, str], sizes: dict[str, tuple[int, int]]) -> None:
    """Write annotations and split lists of an index whose pictures already lie in ``out``.

    Args:
        index: What to write.
        out: Folder of the new data set.
        pictures: Record name -> path of its picture below ``out``.
        sizes: Record name -> (height, width).
    """
    (out / "annotations").mkdir()
    (out / "splits").mkdir()
    (out / CLASS_FILE).write_text("".join(f"{name}\n" for name in index.class_names), encoding="utf-8")
    for split, records in index.splits.items():
        stems = [Path(pictures[record.name]).stem for record in records]
        (out / "splits" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
        for record, stem in zip(records, stems, strict=True):
            tree = _tree(record, index.class_names, Path(pictures[record.name]).name, sizes[record.name])
            ElementTree.indent(tree, space="\t")
            (out / "annotations" / f"{stem}.xml").write_bytes(ElementTree.tostring(tree) + b"\n")


def _tree(
    record: ImageRecord, class_names: tuple[str, ...], file_name: str, size: tuple[int, int]
) -> ElementTree.Element:
    tree = ElementTree.Element("annotation")
    ElementTree.SubElement(tree, "filename").text = file_name
    stated = ElementTree.SubElement(tree, "size")
    ElementTree.SubElement(stated, "width").text = str(size[1])
    ElementTree.SubElement(stated, "height").text = str(size[0])
    for thing in record.objects:
        element = ElementTree.SubElement(tree, "object")
        ElementTree.SubElement(element, "name").text = class_names[thing.label]
        ElementTree.SubElement(element, "difficult").text = str(int(thing.difficult))
        box = ElementTree.SubElement(element, "bndbox")
        x1, y1, x2, y2 = thing.box_xyxy
        for side, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            ElementTree.SubElement(box, side).text = f"{value:.6g}"
    return tree
