from __future__ import annotations

import colorsys

import numpy as np
import pytest
from numpy.random import Generator

from sdgasnet.config.schema import AugmentationConfig
from sdgasnet.training.photometric import STRIP_VALUES, blend, change_colours, change_pair, match_depth, scale_hsv

STILL = AugmentationConfig(hue=0, saturation=0, value=0)


def rng() -> Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_value_is_scaled_and_clipped_in_either_depth(dtype: type[np.generic]) -> None:
    full = np.iinfo(dtype).max
    image = np.array([[[full // 4], [full]]], dtype)
    factor = 1 + rng().uniform(-1, 1, 3)[2] * 0.5
    changed = change_colours(image, AugmentationConfig(value=0.5), rng())
    assert changed.dtype == dtype
    assert changed[0, 0, 0] == pytest.approx(full // 4 * factor, abs=1)
    assert changed[0, 1, 0] == pytest.approx(min(full, full * factor), abs=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_without_change_stay_exactly(dtype: type[np.generic], channels: int) -> None:
    image = rng().integers(0, np.iinfo(dtype).max, (50, 70, channels), dtype=dtype, endpoint=True)
    assert np.array_equal(change_colours(image, STILL, rng()), image)


def test_grey_stored_as_colour_changes_like_grey() -> None:
    grey = rng().integers(0, 255, (9, 9, 1), dtype=np.uint8)
    config = AugmentationConfig(hue=0.3, saturation=0.7, value=0.4)
    assert np.array_equal(
        change_colours(np.repeat(grey, 3, axis=2), config, rng()),
        np.repeat(change_colours(grey, config, rng()), 3, axis=2),
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_pair_stays_one_and_its_template_moves_a_little(dtype: type[np.generic]) -> None:
    full = np.iinfo(dtype).max
    pair = np.zeros((40, 60, 3), dtype)
    pair[16:24, 26:34] = full // 4
    config = AugmentationConfig(hue=0.5, saturation=0.5, value=0.5, template_shift=1.5)
    value, right, down = rng().uniform(-1, 1, 3) * (0.5, 1.5, 1.5)
    changed = change_pair(pair, config, rng())
    assert changed.dtype == dtype
    assert np.array_equal(changed[:, :, 0], changed[:, :, 1])
    assert changed[20, 30].tolist() == pytest.approx([full // 4 * (1 + value)] * 3, abs=1)
    rows, columns = np.mgrid[:40, :60]
    template = changed[:, :, 2].astype(float)
    center = [(template * axis).sum() / template.sum() for axis in (columns, rows)]
    assert center == pytest.approx([29.5 + right, 19.5 + down], abs=0.1)
    moved = change_pair(pair, config.model_copy(update={"value": 0.0}), rng())
    assert np.array_equal(moved[:, :, 0], pair[:, :, 0])


def test_strips_are_not_to_be_seen() -> None:
    rows = 3 * STRIP_VALUES // (64 * 3) + 5
    image = np.tile(rng().integers(0, 255, (1, 64, 3), dtype=np.uint8), (rows, 1, 1))
    changed = change_colours(image, AugmentationConfig(), rng())
    assert (changed == changed[:1]).all()


@pytest.mark.parametrize("hue", [-0.25, 0.0, 0.1, 0.9])
def test_hue_saturation_and_value_are_those_of_the_standard_library(hue: float) -> None:
    image = rng().integers(0, 256, (8, 8, 3), dtype=np.uint8)
    found = scale_hsv(image, hue, 1.3, 0.8)
    for pixel, changed in zip(image.reshape(-1, 3), found.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(float(c) for c in pixel / 255))
        expected = np.array(colorsys.hsv_to_rgb((h + hue) % 1, min(1, s * 1.3), v * 0.8)) * 255
        assert np.allclose(changed, expected, atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_blend_is_the_rounded_mean(dtype: type[np.generic], channels: int) -> None:
    first, second = (rng().integers(0, np.iinfo(dtype).max, (5, 7, channels), dtype=dtype) for _ in range(2))
    mixed = blend(first, second, 0.25)
    assert mixed.shape == first.shape
    assert np.abs(mixed - (0.25 * first + 0.75 * second)).max() <= 0.5


def test_depths_meet_at_sixteen_bits() -> None:
    white = np.full((1, 1, 1), 255, np.uint8)
    assert match_depth(white, np.dtype(np.uint8)) is white
    assert match_depth(white, np.dtype(np.uint16)).item() == 65535
    assert blend(white, np.full((1, 1, 1), 65535, np.uint16), 0.5).item() == 65535
