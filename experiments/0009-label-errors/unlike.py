"""Plant 100 errors in boxes that near-duplicates label alike, and look for pictures labelled unlike their own.

    python experiments/0009-label-errors/unlike.py NEU_DET [-o unlike.json]

Half of the planted boxes are removed, half get another class. A suspicion is right if a planted error lies at its
place, in its picture or in a near-duplicate that it names: which of them is wrong can't be seen. What is labelled
unlike before anything is planted is counted apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sdgasnet.data.index import load_dataset
from sdgasnet.data.near_duplicates import find_near_duplicates
from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.environment import describe_hardware
from sdgasnet.evaluation.label_errors import Suspicion, suspect_unlike
from sdgasnet.evaluation.neighbours import THERE_IOU, Neighbours
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.imaging.geometry import pairwise_iou

PLANTED = 100
FIRST = 50
SPLIT = "train"


def main() -> None:
    """Find, plant, find again, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("unlike.json"))
    arguments = parser.parse_args()
    index = load_dataset(arguments.data)
    records = list(index.splits[SPLIT])
    pairs = find_near_duplicates([record.path for record in records])
    before = Neighbours(records, pairs)
    known = suspect_unlike(before)
    # One error a picture, in boxes whose near-duplicates all agree.
    places = [
        (record, number)
        for record in before
        for number, (label, box) in enumerate(
            zip(before.truth(record).labels.tolist(), before.truth(record).boxes_xyxy, strict=True)
        )
        if (opinions := before.opinions(record, box)) and all(label in one.labels for one in opinions)
    ]
    rng = np.random.default_rng(0)
    chosen: dict[int, int] = {}
    for place in rng.permutation(len(places)).tolist():
        chosen.setdefault(*places[place])
        if len(chosen) == PLANTED:
            break
    planted = {
        record: (number, None if turn % 2 else int(rng.integers(1, len(index.class_names))))
        for turn, (record, number) in enumerate(sorted(chosen.items()))
    }
    spoiled = [spoil(record, planted.get(n), len(index.class_names)) for n, record in enumerate(records)]
    old = {(one.picture, str(one.labelled), str(one.found)) for one in known}
    found = sorted(
        (
            one
            for one in suspect_unlike(Neighbours(spoiled, pairs))
            if (one.picture, str(one.labelled), str(one.found)) not in old
        ),
        key=lambda one: (-one.strength, one.picture),
    )
    hits = [hit(one, records, planted, before) for one in found]
    named = {number for one in hits for number in one}
    result: dict[str, Any] = {
        "data": arguments.data.name,
        "pictures_with_near_duplicates": len(list(before)),
        "agreement": round(before.agreement(), 3),
        "unlike_before": len(known),
        "places_that_agree": len(places),
        "planted": len(planted),
        "suspicions": len(found),
        "precision_of_first_50": round(sum(map(bool, hits[:FIRST])) / FIRST, 3),
        "recall": round(len(named) / len(planted), 3),
        "hardware": describe_hardware(),
        "commit": describe_commit(),
    }
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def spoil(record: ImageRecord, error: tuple[int, int | None] | None, classes: int) -> ImageRecord:
    """The record with a box removed, or of another class."""
    if error is None:
        return record
    number, step = error
    things = list(record.objects)
    things[number : number + 1] = (
        [] if step is None else [replace(things[number], label=(things[number].label + step) % classes)]
    )
    return replace(record, objects=tuple(things))


def hit(
    one: Suspicion, records: Sequence[ImageRecord], planted: dict[int, tuple[int, int | None]], before: Neighbours
) -> list[int]:
    """Positions of the pictures whose planted error lies at the place of a suspicion."""
    thing = one.labelled or one.found
    assert thing is not None
    numbers = {record.name: n for n, record in enumerate(records)}
    own = numbers[one.picture]
    where = {own: np.array(thing[1]), **dict(before.places(own, np.array(thing[1])))}
    return [
        n
        for n, box in where.items()
        if n in planted
        and pairwise_iou(box[None], np.array([records[n].objects[planted[n][0]].box_xyxy])).item() >= THERE_IOU
    ]


if __name__ == "__main__":
    main()
