from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.imaging.detections import Detections
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.session import ModelSpec, RawOutputs

SIDE = 64


Case = tuple[list[Detections], list[tuple[ObjectRecord, ...]]]


@pytest.fixture
def random_case() -> Callable[[int, int, int], Case]:
    """Labels with crowds and empty pictures; detections that are labels moved a little, and false ones."""

    def make(seed: int, pictures: int, num_classes: int) -> Case:
        rng = np.random.default_rng(seed)
        cases = [_random_picture(rng, number, num_classes) for number in range(pictures)]
        return [found for found, _ in cases], [objects for _, objects in cases]

    return make


def _random_picture(
    rng: np.random.Generator, number: int, num_classes: int
) -> tuple[Detections, tuple[ObjectRecord, ...]]:
    """The last class is never labelled; picture 3 has more detections than the COCO protocol takes."""
    objects = []
    for _ in range(0 if number % 7 == 0 else int(rng.integers(1, 7))):
        corner, sides = rng.uniform(0, 200, 2), rng.uniform(4, 120, 2)
        x1, y1, x2, y2 = map(float, (*corner, *(corner + sides)))
        objects.append(
            ObjectRecord(int(rng.integers(num_classes - 1)), (x1, y1, x2, y2), crowd=bool(rng.random() < 0.1))
        )
    near = [thing for thing in objects for _ in range(2)]
    boxes = [np.array(thing.box_xyxy) + rng.normal(0, 6, 4) for thing in near]
    labels = [thing.label if rng.random() < 0.8 else int(rng.integers(num_classes)) for thing in near]
    for _ in range(140 if number == 3 else int(rng.integers(0, 5))):
        corner = rng.uniform(0, 200, 2)
        boxes.append(np.concatenate([corner, corner + rng.uniform(4, 100, 2)]))
        labels.append(int(rng.integers(num_classes)))
    scores = np.sort(rng.uniform(0, 1, len(boxes)).astype(np.float32))[::-1].copy()
    array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    array[:, 2:] = np.maximum(array[:, 2:], array[:, :2] + 1)
    return Detections(array, scores, np.array(labels, dtype=np.int64), (320, 320)), tuple(objects)


class CornerSession:
    """A model of numpy: a box in each of four corners, of class 0 or 1, as bright as it is sure."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.spec = ModelSpec(tuple(class_names), (SIDE, SIDE), 1, DetectionConfig(), "corners")

    def run(self, batch: NDArray[np.uint8]) -> RawOutputs:
        half = SIDE // 2
        corners = [(0, 0), (half, 0), (0, half), (half, half)]
        boxes = np.array([(x, y, x + half, y + half) for x, y in corners], np.float32)
        light = np.array(
            [[canvas[y : y + half, x : x + half].mean() / 255 for x, y in corners] for canvas in batch]
        )
        scores = np.zeros((len(batch), 4, len(self.spec.class_names)), np.float32)
        scores[..., 1] = light
        scores[..., 0] = 1 - light
        return RawOutputs(np.tile(boxes, (len(batch), 1, 1)), scores, np.zeros((len(batch), 1), np.float32))


@pytest.fixture
def corners() -> Detector:
    return Detector(CornerSession(("dark", "bright")))


@pytest.fixture
def records(tmp_path: Path) -> tuple[ImageRecord, ...]:
    """Ten pictures whose four corners are black or white, every corner labelled for what it is, but one."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(10):
        bright = rng.integers(0, 2, (2, 2))
        pixels = np.kron(bright * 255, np.ones((SIDE // 2, SIDE // 2))).astype(np.uint8)
        path = tmp_path / f"p{number}.png"
        cv2.imwrite(str(path), pixels)
        objects = tuple(
            ObjectRecord(int(bright[y, x]), (x * 32.0, y * 32.0, x * 32.0 + 32, y * 32.0 + 32))
            for y in (0, 1)
            for x in (0, 1)
            if (number, x, y) != (3, 1, 1)
        )
        made.append(ImageRecord(path, path.name, objects if number != 5 else (), annotated_size=(SIDE, SIDE)))
    return tuple(made)
