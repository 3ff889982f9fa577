"""AP of the detections of several runs, merged: how much better is an ensemble than its networks?

    python experiments/0006-neu-det-full-budget/merge.py DATA RUNS

RUNS is the folder of the experiment's runs. Boxes of one class that overlap the best one by more than IoU 0.6 are
averaged by score; the score is the sum over the networks divided by their number. Prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.detections_file import read_detections
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou

SAME_BOX = 0.6
LEAST_SCORE = 0.005
GROUPS = {
    "n-procedural": ("n-procedural",),
    "lite0-imagenet": ("lite0-imagenet",),
    "both": ("n-procedural", "lite0-imagenet"),
    "n-settled": ("n-settled",),
    "both, settled": ("n-settled", "lite0-settled"),
}


def main() -> None:
    data, runs = map(Path, sys.argv[1:3])
    index = load_dataset(data)
    records = require_split(index, "val")
    truth = [record.objects for record in records]
    rows = {}
    for name, variants in GROUPS.items():
        found = [
            read_detections(runs / f"{variant}-{seed}" / "detections.json").pictures
            for variant in variants
            for seed in range(3)
            if (runs / f"{variant}-{seed}" / "detections.json").is_file()
        ]
        merged = [merge([one[record.name] for one in found]) for record in records]
        measured = compute_average_precision(merged, truth, index.class_names)
        rows[name] = {"networks": len(found), "AP50": measured.AP50, "AP": measured.AP}
    print(json.dumps({"split": "val", "same_box": SAME_BOX, "groups": rows}, indent=1))


def merge(of_networks: list[Detections]) -> Detections:
    """Detections of one picture by several networks as those of one."""
    kept = [found.above(LEAST_SCORE) for found in of_networks]
    boxes, scores, labels = (
        np.concatenate([getattr(found, part) for found in kept]) for part in ("boxes_xyxy", "scores", "labels")
    )
    rows = []
    order = np.argsort(-scores, kind="stable")
    left = np.ones(len(order), bool)
    for best in order:
        if not left[best]:
            continue
        alike = left & (labels == labels[best]) & (pairwise_iou(boxes, boxes[best][None])[:, 0] > SAME_BOX)
        alike[best] = True
        left &= ~alike
        weight = scores[alike]
        # At most as many as there are networks, though one may say a thing twice.
        score = np.sort(weight)[::-1][: len(of_networks)].sum() / len(of_networks)
        rows.append((weight @ boxes[alike] / weight.sum(), score, labels[best]))
    rows.sort(key=lambda row: -row[1])
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
        of_networks[0].source_size,
    )


if __name__ == "__main__":
    main()
