from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.draw import PALETTE, draw_detections, to_display


def detections(boxes: list[list[float]], labels: list[int]) -> Detections:
    scores = np.linspace(0.9, 0.5, len(boxes)).astype(np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, np.array(labels, np.int64), (60, 80))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_picture_is_enlarged_and_boxed_in_the_colour_of_its_class(
    dtype: type[np.generic], channels: int
) -> None:
    image = np.zeros((60, 80, channels), dtype)
    drawn = draw_detections(image, detections([[20, 20, 40, 50]], [1]), ["pit", "scratch"])
    assert drawn.dtype == np.uint8
    assert drawn.shape == (480, 640, 3)
    assert drawn[300, 160].tolist() == list(PALETTE[1])
    assert drawn[300, 240].tolist() == [0, 0, 0]


def test_large_picture_keeps_its_size_and_the_input_is_not_changed() -> None:
    image = np.zeros((600, 700, 3), np.uint8)
    assert draw_detections(image, detections([[0, 0, 700, 600]], [0]), ["pit"]).shape == (600, 700, 3)
    assert image.max() == 0


def test_captions_at_the_edge_stay_inside() -> None:
    image = np.zeros((480, 480, 1), np.uint8)
    drawn = draw_detections(image, detections([[470, 470, 480, 480], [0, 0, 5, 5]], [0, 0]), ["a long class name"])
    assert (drawn[:, -1] > 0).any()


def test_full_range_of_16_bits_is_shown() -> None:
    image = np.array([[[0], [65535]]], np.uint16)
    assert to_display(image)[0, :, 0].tolist() == [0, 255]
