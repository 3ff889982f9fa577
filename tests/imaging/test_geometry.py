from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdgasnet.imaging.geometry import ResizeMap, box_areas, pairwise_iou

SIDES = st.integers(1, 3000)
CANVAS = st.integers(1, 20).map(lambda k: 32 * k)


@given(st.tuples(SIDES, SIDES), st.tuples(CANVAS, CANVAS), st.integers(0, 2**32 - 1))
def test_boxes_come_back(source_size: tuple[int, int], image_size: tuple[int, int], seed: int) -> None:
    resize_map = ResizeMap.letterbox(source_size, image_size)
    boxes = np.random.default_rng(seed).uniform(0, 1, (5, 4)) * np.tile(source_size[::-1], 2)
    back = resize_map.to_source(resize_map.to_canvas(boxes))
    assert np.allclose(back, boxes, atol=1e-6 * max(source_size))


@given(st.tuples(SIDES, SIDES), st.tuples(CANVAS, CANVAS))
def test_the_whole_picture_fits_touches_two_sides_and_is_centred(
    source_size: tuple[int, int], image_size: tuple[int, int]
) -> None:
    resize_map = ResizeMap.letterbox(source_size, image_size)
    whole = resize_map.to_canvas(np.array([[0.0, 0.0, source_size[1], source_size[0]]]))[0]
    assert (whole >= -1e-9).all()
    assert whole[2] <= image_size[1] + 1e-9
    assert whole[3] <= image_size[0] + 1e-9
    assert resize_map.resized_size[0] == image_size[0] or resize_map.resized_size[1] == image_size[1]
    assert abs(whole[0] + whole[2] - image_size[1]) <= 1 + 1e-9
    assert abs(whole[1] + whole[3] - image_size[0]) <= 1 + 1e-9


def brute_force_iou(a: list[int], b: list[int]) -> float:
    cells_a = {(x, y) for x in range(a[0], a[2]) for y in range(a[1], a[3])}
    cells_b = {(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])}
    return len(cells_a & cells_b) / len(cells_a | cells_b) if cells_a | cells_b else 0.0


BOX = st.lists(st.integers(0, 9), min_size=4, max_size=4)


@given(st.lists(BOX, max_size=4), st.lists(BOX, max_size=4))
def test_iou_counts_pixels(first: list[list[int]], second: list[list[int]]) -> None:
    a, b = (np.array(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (first, second))
    iou = pairwise_iou(a, b)
    assert iou.shape == (len(first), len(second))
    for i, box_a in enumerate(first):
        for j, box_b in enumerate(second):
            assert abs(iou[i, j] - brute_force_iou(box_a, box_b)) < 1e-12


def test_area_of_a_box_turned_inside_out_is_zero() -> None:
    assert box_areas(np.array([[5.0, 5.0, 1.0, 9.0], [0.0, 0.0, 2.0, 3.0]])).tolist() == [0.0, 6.0]
