from __future__ import annotations

import cv2
import numpy as np
import pytest

from sdgasnet.data.picture_facts import examine_picture, has_black_corners, is_speckled
from sdgasnet.errors import ImageError


def weave(size=200):
    rows, columns = np.mgrid[:size, :size]
    return (120 + 30 * np.sin(rows / 2) * np.cos(columns / 3)).astype(np.uint8)[:, :, None]


def turned(pixels, degrees):
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(pixels, matrix, (width, height))[:, :, None]


def test_facts_of_grey_stored_as_colour(tmp_path):
    pixels = weave()
    cv2.imwrite(str(tmp_path / "grey.png"), pixels)
    cv2.imwrite(str(tmp_path / "colour.bmp"), np.repeat(pixels, 3, axis=2))
    grey, colour = examine_picture(tmp_path / "grey.png"), examine_picture(tmp_path / "colour.bmp")
    assert (grey.size, grey.channels, grey.bits, grey.equal_channels) == ((200, 200), 1, 8, False)
    assert (colour.channels, colour.equal_channels) == (3, True)
    assert grey.pixel_hash == colour.pixel_hash
    assert grey.file_hash != colour.file_hash


def test_facts_of_sixteen_bit_colour_with_alpha(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60_000, (20, 30, 4), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    facts = examine_picture(tmp_path / "a.png")
    assert (facts.size, facts.channels, facts.bits, facts.equal_channels) == ((20, 30), 4, 16, False)


def test_text_named_jpg_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(ImageError, match=r"a\.jpg"):
        examine_picture(tmp_path / "a.jpg")


def test_black_corners_come_from_turning():
    assert not has_black_corners(weave())
    assert has_black_corners(turned(weave(), 10))
    assert not has_black_corners(np.zeros((50, 50, 1), np.uint8))


@pytest.mark.parametrize("factor", [1, 257])
def test_salt_and_pepper_is_told_from_texture(factor):
    pixels = weave().astype(np.uint16 if factor > 1 else np.uint8) * factor
    noisy = pixels.copy()
    spots = np.random.default_rng(0).random(pixels.shape) < 0.01
    noisy[spots] = 250 * factor
    assert not is_speckled(pixels)
    assert is_speckled(noisy)
