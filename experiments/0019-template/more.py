"""Lay the training pictures of several sets together, with the val split of the first: python more.py OUT SET ...

A picture that lies in several sets is trained on as often.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from sdgasnet.data.index import load_dataset
from sdgasnet.data.write import write_dataset


def main() -> None:
    out, *sets = map(Path, sys.argv[1:])
    indices = [load_dataset(path) for path in sets]
    training = tuple(record for index in indices for record in index.splits["train"])
    first = indices[0]
    write_dataset(replace(first, splits={**first.splits, "train": training}), out, first.format)


if __name__ == "__main__":
    main()
