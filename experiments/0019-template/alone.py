"""The pictures of a set of pairs without their templates, for the comparison: python alone.py PAIRS OUT"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.write import write_dataset
from sdgasnet.imaging.template import picture_of, read_input


def main() -> None:
    pairs, out = map(Path, sys.argv[1:])
    index = load_dataset(pairs)
    with TemporaryDirectory() as folder:

        def without_template(record: ImageRecord) -> ImageRecord:
            file = Path(folder, record.path.name)
            cv2.imwrite(str(file), picture_of(read_input(record.path, 3, paired=True), paired=True))
            return replace(record, path=file)

        splits = {split: tuple(map(without_template, records)) for split, records in index.splits.items()}
        write_dataset(replace(index, splits=splits), out, index.format)


if __name__ == "__main__":
    main()
