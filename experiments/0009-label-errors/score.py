"""Precision and recall of the suspicions against planted errors.

    python experiments/0009-label-errors/score.py PLANTED RUN_A RUN_B [-o result.json]

PLANTED is what ``plant.py`` wrote, RUN_A and RUN_B trainings whose validation splits were ``a`` and ``b``. A
suspicion is right if it has the kind of a planted error and lies on it: the suspected box is the planted one, or,
for a missing box, the found box overlaps the removed one with an IoU of at least 0.5. What is wrong in the data
already counts as a false suspicion.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from sdgasnet.data.index import load_dataset
from sdgasnet.evaluation.detections_file import read_detections
from sdgasnet.evaluation.label_errors import WEIGHT, Suspicion, suspect_labels
from sdgasnet.evaluation.neighbours import Neighbours
from sdgasnet.imaging.geometry import pairwise_iou

FIRST = 50
FOUND_IOU = 0.5
SAME_BOX_IOU = 0.99


def main() -> None:
    """Read, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("planted", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    index = load_dataset(arguments.planted)
    detections = {
        name: found
        for run in arguments.runs
        for name, found in read_detections(run / "detections.json").pictures.items()
    }
    records = [record for members in index.splits.values() for record in members]
    suspicions = suspect_labels(records, detections, len(index.class_names), Neighbours.find(records))
    planted = json.loads((arguments.planted / "planted.json").read_text())
    result = {
        "data": arguments.planted.name,
        "pictures": len(records),
        "boxes": sum(len(record.objects) for record in records),
        "AP50": {run.name: json.loads((run / "result.json").read_text())["AP50"] for run in arguments.runs},
        "kinds": {kind: score(kind, suspicions, planted) for kind in WEIGHT if kind != "unlike"},
        "all": score(None, [one for one in suspicions if one.kind != "unlike"], planted),
    }
    text = json.dumps(result, indent=1) + "\n"
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text)


def score(kind: str | None, suspicions: list[Suspicion], planted: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Precision of the first 50 and recall of as many suspicions as errors were planted; None if none was."""
    wanted = [error for error in planted if kind in (None, error["kind"])]
    chosen = [entry for entry in suspicions if kind in (None, entry.kind)]
    if not wanted:
        return None
    by_place: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, error in enumerate(wanted):
        by_place[error["picture"], error["kind"]].append(number)
    hits = [hit(entry, wanted, by_place[entry.picture, entry.kind]) for entry in chosen]
    first, as_many = hits[:FIRST], hits[: len(wanted)]
    return {
        "planted": len(wanted),
        "suspicions": len(chosen),
        "precision_of_first_50": round(sum(number is not None for number in first) / max(1, len(first)), 3),
        "recall_at_planted": round(len(set(as_many) - {None}) / len(wanted), 3),
    }


def hit(entry: Suspicion, planted: list[dict[str, Any]], numbers: list[int]) -> int | None:
    """Which of the errors of its picture and kind a suspicion is about."""
    thing, state, least = (
        (entry.found, "before", FOUND_IOU) if entry.kind == "missing" else (entry.labelled, "after", SAME_BOX_IOU)
    )
    for number in numbers:
        box = np.array([planted[number][state]["box_xyxy"]])
        if thing is not None and pairwise_iou(np.array([thing[1]]), box).item() >= least:
            return number
    return None


if __name__ == "__main__":
    main()
