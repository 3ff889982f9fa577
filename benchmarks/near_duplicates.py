"""Time and memory of the search for near-duplicates, and what it finds in labelled data sets.

    .venv/bin/python benchmarks/near_duplicates.py [--data SET ...]

Generates 10,000 pictures of 640x640 as JPEG files, of which every hundredth is a shifted cut of the one before,
and searches them in a fresh process. Then searches each SET.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from record import load_average, write_record

from sdgasnet.data.index import load_dataset
from sdgasnet.data.near_duplicates import find_near_duplicates, group_near_duplicates

PICTURES = 10_000
SIDE = 640
EVERY = 100
SHIFT = (60, 35)
SEARCH = """
import json, resource, sys, time
from pathlib import Path
from sdgasnet.data.near_duplicates import find_near_duplicates
paths = sorted(Path(sys.argv[1]).iterdir())
started = time.perf_counter()
pairs = find_near_duplicates(paths)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak, "pairs": [(p.first, p.second) for p in pairs]}))
"""


def main() -> None:
    """Generate, search, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures", type=int, default=PICTURES)
    arguments = parser.parse_args()
    load = load_average()
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor() as pool:
            wanted = [(Path(folder), number) for number in range(arguments.pictures)]
            list(pool.map(generate, wanted, chunksize=50))
        command = [sys.executable, "-c", SEARCH, folder]
        done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    planted = {(number - 1, number) for number in range(EVERY - 1, arguments.pictures, EVERY)}
    found = {tuple(pair) for pair in done["pairs"]}
    rows: list[dict[str, Any]] = [
        {
            "data": "generated grain",
            "pictures": arguments.pictures,
            "size": [SIDE, SIDE],
            "seconds": round(done["seconds"], 1),
            "peak_mib": round(done["peak_mib"], 1),
            "planted": len(planted),
            "planted_found": len(planted & found),
            "others_found": len(found - planted),
        }
    ]
    rows += [search(path) for path in arguments.data]
    for row in rows:
        print(row)
    print(write_record("near_duplicates", rows, ["numpy", "opencv-python-headless"], load))


def generate(what: tuple[Path, int]) -> None:
    """One picture file, grain of two sizes; every hundredth shows the surface of the one before, moved."""
    folder, number = what
    moved = number % EVERY == EVERY - 1
    x, y = SHIFT if moved else (0, 0)
    size = (SIDE + SHIFT[1], SIDE + SHIFT[0])
    rng = np.random.default_rng(number - moved)
    grain = [rng.standard_normal((size[0] // step, size[1] // step), dtype=np.float32) for step in (4, 20)]
    fine, coarse = (cv2.resize(one, size[::-1], interpolation=cv2.INTER_CUBIC) for one in grain)
    large = np.clip(120 + 12 * fine + 25 * coarse, 0, 255).astype(np.uint8)
    cv2.imwrite(str(folder / f"{number:06}.jpg"), large[y : y + SIDE, x : x + SIDE])


def search(path: Path) -> dict[str, Any]:
    """Groups in a data set."""
    index = load_dataset(path)
    members = [(split, record) for split, records in index.splits.items() for record in records]
    started = time.perf_counter()
    pairs = find_near_duplicates([record.path for _, record in members])
    seconds = time.perf_counter() - started
    groups = group_near_duplicates(pairs, len(members))
    return {
        "data": path.name,
        "pictures": len(members),
        "seconds": round(seconds, 1),
        "pairs": len(pairs),
        "groups": len(groups),
        "pictures_in_groups": sum(map(len, groups)),
        "largest_group": max(map(len, groups), default=0),
        "groups_across_splits": sum(len({members[n][0] for n in group}) > 1 for group in groups),
    }


if __name__ == "__main__":
    main()
