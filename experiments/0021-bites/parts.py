"""Do labels follow whether copper is parted or joined? python parts.py PAIRS

Of each labelled defect of split val, with its template beside it: whether copper near it holds together parts that
are apart in the template (joined), or ground does so (parted). Dark is copper. Prints JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.imaging.template import TEMPLATE, read_input

AROUND, LEAST_COMMON = 4, 12
"""Pixels around the box, and that two parts have in common."""


def main() -> None:
    index = load_dataset(Path(sys.argv[1]))
    counts = {name: Counter[str]() for name in index.class_names}
    for record in require_split(index, "val"):
        pair = read_input(record.path, 3, paired=True)
        for thing in record.objects:
            left, top, right, bottom = (int(side) for side in thing.box_xyxy)
            near = pair[max(0, top - AROUND) : bottom + AROUND, max(0, left - AROUND) : right + AROUND]
            picture, template = near[:, :, 0] < 128, near[:, :, TEMPLATE] < 128
            seen = [
                word
                for word, now, before in (("joined", picture, template), ("parted", ~picture, ~template))
                if most_held(open_up(now), before) > most_held(before.astype(np.uint8), before)
            ]
            counts[index.class_names[thing.label]][" and ".join(seen) or "neither"] += 1
    print(json.dumps(counts, indent=1))


def open_up(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The mask without hairs."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(opened, np.uint8)


def most_held(mask: NDArray[np.uint8], before: NDArray[np.bool_]) -> int:
    """Of the parts that ``before`` has when it is made thinner, the most that one part of the mask holds."""
    _, thinner = cv2.connectedComponents(cv2.erode(before.astype(np.uint8), np.ones((3, 3))), connectivity=4)
    count, parts = cv2.connectedComponents(mask, connectivity=4)
    common = np.zeros((count, int(thinner.max()) + 1), np.int64)
    np.add.at(common, (parts, thinner), 1)
    return int((common[1:, 1:] > LEAST_COMMON).sum(axis=1).max(initial=0))


if __name__ == "__main__":
    main()
