"""AP of a network of pairs whose good pictures lie some pixels off, or are missing: python shifted.py RUN PAIRED

Prints JSON. Blue, the good picture, is moved to the right and down by as many pixels as each row says; where it is
missing the picture itself stands for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

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
    for shift in SHIFTS:
        pictures = (displace(read_image(record.path, 3), shift) for record in records)
        found = tuple(detector.detect_all(pictures, BATCH, floor))
        measured = compute_average_precision(found, [record.objects for record in records], index.class_names)
        rows.append({"pixels_off": shift, "AP50": measured.AP50, "AP": measured.AP})
        print(rows[-1], file=sys.stderr)
    print(json.dumps({"split": "val", "rows": rows}, indent=1))


def displace(pair: Image, shift: float | None) -> Image:
    """The pair ``(H, W, 3)`` with its good picture moved, or without one."""
    picture, reference = pair[:, :, 0], pair[:, :, 2]
    if shift is None:
        moved = picture
    else:
        matrix = np.array([[1, 0, shift], [0, 1, shift]], np.float32)
        size = pair.shape[1], pair.shape[0]
        moved = cv2.warpAffine(reference, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.dstack([picture, picture, moved])


if __name__ == "__main__":
    main()
