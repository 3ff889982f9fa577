from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.errors import ImageError
from sdgasnet.imaging.template import (
    TEMPLATE,
    as_input,
    match_light,
    pair_with_template,
    picture_of,
    read_input,
    read_pair,
    register,
    require_pair,
)

SIZE = (320, 400)


def board(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    made = generate_surface("board", size, seed=7, index=index, good_share=1.0).image
    return np.asarray(made[:, :, :1], np.uint8)


def laid(image: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[Any]:
    """What a camera sees when the board lies elsewhere: pixels of ``image`` at ``matrix`` times theirs."""
    size = image.shape[1], image.shape[0]
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)[:, :, None]


def elsewhere(right: float, down: float, degrees: float, stretch: float = 1.0) -> NDArray[np.float64]:
    matrix = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, 1.0)
    matrix[:, 2] += (right, down)
    return matrix @ np.diag([stretch, 1.0, 1.0])


@pytest.mark.parametrize(
    ("right", "down", "degrees", "stretch"),
    [(0, 0, 0, 1), (12.3, -7.6, 0, 1), (-15, 9, 1.5, 1), (3, 3, -2, 1), (0, 2, 0.3, 1.015)],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_the_template_lies_is_found_to_half_a_pixel(
    right: float, down: float, degrees: float, stretch: float, dtype: type[np.generic]
) -> None:
    picture = board(0).astype(dtype) * (257 if dtype == np.uint16 else 1)
    truth = elsewhere(right, down, degrees, stretch)
    found, correlation = register(picture, laid(picture, truth))
    corners = np.array([[20, 20, 1], [380, 20, 1], [20, 300, 1], [380, 300, 1]]).T
    assert np.abs(found @ corners - truth @ corners).max() < 0.5
    assert correlation > 0.9


def test_a_pair_shows_the_defect_and_nothing_else() -> None:
    good = board(1)
    bad = good.copy()
    cv2.circle(bad, (200, 160), 8, 255 - int(good[160, 200, 0]), -1)
    pair = pair_with_template(bad, laid(good, elsewhere(6.4, -3.3, 0.8)))
    assert np.array_equal(pair[:, :, :2], np.repeat(bad, 2, axis=2))
    # Edges differ by the interpolation, over less than two pixels; what is wider is the defect.
    wide = cv2.erode((cv2.absdiff(pair[:, :, 0], pair[:, :, TEMPLATE]) > 64).astype(np.uint8), np.ones((3, 3)))
    rows, columns = np.nonzero(wide[30:-30, 30:-30])
    assert len(rows) > 30
    assert abs(rows + 30 - 160).max() <= 10
    assert abs(columns + 30 - 200).max() <= 10
    require_pair(pair, "It")
    assert np.array_equal(picture_of(pair, True), bad)


def test_a_template_of_another_place_is_refused() -> None:
    for index in range(4):
        with pytest.raises(ImageError, match="do not show the same place: correlation 0"):
            pair_with_template(board(index), board(index + 10))


def test_a_plain_surface_is_taken_as_it_lies() -> None:
    template = np.full((96, 96, 1), 200, np.uint8)
    picture = template.copy()
    picture[40:44, 50:55] = 20
    pair = pair_with_template(picture, template)
    assert np.array_equal(pair[:, :, 0], picture[:, :, 0])
    assert np.ptp(pair[:, :, TEMPLATE]) <= 1
    with pytest.raises(ImageError, match="do not show the same place"):
        pair_with_template(picture, np.full((96, 96, 1), 90, np.uint8))


def test_a_picture_that_equals_its_template_is_a_pair() -> None:
    pair = pair_with_template(board(0), board(0))
    require_pair(pair, "It")
    assert np.ptp(cv2.absdiff(pair[:, :, 0], pair[:, :, TEMPLATE])) == 1


def test_a_darker_lamp_is_made_up_for() -> None:
    good = board(2)
    darker = cv2.addWeighted(good, 0.7, good, 0.0, 15.0)[:, :, None]
    matched = pair_with_template(good, darker)[:, :, TEMPLATE]
    assert np.abs(matched.astype(int) - good[:, :, 0])[10:-10, 10:-10].mean() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_light_is_matched_in_mean_and_spread(dtype: type[np.generic]) -> None:
    rng, scale = np.random.default_rng(0), np.iinfo(dtype).max / 255
    dim = (rng.normal(80, 10, (64, 64, 1)) * scale).astype(dtype)
    bright = (rng.normal(140, 15, (64, 64, 1)) * scale).astype(dtype)
    matched = match_light(dim, bright)
    assert matched.dtype == dtype
    assert matched.mean() == pytest.approx(bright.mean(), rel=0.01)
    assert matched.std() == pytest.approx(bright.std(), rel=0.02)
    flat = np.full((64, 64, 1), 7, dtype)
    assert np.ptp(match_light(flat, bright)) == 0


def test_size_and_depth_must_be_those_of_the_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"320x400 .* of 8 bits and 320x400 .* of 16 bits"):
        pair_with_template(board(0), board(0).astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "a.png"), board(0))
    cv2.imwrite(str(tmp_path / "b.png"), board(0, (300, 400)))
    with pytest.raises(ImageError, match=r"a\.png and its template .*b\.png: they are 320x400 .* and 300x400"):
        read_pair(tmp_path / "a.png", tmp_path / "b.png")


def test_tiny_pictures_have_nothing_to_register_by() -> None:
    tiny = np.arange(100, dtype=np.uint8).reshape(10, 10, 1)
    assert register(tiny, tiny)[1] == -1
    assert pair_with_template(tiny, tiny).shape == (10, 10, 3)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.repeat(board(0), 3, axis=2), "all its channels are equal"),
        (np.dstack([board(0), board(1), board(0)]), "its first two channels differ"),
        (board(0), "it has 1 channel"),
    ],
)
def test_what_is_no_pair_is_refused(image: NDArray[np.uint8], found: str) -> None:
    with pytest.raises(ImageError, match=found):
        require_pair(image, "It")


def test_pairs_are_read_and_grey_pictures_are_not(tmp_path: Path) -> None:
    pair = pair_with_template(board(0), laid(board(0), elsewhere(2, 1, 0)))
    cv2.imwrite(str(tmp_path / "pair.png"), pair[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "grey.png"), board(0))
    assert np.array_equal(read_input(tmp_path / "pair.png", 3, True), pair)
    with pytest.raises(ImageError, match=r"grey\.png is no pair: .*predict --template"):
        read_input(tmp_path / "grey.png", 3, True)
    assert read_input(tmp_path / "grey.png", 3, False).shape == (*SIZE, 3)


def test_generated_pictures_for_models_of_pairs_are_pairs() -> None:
    require_pair(as_input(board(0), 3, True), "It")
    assert as_input(board(0), 1, False).shape == (*SIZE, 1)


def test_long_strips_are_too_thin_to_register_and_are_refused_or_taken_as_they_lie() -> None:
    strip = np.full((40, 8000, 1), 200, np.uint8)
    other = strip.copy()
    other[:, ::16] = 20
    with pytest.raises(ImageError, match="do not show the same place"):
        pair_with_template(strip, other)
    strip[:8, :8] = 20
    assert pair_with_template(strip, np.full_like(strip, 200)).shape == (40, 8000, 3)
