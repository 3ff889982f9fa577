from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sdgasnet.config.schema import AugmentationConfig
from sdgasnet.imaging.geometry import ResizeMap
from sdgasnet.training.affine import (
    Matrix,
    average_blocks,
    clip_to_canvas,
    covered_pixels,
    letterbox_matrix,
    random_affine,
    scaling,
    transform_boxes,
    translation,
    warp_onto,
)

RNG = np.random.default_rng(0)
WILD = AugmentationConfig(rotate=20, scale=0.4, shear=8, translate=0.2)


def warp(image: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int], fill: int = 0) -> NDArray[np.uint8]:
    canvas = np.full((*size, image.shape[2]), fill, image.dtype)
    warp_onto(canvas, image, matrix)
    return canvas


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_identity_shift_and_flip_are_exact_to_the_pixel(dtype: type[np.generic], channels: int) -> None:
    image = RNG.integers(0, np.iinfo(dtype).max, (20, 30, channels)).astype(dtype)
    assert np.array_equal(warp(image, np.eye(3), (20, 30)), image)
    moved = warp(image, translation(5, 3), (25, 40), fill=7)
    assert np.array_equal(moved[3:23, 5:35], image)
    assert (moved[:3] == 7).all()
    assert (moved[:, :5] == 7).all()
    mirrored = warp(image, translation(30, 0) @ scaling(-1, 1), (20, 30))
    assert np.array_equal(mirrored, image[:, ::-1])


def test_doubling_keeps_blocks_where_they_belong() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    image[2:4, 4:6] = 200
    doubled = warp(image, scaling(2, 2), (16, 16))
    rows, columns = np.nonzero(doubled[:, :, 0] > 100)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (4, 8, 8, 12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_boxes_follow_what_is_painted(seed: int) -> None:
    """A bright rectangle, warped and found again, fills the transformed box to about a pixel."""
    rng = np.random.default_rng(seed)
    image = np.zeros((96, 96, 1), np.uint8)
    image[40:60, 30:64] = 255
    matrix = random_affine(WILD, rng, (96, 96))
    warped = warp(image, translation(48, 48) @ matrix, (192, 192))
    box = transform_boxes(np.array([[30.0, 40.0, 64.0, 60.0]]), translation(48, 48) @ matrix)[0]
    rows, columns = np.nonzero(warped[:, :, 0] > 40)
    hull = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    inside = (box > 2).all() and (box < 190).all()
    if inside:
        assert np.abs(hull - box).max() < 1.6


def test_composed_matrix_equals_one_step_after_the_other() -> None:
    """Warping once through the product differs from warping twice by interpolation only."""
    smooth = np.add.outer(np.arange(64), 2 * np.arange(64)).astype(np.uint8)[:, :, None] // 2
    first, second = translation(10, 6) @ scaling(0.9, 0.9), translation(3, -2) @ scaling(1.1, 1.1)
    once = warp(smooth, second @ first, (80, 80)).astype(int)
    twice = warp(warp(smooth, first, (80, 80)), second, (80, 80)).astype(int)
    assert np.abs(once - twice)[20:55, 20:55].max() <= 3


@pytest.mark.parametrize("source", [(50, 100), (200, 200), (33, 77)])
def test_letterbox_matrix_is_the_resize_map(source: tuple[int, int]) -> None:
    resize_map = ResizeMap.letterbox(source, (64, 96))
    boxes = RNG.uniform(0, 30, (4, 4))
    boxes[:, 2:] += boxes[:, :2]
    assert np.allclose(transform_boxes(boxes, letterbox_matrix(resize_map)), resize_map.to_canvas(boxes))


def test_flips_only_where_asked_for() -> None:
    still = AugmentationConfig(rotate=0, scale=0, shear=0, translate=0, flip_horizontal=0, flip_vertical=0)
    assert np.allclose(random_affine(still, np.random.default_rng(1), (64, 96)), np.eye(3))
    turned = AugmentationConfig(rotate=0, scale=0, shear=0, translate=0, flip_horizontal=1, flip_vertical=0)
    expected = translation(96, 0) @ scaling(-1, 1)
    assert np.allclose(random_affine(turned, np.random.default_rng(1), (64, 96)), expected)


def test_hardly_visible_and_tiny_boxes_are_dropped() -> None:
    boxes = np.array([[-95.0, 0, 5, 50], [-50, 0, 50, 50], [10, 10, 11, 40], [200, 0, 250, 50]])
    clipped, keep = clip_to_canvas(boxes, (64, 96))
    assert keep.tolist() == [False, True, False, False]
    assert clipped[1].tolist() == [0, 0, 50, 50]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 20.0, 180.0]))
