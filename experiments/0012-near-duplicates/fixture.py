"""Different parts of one type, photographed in one fixture: are they taken for the same piece of surface?

Usage: python experiments/0012-near-duplicates/fixture.py [--out fixture.json]
Every picture shows a part of its own: the drawing is common; place (2 px), sensor noise (3 grey levels), texture
and a scratch are not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np

from sdgasnet.data.near_duplicates import find_near_duplicates, group_near_duplicates
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.imaging.image import Image

PARTS = 40
SIDE = 400
PLACE, NOISE = 2.0, 3.0
TEXTURES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0)
"""Standard deviations in grey levels, of grain with a scale of 3 px."""


def main() -> None:
    """Draw, search, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("fixture.json"))
    arguments = parser.parse_args()
    rows = []
    for texture in TEXTURES:
        rng = np.random.default_rng(0)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number:03}.png" for number in range(PARTS)]
            for path in paths:
                assert cv2.imwrite(str(path), draw_part(texture, rng))
            groups = group_near_duplicates(find_near_duplicates(paths), PARTS)
        largest = max(map(len, groups), default=0)
        rows.append({"texture": texture, "parts": PARTS, "in_groups": sum(map(len, groups)), "largest": largest})
    document = {
        "question": "Are different parts of one type in a fixture taken for the same piece of surface?",
        "hardware": describe_hardware(),
        "commit": describe_commit(),
        "versions": describe_versions(),
        "rows": rows,
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def draw_part(texture: float, rng: np.random.Generator) -> Image:
    """A ring with six holes and a scratch somewhere."""
    picture = np.full((SIDE, SIDE), 60, np.float32)
    x, y = SIDE / 2 + rng.normal(0, PLACE, 2)
    _disc(picture, x, y, 150, 170)
    _disc(picture, x, y, 50, 40)
    for angle in np.arange(6) * np.pi / 3:
        _disc(picture, x + 100 * np.cos(angle), y + 100 * np.sin(angle), 14, 30)
    grain = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE), dtype=np.float32), (0, 0), 3)
    picture += texture * grain / grain.std()
    left, top = rng.integers(90, 300, 2).tolist()
    cv2.line(picture, (left, top), (left + 14, top + 6), 110, 2, cv2.LINE_AA)
    picture += rng.normal(0, NOISE, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _disc(picture: np.ndarray, x: float, y: float, radius: int, grey: int) -> None:
    """Drawn at sixteenths of a pixel."""
    cv2.circle(picture, (round(16 * x), round(16 * y)), 16 * radius, grey, -1, cv2.LINE_AA, 4)


if __name__ == "__main__":
    main()
