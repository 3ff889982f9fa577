"""Plant label errors of known kinds in a data set, and cut it in two halves for out-of-fold predictions.

    python experiments/0009-label-errors/plant.py DATA OUT [--errors 100] [--seed 0] [--group REGEX]

Takes the training split of DATA. OUT becomes a data set with the splits ``a`` and ``b`` and the planted errors in
its labels; ``planted.json`` beside its pictures lists them. Each error has an object of its own. Kinds:

- ``missing``: the box is removed.
- ``class``: the box gets another class (not for a set of one class).
- ``extent``: the box is shifted and scaled until it overlaps the old one with an IoU of 0.3 to 0.6.
- ``extra``: a box of the size and class of another object is put where none is.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import DatasetIndex, ImageRecord, ObjectRecord
from sdgasnet.data.split import split_dataset
from sdgasnet.data.write import write_dataset
from sdgasnet.imaging.geometry import pairwise_iou
from sdgasnet.imaging.image import read_image

EXTENT_IOU = (0.3, 0.6)
EXTRA_IOU = 0.05


def main() -> None:
    """Read, plant, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--errors", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--group")
    arguments = parser.parse_args()
    index = load_dataset(arguments.data)
    index = replace(index, splits={"train": require_split(index, "train")}, findings=())
    index = split_dataset(index, {"a": 0.5, "b": 0.5}, arguments.group, arguments.seed)
    changed, planted = plant(index, arguments.errors, np.random.default_rng(arguments.seed))
    write_dataset(changed, arguments.out, "coco")
    (arguments.out / "planted.json").write_text(json.dumps(planted, indent=1) + "\n")
    print(f"{len(planted)} errors planted in {sum(map(len, changed.splits.values()))} pictures")


def plant(
    index: DatasetIndex, errors: int, rng: np.random.Generator
) -> tuple[DatasetIndex, list[dict[str, object]]]:
    """The data set with errors, and what they are; files are named as they will be when written."""
    records = {record.name: record for members in index.splits.values() for record in members}
    sizes = {name: read_image(record.path, 1).shape[:2] for name, record in records.items()}
    places = [(name, n) for name, record in records.items() for n in range(len(record.objects))]
    order = [places[n] for n in rng.permutation(len(places))]
    kinds = ["missing", "extent", "extra"] + (["class"] if len(index.class_names) > 1 else [])
    changes: dict[str, dict[int, ObjectRecord | None]] = defaultdict(dict)
    added: dict[str, list[ObjectRecord]] = defaultdict(list)
    planted: list[dict[str, object]] = []
    wanted = dict.fromkeys(kinds, errors)
    for name, n in order:
        kind = next((kind for kind in kinds if wanted[kind]), None)
        if kind is None:
            break
        old = records[name].objects[n]
        new = wrong(kind, old, records[name], sizes[name], len(index.class_names), added[name], rng)
        if new is None and kind != "missing":
            continue
        wanted[kind] -= 1
        if kind == "extra" and new is not None:
            added[name].append(new)
        else:
            changes[name][n] = new
        planted.append(
            {
                "kind": kind,
                "picture": f"images/{records[name].path.name}",
                "before": None if kind == "extra" else describe(old),
                "after": None if new is None else describe(new),
            }
        )
    splits = {
        split: tuple(replace(r, objects=relabelled(r, changes[r.name], added[r.name])) for r in members)
        for split, members in index.splits.items()
    }
    return replace(index, splits=splits), planted


def wrong(
    kind: str,
    old: ObjectRecord,
    record: ImageRecord,
    size: tuple[int, int],
    classes: int,
    added: list[ObjectRecord],
    rng: np.random.Generator,
) -> ObjectRecord | None:
    """The object with an error; None where it is left out or none could be made."""
    if kind == "missing":
        return None
    if kind == "class":
        return replace(old, label=int((old.label + rng.integers(1, classes)) % classes))
    height, width = size
    box, others = np.array(old.box_xyxy), np.array([thing.box_xyxy for thing in (*record.objects, *added)])
    sides = np.array([box[2] - box[0], box[3] - box[1]])
    for _ in range(200):
        if kind == "extra":
            corner = rng.uniform((0, 0), np.maximum((width, height) - sides, 1e-6))
            new = np.concatenate([corner, corner + sides])
            fits = pairwise_iou(new[None], others).max() < EXTRA_IOU
        else:
            centre = (box[:2] + box[2:]) / 2 + rng.uniform(-0.5, 0.5, 2) * sides
            half = sides * np.exp(rng.uniform(-0.7, 0.7, 2)) / 2
            new = np.concatenate([centre - half, centre + half]).clip(0, [width, height, width, height])
            fits = EXTENT_IOU[0] <= pairwise_iou(new[None], box[None]).item() <= EXTENT_IOU[1]
        if fits:
            return replace(old, box_xyxy=tuple(round(float(side), 2) for side in new))
    return None


def relabelled(
    record: ImageRecord, changes: dict[int, ObjectRecord | None], added: list[ObjectRecord]
) -> tuple[ObjectRecord, ...]:
    """Objects of a picture with what was changed and added."""
    kept = (changes.get(n, thing) for n, thing in enumerate(record.objects))
    return (*(thing for thing in kept if thing is not None), *added)


def describe(thing: ObjectRecord) -> dict[str, object]:
    """An object for JSON."""
    return {"label": thing.label, "box_xyxy": [round(side, 2) for side in thing.box_xyxy]}


if __name__ == "__main__":
    main()
