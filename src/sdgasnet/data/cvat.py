"""CVAT: the XML that it calls "CVAT for images 1.1".

Source:
    https://docs.cvat.ai/docs/other/xml_format: version 1.1, images. Coordinates are continuous pixels as here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from sdgasnet.data.annotation_tools import ToolBox, ToolPicture
from sdgasnet.data.layout import read_text
from sdgasnet.data.safe_xml import parse_xml
from sdgasnet.errors import DataError

VERSION = "1.1"
SCORE, REMARK = "score", "remark"
ATTRIBUTES = (SCORE, REMARK)
DECIMALS = 3


def to_cvat(pictures: Sequence[ToolPicture], class_names: Sequence[str]) -> str:
    """Annotations for *Upload annotations* of a task that holds these pictures.

    Scores and remarks are attributes of the boxes; the task's labels need to have them, see :func:`cvat_labels`.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = VERSION
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "size").text = str(len(pictures))
    ElementTree.SubElement(task, "mode").text = "annotation"
    labels = ElementTree.SubElement(task, "labels")
    for name in class_names:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "type").text = "rectangle"
        attributes = ElementTree.SubElement(label, "attributes")
        for attribute in ATTRIBUTES:
            entry = ElementTree.SubElement(attributes, "attribute")
            for key, value in (("name", attribute), ("mutable", "True"), ("input_type", "text")):
                ElementTree.SubElement(entry, key).text = value
            ElementTree.SubElement(entry, "default_value")
            ElementTree.SubElement(entry, "values")
    for number, picture in enumerate(pictures):
        height, width = picture.require_size()
        image = ElementTree.SubElement(
            root, "image", {"id": str(number), "name": picture.name, "width": str(width), "height": str(height)}
        )
        for box in picture.boxes:
            _add_box(image, box)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def cvat_labels(class_names: Sequence[str]) -> str:
    """JSON for the *Raw* page of CVAT's label constructor, so that boxes keep their scores and remarks."""
    attributes = [
        {"name": name, "mutable": True, "input_type": "text", "default_value": "", "values": [""]}
        for name in ATTRIBUTES
    ]
    labels = [{"name": name, "type": "rectangle", "attributes": attributes} for name in class_names]
    return json.dumps(labels, indent=1, ensure_ascii=False) + "\n"


def read_cvat(path: Path) -> tuple[list[ToolPicture], list[str]]:
    """Read what CVAT exports as "CVAT for images 1.1".

    Returns:
        Pictures, and class names in the order of the task's labels.

    Raises:
        DataError: It is no such XML, or holds something else than upright boxes.
    """
    try:
        root = parse_xml(read_text(path))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{path} is no XML: {error}. Export the task as 'CVAT for images 1.1'.") from None
    if root.tag != "annotations":
        raise DataError(f"{path} is no export of CVAT: its outermost element is <{root.tag}>, not <annotations>.")
    names = [name for entry in root.iterfind("meta//labels/label/name") if (name := entry.text)]
    pictures = []
    for image in root.iterfind("image"):
        boxes = tuple(_read_box(shape, image.get("name", "?"), path) for shape in image if shape.tag != "tag")
        size = (int(_number(image, "height", path)), int(_number(image, "width", path)))
        pictures.append(ToolPicture(image.get("name", ""), size, boxes))
    if not pictures:
        raise DataError(f"{path} holds no <image>. Export the task as 'CVAT for images 1.1'.")
    unknown = dict.fromkeys(box.class_name for picture in pictures for box in picture.boxes)
    return pictures, list(dict.fromkeys([*names, *unknown]))


def _add_box(image: ElementTree.Element, box: ToolBox) -> None:
    sides = zip(("xtl", "ytl", "xbr", "ybr"), box.box_xyxy, strict=True)
    element = ElementTree.SubElement(
        image,
        "box",
        {
            "label": box.class_name,
            "source": "manual" if box.score is None else "auto",
            "occluded": "0",
            **{name: f"{side:.{DECIMALS}f}" for name, side in sides},
            "z_order": "0",
        },
    )
    for name, value in ((SCORE, None if box.score is None else f"{box.score:.4f}"), (REMARK, box.remark)):
        if value is not None:
            ElementTree.SubElement(element, "attribute", {"name": name}).text = value


def _read_box(shape: ElementTree.Element, picture: str, path: Path) -> ToolBox:
    if shape.tag != "box":
        raise DataError(f"{path}: {picture} holds a <{shape.tag}>; only boxes are read. Draw a box instead.")
    if float(shape.get("rotation", "0")) != 0:
        raise DataError(f"{path}: {picture} holds a turned box; only upright ones are read. Turn it back.")
    x1, y1, x2, y2 = (_number(shape, name, path) for name in ("xtl", "ytl", "xbr", "ybr"))
    values = {entry.get("name"): entry.text or "" for entry in shape.iterfind("attribute")}
    try:
        score = float(values[SCORE]) if values.get(SCORE) else None
    except ValueError:
        score = None
    return ToolBox(shape.get("label", ""), (x1, y1, x2, y2), score, values.get(REMARK) or None)


def _number(element: ElementTree.Element, name: str, path: Path) -> float:
    try:
        return float(element.get(name, ""))
    except ValueError:
        found = element.get(name)
        raise DataError(f"{path}: <{element.tag}> has {name}={found!r}; expected a number.") from None
