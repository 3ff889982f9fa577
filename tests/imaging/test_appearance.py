from __future__ import annotations

import cv2
import numpy as np
import pytest

from sdgasnet.imaging.appearance import Appearance, describe_appearance
from sdgasnet.imaging.image import Image


@pytest.fixture
def lines() -> Image:
    """Lines that run down, on a smooth ground, with the noise of a sensor."""
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.normal(0, 1, (200, 240)), (0, 0), 6)
    across = np.sin(np.arange(240) / 1.5)
    return np.clip(120 + 200 * smooth + 40 * across + rng.normal(0, 6, (200, 240)), 0, 255).astype(np.uint8)[
        :, :, None
    ]


def change(before: Image, after: Image) -> Appearance:
    pairs = zip(describe_appearance(after), describe_appearance(before), strict=True)
    return Appearance(*(now - then for now, then in pairs))


def test_a_dimmer_lamp_shifts_light_alone(lines: Image) -> None:
    found = change(lines, (lines * 0.85 + 0.5).astype(np.uint8))
    assert found.brightness == pytest.approx(np.log(0.85), abs=0.02)
    assert found.highlights == pytest.approx(np.log(0.85), abs=0.02)
    assert found.contrast == pytest.approx(np.log(0.85), abs=0.02)
    assert abs(found.sharpness) < 0.03
    assert abs(found.direction) < 0.02


def test_a_lost_focus_costs_sharpness_and_noise(lines: Image) -> None:
    found = change(lines, cv2.GaussianBlur(lines, (0, 0), 1.0)[:, :, None])
    assert found.sharpness < -0.1
    assert found.noise < -0.3
    assert abs(found.brightness) < 0.01


def test_a_turned_camera_changes_the_sign_of_the_direction(lines: Image) -> None:
    before, after = describe_appearance(lines), describe_appearance(np.rot90(lines))
    assert before.direction > 1
    assert after.direction == pytest.approx(-before.direction, abs=1e-6)
    assert after.sharpness == pytest.approx(before.sharpness, abs=0.01)


def test_depth_and_equal_channels_change_nothing(lines: Image) -> None:
    wanted = describe_appearance(lines)
    assert describe_appearance(lines.astype(np.uint16) * 257) == pytest.approx(wanted, abs=0.002)
    assert describe_appearance(np.repeat(lines, 3, axis=2)) == pytest.approx(wanted, abs=0.002)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 1), (7, 1, 3), (2, 2, 1), (1500, 20, 1)])
@pytest.mark.parametrize("value", [0, 255])
def test_pictures_without_texture_have_numbers(shape: tuple[int, int, int], value: int) -> None:
    assert np.isfinite(describe_appearance(np.full(shape, value, np.uint8))).all()
