"""AP of a network of pairs whose good pictures lie some pixels off, or are missing: python shifted.py RUN PAIRED

Prints JSON. Blue, the good picture, is moved to the right and down by as many pixels as each row says; where it is
missing the picture itself stands for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from pair import shift

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.imaging.image import Image, read_image
from sdgasnet.models.session import load_detector

SHIFTS = (0.0, 1.0, 2.0, 3.0, 5.0, None)
BATCH = 16


def main() -> None:
    run, data = map(Path, sys.argv[1:])
    detector, index = load_detector(run), load_dataset(data)
    records = require_split(index, "val")
    floor = detector.spec.detection.score_floor
    rows = []
    for off in SHIFTS:
        pictures = (displace(read_image(record.path, 3), off) for record in records)
        found = tuple(detector.detect_all(pictures, BATCH, floor))
        measured = compute_average_precision(found, [record.objects for record in records], index.class_names)
        rows.append({"pixels_off": off, "AP50": measured.AP50, "AP": measured.AP})
        print(rows[-1], file=sys.stderr)
    print(json.dumps({"split": "val", "rows": rows}, indent=1))


def displace(pair: Image, off: float | None) -> Image:
    """The pair ``(H, W, 3)`` with its good picture moved, or without one."""
    picture, reference = pair[:, :, :1], pair[:, :, 2:]
    return np.dstack([picture, picture, picture if off is None else shift(reference, off, off)])


if __name__ == "__main__":
    main()
