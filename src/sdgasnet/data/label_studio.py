"""Label Studio: tasks as JSON, with labels as annotations and detections as predictions.

Source:
    https://labelstud.io/guide/predictions and https://labelstud.io/tags/rectanglelabels: places and sizes are in
    percent of the picture.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sdgasnet.data.annotation_tools import ToolBox, ToolPicture
from sdgasnet.data.layout import read_text
from sdgasnet.errors import DataError

CONTROL, OBJECT = "label", "image"
"""Names of the tags in the labeling configuration of its template *Object Detection with Bounding Boxes*."""
RECTANGLE = "rectanglelabels"
DECIMALS = 8


def to_label_studio(pictures: Sequence[ToolPicture], address: str, version: str) -> str:
    """Tasks for *Import*: boxes with a score or remark as predictions, the others as annotations.

    Args:
        pictures: Pictures and boxes.
        address: What stands before the name of a picture, as ``/data/local-files/?d=steel/``.
        version: Name of the model, for the predictions.
    """
    tasks: list[dict[str, Any]] = []
    for picture in pictures:
        labelled = [box for box in picture.boxes if box.score is None and box.remark is None]
        found = [box for box in picture.boxes if box.score is not None or box.remark is not None]
        task: dict[str, Any] = {"data": {OBJECT: address + quote(picture.name)}}
        remarks = [box.remark for box in found if box.remark]
        if remarks:
            task["data"]["remarks"] = "; ".join(remarks)
        task["annotations"] = [{"result": _results(labelled, picture.require_size())}]
        if found:
            scores = [box.score for box in found if box.score is not None]
            task["predictions"] = [
                {
                    "model_version": version,
                    **({"score": round(max(scores), 4)} if scores else {}),
                    "result": _results(found, picture.require_size()),
                }
            ]
        tasks.append(task)
    return json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"


def read_label_studio(path: Path) -> tuple[list[ToolPicture], list[str]]:
    """Read what Label Studio exports as JSON.

    Returns:
        Pictures with the boxes of their last annotation that was not cancelled, and class names in alphabetical
        order. Predictions are left out, and so are tasks without an annotation.

    Raises:
        DataError: It is no such JSON, or holds something else than upright boxes.
    """
    try:
        tasks = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}. Export the project of Label Studio as JSON.") from None
    if not isinstance(tasks, list):
        raise DataError(
            f"{path} holds a {type(tasks).__name__}, not a list of tasks. Export as JSON, not JSON-MIN."
        )
    pictures = []
    for number, task in enumerate(tasks, start=1):
        try:
            picture = _read_task(task, path)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(f"{path}: task {number} is not as Label Studio exports it: {error!r}.") from None
        if picture is not None:
            pictures.append(picture)
    if not pictures:
        raise DataError(f"{path} holds no task with an annotation of boxes.")
    return pictures, sorted({box.class_name for picture in pictures for box in picture.boxes})


def _results(boxes: Sequence[ToolBox], size: tuple[int, int]) -> list[dict[str, Any]]:
    height, width = size
    results = []
    for number, box in enumerate(boxes):
        x1, y1, x2, y2 = box.box_xyxy
        value = {
            "x": round(100 * x1 / width, DECIMALS),
            "y": round(100 * y1 / height, DECIMALS),
            "width": round(100 * (x2 - x1) / width, DECIMALS),
            "height": round(100 * (y2 - y1) / height, DECIMALS),
            "rotation": 0,
            RECTANGLE: [box.class_name],
        }
        result: dict[str, Any] = {
            "id": f"box{number}",
            "type": RECTANGLE,
            "from_name": CONTROL,
            "to_name": OBJECT,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": value,
        }
        if box.score is not None:
            result["score"] = round(box.score, 4)
        if box.remark is not None:
            result["meta"] = {"text": [box.remark]}
        results.append(result)
    return results


def _read_task(task: dict[str, Any], path: Path) -> ToolPicture | None:
    annotations = [entry for entry in task.get("annotations", []) if not entry.get("was_cancelled")]
    if not annotations:
        return None
    name = str(task["data"][OBJECT])
    results = [entry for entry in annotations[-1]["result"] if entry["type"] != "choices"]
    boxes = []
    size: tuple[int, int] | None = None
    for entry in results:
        if entry["type"] != RECTANGLE or entry["value"].get("rotation", 0) != 0 or entry.get("image_rotation", 0):
            raise DataError(f"{path}: {name} holds a {entry['type']} that is no upright box; only these are read.")
        width, height = int(entry["original_width"]), int(entry["original_height"])
        size = (height, width)
        value = entry["value"]
        x1, y1 = value["x"] * width / 100, value["y"] * height / 100
        x2, y2 = x1 + value["width"] * width / 100, y1 + value["height"] * height / 100
        boxes.append(ToolBox(str(value[RECTANGLE][0]), (x1, y1, x2, y2)))
    return ToolPicture(name, size, tuple(boxes))
