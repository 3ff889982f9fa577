"""Seconds to index 20,000 generated pictures with 100,000 boxes, as COCO JSON, Pascal VOC and YOLO.

    .venv/bin/python benchmarks/index_speed.py

Indexing is what every command does first: read all annotations, find all pictures, hash all files. The pictures
are grey JPEGs with noise, all different. Each format is read in a process of its own; the files were written just
before, so they come from the system's cache and not from the disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from record import load_average, write_record

from sdgasnet.data.index import Format, load_dataset
from sdgasnet.data.records import DatasetIndex, ImageRecord, ObjectRecord
from sdgasnet.data.write import WRITERS

FORMATS: tuple[Format, ...] = ("coco", "voc", "yolo")
CLASSES = ("crack", "hole", "stain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--boxes", type=int, default=5, help="in each picture")
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(measure(Path(arguments.read))))
        return
    load = load_average()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for format in FORMATS:
            root = Path(folder) / format
            generate(root, format, arguments.pictures, arguments.boxes, arguments.side)
            done = subprocess.run(
                [sys.executable, __file__, "--read", str(root)], capture_output=True, text=True, check=True
            )
            rows.append({"format": format, "picture_side": arguments.side, **json.loads(done.stdout)})
            print(rows[-1], flush=True)
    print(write_record("index_speed", rows, ("numpy", "opencv-python-headless", "PyYAML"), load))


def generate(root: Path, format: Format, pictures: int, boxes: int, side: int) -> None:
    random = np.random.default_rng(0)
    place = root / ("images/train" if format == "yolo" else "images")
    place.mkdir(parents=True)
    noise = cv2.GaussianBlur(random.integers(0, 255, (2 * side, 2 * side), dtype=np.uint8), (0, 0), 2)
    records = []
    for number in range(pictures):
        top, left = random.integers(0, side, 2)
        path = place / f"{number:06}.jpg"
        cv2.imwrite(str(path), noise[top : top + side, left : left + side])
        corners = np.sort(random.uniform(0, side, (boxes, 2, 2)), axis=1).reshape(boxes, 4)
        things = tuple(
            ObjectRecord(int(label), tuple(box))
            for label, box in zip(random.integers(0, 3, boxes), corners.tolist(), strict=True)
        )
        records.append(ImageRecord(path, path.relative_to(root).as_posix(), things, (side, side)))
    WRITERS[format](DatasetIndex(root, format, CLASSES, {"train": tuple(records)}, ""), root)


def measure(root: Path) -> dict[str, float]:
    start = time.perf_counter()
    index = load_dataset(root)
    seconds = time.perf_counter() - start
    records = index.splits["train"]
    return {
        "pictures": len(records),
        "boxes": sum(len(record.objects) for record in records),
        "seconds": round(seconds, 2),
        "peak_mebibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