def test_pictures_that_share_an_edge_leave_no_gap_and_no_overlap(seed: int, rotate: float) -> None:
    """Two halves of a plane meet in a line: each pixel belongs to one of them, whatever the change."""
    rng = np.random.default_rng(seed)
    change = random_affine(AugmentationConfig(rotate=rotate, shear=5, scale=0.4), rng, (40, 56))
    meet = float(rng.choice([20.0, rng.uniform(0, 56)]))
    drawn = np.zeros((40, 56), int)
    for left in (meet - 500, meet):
        to_source = np.linalg.inv(change @ translation(left, -250))
        drawn += covered_pixels(to_source, (40, 56), (500, 500))
    assert (drawn == 1).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_covered_pixels_are_those_whose_centre_is_in_the_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = translation(12, 9) @ random_affine(AugmentationConfig(rotate=180), rng, (24, 24))
    to_source = np.linalg.inv(matrix)
    found = covered_pixels(to_source, (40, 48), (20, 30))
    for row in range(0, 40, 3):
        for column in range(0, 48, 3):
            x, y, _ = to_source @ (column + 0.5, row + 0.5, 1)
            assert found[row, column] == (0 <= x < 30 and 0 <= y < 20)


def test_a_picture_beside_the_canvas_leaves_it_as_it_is() -> None:
    image = RNG.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    assert (warp(image, translation(41, 0), (25, 40), fill=7) == 7).all()
    assert (warp(image, translation(-30, 0), (25, 40), fill=7) == 7).all()


def test_shrinking_averages_instead_of_skipping() -> None:
    """One bright pixel in every block of four by four is a quarter as bright twice, not there or not by chance."""
    image = np.zeros((64, 64, 1), np.uint8)
    image[1::4, 2::4] = 240
    assert np.array_equal(warp(image, scaling(0.25, 0.25), (16, 16)), np.full((16, 16, 1), 15))


@pytest.mark.parametrize(("side", "small"), [(64, 21), (63, 21), (1, 1)])
def test_averaged_blocks_stay_where_they_were(side: int, small: int) -> None:
    image = np.zeros((side, side, 3), np.uint8)
    matrix = translation(3, 4) @ scaling(0.3, 0.3)
    smaller, mended = average_blocks(image, matrix)
    assert smaller.shape == (small, small, 3)
    whole = transform_boxes(np.array([[0.0, 0, side, side]]), matrix)
    assert np.allclose(transform_boxes(np.array([[0.0, 0, small, small]]), mended), whole)
    assert average_blocks(image, scaling(0.6, 0.6))[0] is image


def test_pictures_wider_than_opencv_warps_are_shrunk_before() -> None:
    line_scan = np.full((8, 40_000, 1), 50, np.uint8)
    scale = 64 / 40_000
    assert (warp(line_scan, scaling(scale, 0.5), (4, 64)) == 50).all()


def test_boxes_through_a_product_are_boxes_through_one_after_the_other() -> None:
    boxes = RNG.uniform(0, 40, (5, 2, 2)).cumsum(axis=1).reshape(5, 4)
    first, second = translation(10, 6) @ scaling(-0.9, 0.9), translation(3, -2) @ scaling(1.1, 1.3)
    assert np.allclose(
        transform_boxes(transform_boxes(boxes, first), second), transform_boxes(boxes, second @ first)
    )
    assert transform_boxes(np.zeros((0, 4)), first).shape == (0, 4)


def test_quarter_turns_only_where_asked_for_and_exact_to_the_pixel() -> None:
    still = AugmentationConfig(rotate=0, scale=0, shear=0, translate=0, flip_horizontal=0, flip_vertical=0)
    turned = still.model_copy(update={"quarter_turn": 1.0})
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 1), dtype=np.uint8)
    canvas = np.zeros_like(image)
    matrix = random_affine(turned, np.random.default_rng(1), (32, 32))
    warp_onto(canvas, image, matrix)
    assert np.array_equal(canvas, np.rot90(image, k=-1))
    box = transform_boxes(np.array([[2.0, 3.0, 10.0, 5.0]]), matrix)[0]
    assert box.tolist() == [32 - 5.0, 2.0, 32 - 3.0, 10.0]
    assert np.allclose(random_affine(still, np.random.default_rng(1), (32, 32)), np.eye(3))


def test_recipes_without_quarter_turns_draw_what_they_drew() -> None:
    drawn = np.random.default_rng(3)
    random_affine(AugmentationConfig(), drawn, (32, 32))
    fresh = np.random.default_rng(3)
    fresh.random(8)
    assert drawn.random() == fresh.random()
