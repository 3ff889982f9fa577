"""Count what is wrong with the detections of a run: python count.py RUN DATA

RUN/detections.json is laid over the labels of split val. Each detection counts once, best scores first: "right"
overlaps by half or more an object of its class that no better one has taken ("double"); "other_class" overlaps
one of another class so; "loose" overlaps one by more than a tenth; "on_no_object" is the rest.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.detections_file import read_detections
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou

SCORE, OVERLAP, TOUCH = 0.3, 0.5, 0.1


def main() -> None:
    run, data = map(Path, sys.argv[1:])
    records = require_split(load_dataset(data), "val")
    found = read_detections(run / "detections.json").pictures
    print(json.dumps(sum((count_picture(record, found[record.name]) for record in records), Counter())))


def count_picture(record: ImageRecord, found: Detections) -> Counter[str]:
    """What the detections of one picture are, and how many of its objects none has."""
    wanted = np.array([thing.box_xyxy for thing in record.objects], np.float64).reshape(-1, 4)
    labels = [thing.label for thing in record.objects]
    counts, taken = Counter(objects=len(labels)), set()
    for index in np.argsort(-found.scores):
        if found.scores[index] < SCORE:
            break
        overlaps = pairwise_iou(found.boxes_xyxy[index : index + 1].astype(np.float64), wanted)[0]
        nearest = int(overlaps.argmax()) if labels else -1
        overlap = overlaps[nearest] if labels else 0.0
        if overlap < OVERLAP:
            counts["loose" if overlap > TOUCH else "on_no_object"] += 1
        elif labels[nearest] != found.labels[index]:
            counts["other_class"] += 1
        else:
            counts["double" if nearest in taken else "right"] += 1
            taken.add(nearest)
    counts["missed"] = len(labels) - len(taken)
    return counts


if __name__ == "__main__":
    main()
