"""Which share of shifted cuts of one generated surface is found, by kind of surface and by shift.

Usage: python experiments/0012-near-duplicates/shift.py [--out shift.json]
Pictures of 256x256 are compared at 128x128: an odd shift is half a pixel there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import cv2

from sdgasnet.data.near_duplicates import find_near_duplicates
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.revision import describe_commit

KINDS = ("steel", "board", "textile", "cast")
SHIFTS = (4, 5, 12, 13, 24, 25, 50, 51, 76, 77)
SURFACES = 24
SIDE = 256


def main() -> None:
    """Cut, search, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("shift.json"))
    arguments = parser.parse_args()
    rows = [row for kind in KINDS for row in measure(kind)]
    document = {
        "question": "Which share of shifted cuts of one surface is found?",
        "hardware": describe_hardware(),
        "commit": describe_commit(),
        "versions": describe_versions(),
        "rows": rows,
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(kind: str) -> list[dict[str, Any]]:
    """Pairs of cuts that were found, for each shift."""
    rows = []
    surfaces = [
        generate_surface(kind, (SIDE, SIDE + max(SHIFTS)), seed, 0, good_share=0.0).image
        for seed in range(SURFACES)
    ]
    for shift in SHIFTS:
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, surface in enumerate(surfaces):
                for name, left in (("a", 0), ("b", shift)):
                    paths.append(Path(folder) / f"{number:03}{name}.png")
                    assert cv2.imwrite(str(paths[-1]), surface[:, left : left + SIDE])
            found = {(pair.first, pair.second) for pair in find_near_duplicates(paths)}
        planted = {(2 * number, 2 * number + 1) for number in range(SURFACES)}
        counts = {"found": len(found & planted), "others_found": len(found - planted)}
        rows.append({"surface": kind, "shift_px": shift, "planted": SURFACES, **counts})
    return rows


if __name__ == "__main__":
    main()
