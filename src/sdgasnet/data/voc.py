"""Pascal VOC: one XML file a picture; coordinates are counted from 1 and inclusive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sdgasnet.data.layout import build_index, read_text, relative_name
from sdgasnet.data.records import FARTHEST, DatasetIndex, Finding, ImageRecord, ObjectRecord
from sdgasnet.data.safe_xml import parse_xml
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import find_images

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
    names are those of ``classes.txt`` if there is one, else the sorted names of all objects. A picture
    without XML is background; one whose XML can't be taken whole is left out.

    Args:
        root: Folder of the data set.

    Returns:
        The index. ``xmin`` of 1 becomes x1 = 0, ``xmax`` of 200 becomes x2 = 200.

    Raises:
        DataError: A folder is missing, a list can't be read, or nothing is labelled.
    """
    pictures_folder, annotation_folder = _first(root, IMAGE_FOLDERS), _first(root, ANNOTATION_FOLDERS)
    if pictures_folder is None or annotation_folder is None:
        raise DataError(
            f"{root} is no Pascal VOC data set: expected {' or '.join(IMAGE_FOLDERS)} beside "
            f"{' or '.join(ANNOTATION_FOLDERS)}."
        )
    findings: list[Finding] = []
    pictures = _pictures(pictures_folder, root, findings)
    files = {path.stem: path for path in sorted(annotation_folder.glob("*.xml"))}
    annotations = {
        stem: _read_annotation(path, root, findings) for stem, path in files.items() if stem in pictures
    }
    findings += _unpaired(root, pictures, files)
    class_names = _class_names(root, [found for found in annotations.values() if found is not None])
    records = {}
    for stem, picture in pictures.items():
        name = relative_name(picture, root)
        if stem not in annotations:
            records[stem] = ImageRecord(picture, name, ())
        elif (found := annotations[stem]) is not None:
            objects = _objects(found, class_names, name, findings)
            if objects is not None:
                records[stem] = ImageRecord(picture, name, objects, found.size, files[stem], found.channels)
    splits = {
        split: [records[stem] for stem in stems if stem in records]
        for split, stems in _read_splits(root, pictures, findings).items()
    }
    return build_index(root, "voc", class_names, splits, findings)


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    box_xyxy: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True, slots=True)
class _Annotation:
    """One XML file, its classes still by name."""

    size: tuple[int, int] | None
    channels: int | None
    objects: tuple[_Object, ...]


def _pictures(folder: Path, root: Path, findings: list[Finding]) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    for path in find_images(folder):
        if path.stem in pictures:
            message = (
                f"It shares its annotation with {pictures[path.stem].name} and is left out; names must differ "
                "in more than folder and suffix."
            )
            findings.append(Finding("error", "ambiguous-picture", relative_name(path, root), message))
        else:
            pictures[path.stem] = path
    return pictures


def _read_annotation(path: Path, root: Path, findings: list[Finding]) -> _Annotation | None:
    where = relative_name(path, root)
    try:
        annotation = _parse(path.read_bytes())
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:
        # LookupError: an encoding of another name than any.
        message = f"No readable VOC annotation: {error}. The picture is left out."
        findings.append(Finding("error", "broken-annotation", where, message))
        return None
    if annotation.size is None:
        message = "It states no size of the picture, so boxes of another size go unnoticed."
        findings.append(Finding("warning", "missing-size", where, message))
    return annotation


def _parse(data: bytes) -> _Annotation:
    tree = parse_xml(data)
    if tree.tag != "annotation":
        raise ValueError(f"its root is <{tree.tag}>, expected <annotation>")
    height, width, depth = (_whole(tree, f"size/{side}") for side in ("height", "width", "depth"))
    size = (height, width) if height and width else None
    return _Annotation(size, depth or None, tuple(_parse_object(element) for element in tree.findall("object")))


def _whole(tree: ElementTree.Element, place: str) -> int | None:
    text = (tree.findtext(place) or "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{place} is '{text}', expected a whole number")
    return int(text)


def _parse_object(element: ElementTree.Element) -> _Object:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("it holds an object without a name")
    corners = []
    for side in ("xmin", "ymin", "xmax", "ymax"):
        text = element.findtext(f"bndbox/{side}")
        if text is None:
            raise ValueError(f"it holds an object '{name}' without {side}")
        value = float(text)
        if not abs(value) < FARTHEST:
            raise ValueError(f"{side} of an object '{name}' is {text.strip()}, expected pixels")
        corners.append(value)
    x1, y1, x2, y2 = corners
    difficult = (element.findtext("difficult") or "0").strip() == "1"
    return _Object(name, (x1 - 1.0, y1 - 1.0, x2, y2), difficult)


