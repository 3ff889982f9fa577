"""What the search for near-duplicates finds above its limit on real sets, and what lies below.

Usage: python experiments/0012-near-duplicates/measure.py DATA_ROOT [--sheets FOLDER] [--out results.json]
DATA_ROOT holds neu-det, deeppcb, textile and pku-pcb. With --sheets, pairs are drawn for judging by eye, the
overlap of the one beside that of the other; they show the sets' pictures, so FOLDER has to lie outside the
repository.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sdgasnet.data import near_duplicates
from sdgasnet.data.index import load_dataset
from sdgasnet.data.near_duplicates import NearDuplicate, find_near_duplicates, group_near_duplicates
from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.imaging.image import Image, read_image

SETS = ("neu-det", "deeppcb", "textile", "pku-pcb")
LIMIT = near_duplicates.CORRELATION
BANDS = ((0.9, 0.95), (0.95, LIMIT), (LIMIT, 1.01))
PAIRS_ON_A_SHEET = 24
SIDE = 200

Member = tuple[str, ImageRecord]


def main() -> None:
    """Search with a lower limit, count by band of correlation, draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    arguments = parser.parse_args()
    near_duplicates.CORRELATION = BANDS[0][0]
    rows = [measure(arguments.data / name, arguments.sheets) for name in SETS]
    document = {
        "question": "Are pairs above the limit the same piece of surface, and which ones are missed below it?",
        "limit": LIMIT,
        "hardware": describe_hardware(),
        "commit": describe_commit(),
        "versions": describe_versions(),
        "sets": rows,
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure(path: Path, sheets: Path | None) -> dict[str, Any]:
    """Counts of one set."""
    index = load_dataset(path)
    members = [(split, record) for split, records in index.splits.items() for record in records]
    pairs = find_near_duplicates([record.path for _, record in members])
    groups = group_near_duplicates([pair for pair in pairs if pair.correlation >= LIMIT], len(members))
    group_of = {n: number for number, group in enumerate(groups) for n in group}
    bands = []
    for low, high in BANDS:
        inside = [pair for pair in pairs if low <= pair.correlation < high]
        across = [pair for pair in inside if members[pair.first][0] != members[pair.second][0]]
        apart = [p for p in across if p.first not in group_of or group_of[p.first] != group_of.get(p.second)]
        bands.append(
            {
                "correlation": [low, min(high, 1.0)],
                "pairs": len(inside),
                "across_splits": len(across),
                "across_splits_and_groups": len(apart),
            }
        )
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            chosen = np.random.default_rng(0).permutation(len(inside))[:PAIRS_ON_A_SHEET]
            draw(sheets / f"{path.name}-{low}.png", [inside[n] for n in sorted(chosen.tolist())], members)
            draw(sheets / f"{path.name}-{low}-across.png", across[:PAIRS_ON_A_SHEET], members)
    return {
        "data": path.name,
        "pictures": len(members),
        "groups": len(groups),
        "pictures_in_groups": len(group_of),
        "largest_group": max(map(len, groups), default=0),
        "groups_across_splits": sum(len({members[n][0] for n in group}) > 1 for group in groups),
        "bands": bands,
    }


def draw(path: Path, pairs: Sequence[NearDuplicate], members: Sequence[Member]) -> None:
    """A sheet of overlaps, four pairs a row."""
    cells = [overlaps(pair, members) for pair in pairs]
    if cells:
        cells += [np.full_like(cells[0], 255)] * (-len(cells) % 4)
        rows = [np.hstack(cells[start : start + 4]) for start in range(0, len(cells), 4)]
        assert cv2.imwrite(str(path), np.vstack(rows))


def overlaps(pair: NearDuplicate, members: Sequence[Member]) -> Image:
    """The overlap in the first beside the overlap in the second."""
    paths = [members[n][1].path for n in (pair.first, pair.second)]
    one, other = (
        cv2.resize(read_image(path, 1)[:, :, 0], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for path in paths
    )
    x, y = (round(shift * SIDE) for shift in pair.shift)
    left, right, top, bottom = max(0, -x), min(SIDE, SIDE - x), max(0, -y), min(SIDE, SIDE - y)
    cell = np.full((SIDE + 24, 2 * SIDE + 8), 255, np.uint8)
    cell[22 : 22 + bottom - top, 2 : 2 + right - left] = one[top:bottom, left:right]
    cell[22 : 22 + bottom - top, SIDE + 4 : SIDE + 4 + right - left] = other[
        top + y : bottom + y, left + x : right + x
    ]
    text = f"{pair.correlation:.3f} {' '.join(path.stem[-16:] for path in paths)}"
    cv2.putText(cell, text, (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.36, 0, 1)
    return cell


if __name__ == "__main__":
    main()
