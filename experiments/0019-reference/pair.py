"""Lay the good picture of the same place beside each picture of a board, as a colour channel.

    python experiments/0019-reference/pair.py SET GOOD OUT [--alone]

SET is a COCO set as `sdgasnet data plant` writes it, GOOD the folder of good pictures; a picture without one is
left out. Red and green are the picture, blue is the good one, so that what the two have not in common is blue or
yellow.
With --alone all three are the picture, as the comparison needs it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.imaging.image import find_images, read_image

PLANTED, TESTED, GOOD = "_planted", "_test", "_temp"
MOST_SHIFT = 1.2
"""Pixels. A planted picture lies on its good one to the pixel, which no second picture of a board does."""


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--alone"]
    source, good, out = map(Path, arguments)
    alone = len(arguments) < len(sys.argv) - 1
    references = {path.stem: path for path in find_images(good)}
    rng = np.random.default_rng(0)
    (out / "annotations").mkdir(parents=True)
    (out / "images").mkdir()
    for split in ("train", "val"):
        content = json.loads((source / f"annotations/{split}.json").read_text())
        kept = []
        for entry in content["images"]:
            stem = Path(entry["file_name"]).stem
            place, planted, _ = stem.partition(PLANTED)
            found = references.get(place.replace(TESTED, GOOD))
            if found is None:
                continue
            picture, reference = (read_image(path, 1) for path in (source / "images" / entry["file_name"], found))
            if planted:
                reference = shift(reference, rng.uniform(-MOST_SHIFT, MOST_SHIFT, 2))
            colours = np.dstack([picture if alone else reference, picture, picture])  # OpenCV's order
            entry["file_name"] = f"{stem}.png"
            cv2.imwrite(str(out / "images" / entry["file_name"]), colours)
            kept.append(entry)
        numbers = {entry["id"] for entry in kept}
        boxes = [box for box in content["annotations"] if box["image_id"] in numbers]
        (out / f"annotations/{split}.json").write_text(
            json.dumps({**content, "images": kept, "annotations": boxes})
        )
        print(f"{split}: {len(kept)} of {len(content['images'])} pictures have a good one, {len(boxes)} boxes")


def shift(image: NDArray[np.uint8], by: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The picture ``(H, W, 1)`` moved by (x, y) pixels, as ``(H, W)``."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    size = image.shape[1], image.shape[0]
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


if __name__ == "__main__":
    main()
