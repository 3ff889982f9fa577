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


def test_captions_hide_no_small_box_even_in_a_corner() -> None:
    corners = [[0, 0, 12, 12], [468, 0, 480, 12], [0, 468, 12, 480], [468, 468, 480, 480], [240, 240, 252, 252]]
    drawn = draw_detections(np.zeros((480, 480, 1), np.uint8), detections(corners, [0] * 5), ["a long class name"])
    colour = np.array(PALETTE[0])
    for x1, y1, x2, y2 in corners:
        assert (drawn[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4] == 0).all()
        assert (drawn[y1, x1] == colour).all()
    bars = (drawn == colour).all(axis=2)
    assert bars[:, 30:450].any(axis=1)[:60].any()


def test_captions_hide_no_other_caption() -> None:
    boxes = [[100, 100, 130, 130], [105, 104, 134, 131]]
    apart = draw_detections(np.zeros((480, 480, 1), np.uint8), detections(boxes, [0, 1]), ["pit", "scratch"])
    for label, name in enumerate(["pit", "scratch"]):
        alone = draw_detections(np.zeros((480, 480, 1), np.uint8), detections([boxes[label]], [label]), [""] * 2)
        in_colour = (apart == PALETTE[label]).all(axis=2).sum() - (alone == PALETTE[label]).all(axis=2).sum()
        assert in_colour > 40 * len(name)


def test_a_caption_wider_than_the_picture_is_made_smaller() -> None:
    drawn = draw_detections(
        np.zeros((480, 480, 1), np.uint8), detections([[200, 200, 280, 280]], [0]), ["long name " * 20]
    )
    bar = (drawn[:, 2:-2] == PALETTE[0]).all(axis=2)
    assert 5 < bar.any(axis=1).sum() < 140
    assert not bar[200:280, :150].all(axis=1).any()


def test_nothing_found_leaves_the_picture_as_it_is() -> None:
    image = np.full((500, 500, 3), 77, np.uint8)
    assert (draw_detections(image, detections([], []), ["pit"]) == image).all()


@pytest.mark.parametrize(
    ("size", "expected"), [((200, 200), (600, 600)), ((8, 4000), (8, 4000)), ((64, 600), (192, 1800))]
)
def test_a_long_strip_is_enlarged_no_further_than_a_screen(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = np.zeros((*size, 1), np.uint8)
    assert draw_detections(image, detections([[1, 1, 5, 5]], [0]), ["pit"]).shape[:2] == expected


@pytest.mark.parametrize(("brightest", "shown"), [(65535, 255), (4095, 255), (1023, 255), (200, 200), (0, 0)])
def test_as_many_of_16_bits_are_shown_as_are_used(brightest: int, shown: int) -> None:
    image = np.array([[[0], [brightest]]], np.uint16)
    assert to_display(image)[0, :, 0].tolist() == [0, shown]
