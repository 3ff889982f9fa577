"""What ``sdgasnet data check`` finds in real sets, counted by kind.

Usage: python experiments/0014-findings/measure.py DATA_ROOT [--out results.json]
DATA_ROOT holds neu-det, deeppcb, textile and pku-pcb.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from sdgasnet.data.check import check_dataset
from sdgasnet.data.index import load_dataset
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.revision import describe_commit

SETS = ("neu-det", "deeppcb", "textile", "pku-pcb")


def main() -> None:
    """Check every set and write counts, an example of each kind, and how the splits differ in light."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    arguments = parser.parse_args()
    document: dict[str, Any] = {
        "sets": {name: findings_of(arguments.data / name) for name in SETS},
        "hardware": describe_hardware(),
        "versions": describe_versions(),
        "commit": describe_commit(),
    }
    arguments.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def findings_of(path: Path) -> dict[str, Any]:
    """Counts by kind, and the first message of each."""
    index = load_dataset(path)
    report = check_dataset(index, near_duplicates=True)
    counts = Counter((found.severity, found.kind) for found in report.findings)
    first = {found.kind: found.message for found in reversed(report.findings)}
    splits = report.statistics.splits
    return {
        "pictures": {name: split.pictures for name, split in splits.items()},
        "boxes": {name: split.boxes for name, split in splits.items()},
        "without_a_box": {name: split.background for name, split in splits.items()},
        "findings": [
            {"severity": severity, "kind": kind, "count": count, "first": first[kind]}
            for (severity, kind), count in sorted(counts.items())
        ],
        "light": {
            name: {"brightness_shift": light.brightness_shift, "contrast_shift": light.contrast_shift}
            for name, light in report.statistics.light.items()
        },
    }


if __name__ == "__main__":
    main()
