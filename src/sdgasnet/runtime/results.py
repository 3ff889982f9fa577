"""Detections as files: JSON, CSV, COCO results, YOLO text; and verdicts as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from sdgasnet.decision.parts import PartVerdict
from sdgasnet.imaging.detections import Detections


def to_objects(detections: Detections, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """One mapping a detection: class, label, score, box_xyxy in pixels of the picture.

    Examples:
        >>> import numpy as np
        >>> found = Detections(np.array([[1, 2, 3, 4.0]], np.float32), np.array([0.5], np.float32),
        ...                    np.array([0]), (10, 10))
        >>> to_objects(found, ["pit"])
        [{'class': 'pit', 'label': 0, 'score': 0.5, 'box_xyxy': [1.0, 2.0, 3.0, 4.0]}]
    """
    return [
        {
            "class": class_names[label],
            "label": int(label),
            "score": round(float(score), 5),
            "box_xyxy": [round(float(value), 2) for value in box],
        }
        for box, score, label in zip(detections.boxes_xyxy, detections.scores, detections.labels, strict=True)
    ]


def to_csv_rows(name: str, detections: Detections, class_names: Sequence[str]) -> str:
    """Lines ``file,class,score,x1,y1,x2,y2``, one a detection."""
    things = to_objects(detections, class_names)
    return _csv_lines([name, thing["class"], thing["score"], *thing["box_xyxy"]] for thing in things)


def to_part_row(verdict: PartVerdict) -> str:
    """A line ``part,verdict,pictures,reasons``.

    Examples:
        >>> to_part_row(PartVerdict("17", "NG", 2, ("17_a.png: pit 0.71 >= 0.42, 3.1 mm >= 2.0 mm",)))
        '17,NG,2,"17_a.png: pit 0.71 >= 0.42, 3.1 mm >= 2.0 mm"\\n'
    """
    return _csv_lines([[verdict.part, verdict.verdict, verdict.pictures, "; ".join(verdict.reasons)]])


def _csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


CSV_HEADER = "file,class,score,x1,y1,x2,y2\n"
PARTS_CSV_HEADER = "part,verdict,pictures,reasons\n"


def to_coco_results(image_id: int, name: str, detections: Detections) -> list[dict[str, Any]]:
    """COCO results of one picture; category ids count from 1; ``file_name`` is carried beside ``image_id``."""
    rows = []
    for box, score, label in zip(detections.boxes_xyxy, detections.scores, detections.labels, strict=True):
        x1, y1, x2, y2 = (float(value) for value in box)
        rows.append(
            {
                "image_id": image_id,
                "file_name": name,
                "category_id": int(label) + 1,
                "bbox": [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)],
                "score": round(float(score), 5),
            }
        )
    return rows


def to_yolo(detections: Detections) -> str:
    """Lines ``class x y w h score``, relative to the picture."""
    height, width = detections.source_size
    lines = []
    for box, score, label in zip(detections.boxes_xyxy, detections.scores, detections.labels, strict=True):
        x1, y1, x2, y2 = (float(value) for value in box)
        values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(f"{label} " + " ".join(f"{value:.6f}" for value in values) + f" {score:.5f}\n")
    return "".join(lines)
