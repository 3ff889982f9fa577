"""Lay the good picture of the same place beside each picture of a board, as a colour channel.

    python experiments/0019-reference/pair.py SET GOOD OUT [--alone]

SET is a set as `sdgasnet data plant` writes it, GOOD the folder of good pictures; a picture without one is left
out. Red and green are the picture, blue is the good one: what the two have not in common is blue or yellow.
With --alone all three are the picture, as the comparison needs it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.write import write_dataset
from sdgasnet.imaging.image import Image, find_images, read_image

PLANTED, TESTED, GOOD = "_planted", "_test", "_temp"
MOST_SHIFT = 1.2
"""Pixels. A planted picture lies on its good one to the pixel, which no second picture of a board does."""


def main() -> None:
    source, good, out, *options = sys.argv[1:]
    index = load_dataset(Path(source))
    references = {path.stem: path for path in find_images(Path(good))}
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:

        def pair(record: ImageRecord) -> ImageRecord | None:
            place, planted, _ = record.path.stem.partition(PLANTED)
            found = references.get(place.replace(TESTED, GOOD))
            if found is None:
                return None
            picture, reference = read_image(record.path, 1), read_image(found, 1)
            if planted:
                reference = shift(reference, *rng.uniform(-MOST_SHIFT, MOST_SHIFT, 2))
            file = Path(folder, f"{record.path.stem}.png")
            blue = picture if options == ["--alone"] else reference
            cv2.imwrite(str(file), np.dstack([blue, picture, picture]))  # OpenCV's order
            return replace(record, path=file)

        splits = {split: tuple(filter(None, map(pair, records))) for split, records in index.splits.items()}
        write_dataset(replace(index, splits=splits), Path(out), "coco")
    for split, records in splits.items():
        print(f"{split}: {len(records)} of {len(index.splits[split])} pictures have a good one")


def shift(image: Image, right: float, down: float) -> Image:
    """The picture ``(H, W, 1)`` moved by some pixels."""
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = image.shape[1], image.shape[0]
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved.reshape(image.shape)


if __name__ == "__main__":
    main()