def _class_names(root: Path, annotations: Sequence[_Annotation]) -> tuple[str, ...]:
    listed = root / CLASS_FILE
    if listed.is_file():
        return tuple(line.strip() for line in read_text(listed).splitlines() if line.strip())
    return tuple(sorted({thing.name for annotation in annotations for thing in annotation.objects}))


def _objects(
    annotation: _Annotation, class_names: tuple[str, ...], where: str, findings: list[Finding]
) -> tuple[ObjectRecord, ...] | None:
    labels = {name: label for label, name in enumerate(class_names)}
    unknown = sorted({thing.name for thing in annotation.objects} - labels.keys())
    if unknown:
        message = (
            f"Class '{unknown[0]}' is not in {CLASS_FILE} ({', '.join(class_names)}). The picture is left out."
        )
        findings.append(Finding("error", "unknown-class", where, message))
        return None
    return tuple(
        ObjectRecord(labels[thing.name], thing.box_xyxy, difficult=thing.difficult) for thing in annotation.objects
    )


def _unpaired(root: Path, pictures: dict[str, Path], annotations: dict[str, Path]) -> list[Finding]:
    orphans = [
        Finding("warning", "orphan-annotation", relative_name(path, root), "The annotation has no picture.")
        for stem, path in annotations.items()
        if stem not in pictures
    ]
    missing = [
        Finding("warning", "missing-annotation", relative_name(path, root), "No annotation; taken as background.")
        for stem, path in pictures.items()
        if stem not in annotations
    ]
    return orphans + missing


def _read_splits(root: Path, pictures: dict[str, Path], findings: list[Finding]) -> dict[str, list[str]]:
    folder = _first(root, SPLIT_FOLDERS)
    lists = {path.stem: path for path in sorted(folder.glob("*.txt"))} if folder is not None else {}
    contents = {name: _names(path, pictures) for name, path in lists.items()}
    splits = {name: stems for name, stems in contents.items() if stems is not None}
    if {"train", "val"} <= splits.keys():
        splits.pop("trainval", None)
    if not splits:
        return {"train": list(pictures)}
    for name, stems in splits.items():
        where = relative_name(lists[name], root)
        findings += [
            Finding("error", "missing-picture", where, f"It names '{stem}', of which there is no picture.")
            for stem in stems
            if stem not in pictures
        ]
    listed = {stem for stems in splits.values() for stem in stems}
    message = "The picture is in no split; neither trained on nor measured."
    findings += [
        Finding("warning", "orphan-picture", relative_name(path, root), message)
        for stem, path in pictures.items()
        if stem not in listed
    ]
    return splits


def _names(path: Path, pictures: dict[str, Path]) -> list[str] | None:
    """Names in a split list; None if it is VOC's list of one class, ``name 1`` or ``name -1`` a line."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    words = [line.rsplit(maxsplit=1) for line in lines]
    if lines and all(len(word) == 2 and word[1] in {"-1", "0", "1"} for word in words):
        return None
    return [
        line if line in pictures else Path(line).stem if Path(line).stem in pictures else line for line in lines
    ]


def _first(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def write_voc(index: DatasetIndex, out: Path) -> None:
    """Write annotations, split lists and ``classes.txt`` of an index whose pictures already lie in ``out``.

    Args:
        index: What to write; every record's ``name`` is its path below ``out``, and its annotated size is set.
        out: Folder of the new data set.
    """
    (out / "annotations").mkdir()
    (out / "splits").mkdir()
    (out / CLASS_FILE).write_text("".join(f"{name}\n" for name in index.class_names), encoding="utf-8")
    for split, records in index.splits.items():
        stems = "".join(f"{Path(record.name).stem}\n" for record in records)
        (out / "splits" / f"{split}.txt").write_text(stems, encoding="utf-8")
        for record in records:
            tree = _tree(record, index.class_names)
            ElementTree.indent(tree, space="\t")
            target = out / "annotations" / f"{Path(record.name).stem}.xml"
            target.write_bytes(ElementTree.tostring(tree, encoding="utf-8") + b"\n")


def _tree(record: ImageRecord, class_names: tuple[str, ...]) -> ElementTree.Element:
    tree = ElementTree.Element("annotation")
    ElementTree.SubElement(tree, "filename").text = Path(record.name).name
    if record.annotated_size is not None:
        stated = ElementTree.SubElement(tree, "size")
        for side, length in zip(("height", "width"), record.annotated_size, strict=True):
            ElementTree.SubElement(stated, side).text = str(length)
    for thing in record.objects:
        element = ElementTree.SubElement(tree, "object")
        ElementTree.SubElement(element, "name").text = class_names[thing.label]
        ElementTree.SubElement(element, "difficult").text = str(int(thing.difficult))
        box = ElementTree.SubElement(element, "bndbox")
        x1, y1, x2, y2 = thing.box_xyxy
        for side, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            ElementTree.SubElement(box, side).text = f"{value:.6f}".rstrip("0").rstrip(".")
    return tree
