"""What each planted defect does to a board of three traces, counted by connected parts."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.data.surfaces.planting import (
    LEAST_PIECE,
    PLANTED_DEFECTS,
    Planting,
    Tone,
    find_tones,
    plant_defects,
    share_between,
)
from sdgasnet.errors import DataError

TONES = 10, 240
SPECK = 10
ALL = {kind: label for label, kind in enumerate(PLANTED_DEFECTS)}


def board(dtype: type[np.generic] = np.uint8) -> NDArray[Any]:
    """Three dark traces from side to side on a light ground."""
    image: NDArray[Any] = np.full((128, 160, 1), TONES[1], dtype)
    for top in (20, 56, 92):
        image[top : top + 16] = TONES[0]
    return image


def count_parts(image: NDArray[Any], dark: bool, least: int = 1) -> int:
    """Connected parts of one tone that have at least so many pixels."""
    mask = (image[:, :, 0] < 125) == dark
    areas = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return int((areas >= least).sum())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("kind", "copper_parts", "ground_parts", "copper_grows"),
    [
        ("open", 4, 3, False),
        ("short", 2, 5, True),
        ("mouse_bite", 3, 4, False),
        ("spur", 3, 4, True),
        ("pin_hole", 3, 5, False),
        ("spurious_copper", 4, 4, True),
    ],
)
def test_each_kind_does_to_the_board_what_its_name_says(
    kind: str,
    copper_parts: int,
    ground_parts: int,
    copper_grows: bool,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdgasnet.data.surfaces.strokes.HATCHED_SHARE", 0.0)
    monkeypatch.setattr("sdgasnet.data.surfaces.planting.NOTCH_SHARE", 1.0)
    good = board()
    planting = Planting({kind: 5}, "dark", margin=0)
    picture, defects = plant_defects(good, 1, TONES, planting, np.random.default_rng(seed))
    assert [defect.label for defect in defects] == [5]
    # Blobs of either tone may be hollow, a ragged cut may leave specks; one along the border parts nothing.
    left, _, right, _ = defects[0].box_xyxy
    at_border = left == 0 or right == 160
    more_copper, more_ground = (
        count_parts(picture, True, SPECK) - copper_parts,
        count_parts(picture, False, SPECK) - ground_parts,
    )
    assert -(kind == "open" and at_border) <= more_copper <= 2 * (kind in ("open", "pin_hole"))
    assert -(kind == "short" and at_border) <= more_ground <= 2 * (kind in ("short", "spurious_copper"))
    assert ((picture < 125).sum() > (good < 125).sum()) == copper_grows


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("kind", ["mouse_bite", "spur"])
def test_bites_along_the_edge_part_and_join_nothing(kind: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may leave specks; no trace is parted, no two are joined."""
    monkeypatch.setattr("sdgasnet.data.surfaces.planting.NOTCH_SHARE", 0.0)
    planting = Planting({kind: 0}, "dark", 0)
    picture, defects = plant_defects(board(), 1, TONES, planting, np.random.default_rng(seed))
    assert len(defects) == 1
    assert count_parts(picture, dark=True, least=LEAST_PIECE) == 3
    assert count_parts(picture, dark=False, least=LEAST_PIECE) == 4


def test_bites_are_as_wide_along_the_edge_as_strokes_that_open_a_trace() -> None:
    """Or their size would tell them apart, and not what they do."""
    widths = {"mouse_bite": np.zeros(80), "open": np.zeros(80)}
    for kind, found in widths.items():
        for seed in range(80):
            planting = Planting({kind: 0}, "dark", 0)
            _, (defect,) = plant_defects(board(), 1, TONES, planting, np.random.default_rng(seed))
            found[seed] = defect.box_xyxy[2] - defect.box_xyxy[0]
    assert np.quantile(widths["mouse_bite"], 0.9) >= np.quantile(widths["open"], 0.9)
    assert np.quantile(widths["mouse_bite"], 0.2) <= np.quantile(widths["open"], 0.5)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["mouse_bite", "spur"])
def test_thin_traces_and_gaps_stay_whole_under_bites(kind: str, seed: int) -> None:
    dark, light = TONES if kind == "mouse_bite" else TONES[::-1]
    thin: NDArray[Any] = np.full((96, 160, 1), light, np.uint8)
    for top in (20, 40, 60):
        thin[top : top + 7] = dark
    picture, _ = plant_defects(thin, 3, TONES, Planting({kind: 0}, "dark", 2), np.random.default_rng(seed))
    assert count_parts(picture, dark=kind == "mouse_bite", least=LEAST_PIECE) == 3


def test_no_short_is_drawn_across_a_drill_hole() -> None:
    """A pad with a hole and nothing near: there is no gap that copper could bridge."""
    pad: NDArray[Any] = np.full((200, 200, 1), TONES[1], np.uint8)
    cv2.circle(pad, (100, 100), 30, TONES[0], cv2.FILLED)
    cv2.circle(pad, (100, 100), 14, TONES[1], cv2.FILLED)
    planting = Planting({"short": 0}, "dark", 0)
    _, alone = plant_defects(pad, 1, TONES, planting, np.random.default_rng(0))
    assert alone == ()
    pad[:, 140:150] = TONES[0]
    for seed in range(10):
        _, (short,) = plant_defects(pad, 1, TONES, planting, np.random.default_rng(seed))
        assert short.box_xyxy[0] >= 100


@pytest.mark.parametrize("seed", range(40))
def test_hatchings_open_and_bridge_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may leave specks, but no way across."""
    monkeypatch.setattr("sdgasnet.data.surfaces.strokes.HATCHED_SHARE", 1.0)
    rng = np.random.default_rng(seed)
    opened, _ = plant_defects(board(), 1, TONES, Planting({"open": 0}, "dark", 0), rng)
    assert count_parts(opened, dark=True) >= 4
    assert count_parts(opened, dark=False) == 3
    bridged, _ = plant_defects(board(), 1, TONES, Planting({"short": 0}, "dark", 0), rng)
    parts = cv2.connectedComponents((bridged[:, :, 0] < 125).astype(np.uint8))[1]
    assert len({int(parts[y, 0]) for y in (28, 64, 100)}) == 2


@pytest.mark.parametrize("margin", [0, 7])
@pytest.mark.parametrize("kind", PLANTED_DEFECTS)
def test_the_box_is_the_hull_of_what_changed_and_a_margin(kind: str, margin: int) -> None:
    for seed in range(5):
        good = board()
        before = good.copy()
        planting = Planting({kind: 0}, "dark", margin)
        picture, defects = plant_defects(good, 1, TONES, planting, np.random.default_rng(seed))
        assert np.array_equal(good, before)
        ys, xs = np.nonzero((picture != good)[:, :, 0])
        hull = [xs.min() - margin, ys.min() - margin, xs.max() + 1 + margin, ys.max() + 1 + margin]
        assert [list(defect.box_xyxy) for defect in defects] == [np.clip(hull, 0, [160, 128, 160, 128]).tolist()]


@pytest.mark.parametrize("copper", ["dark", "light"])
def test_light_copper_is_the_negative_of_dark_copper(copper: Tone) -> None:
    good = board() if copper == "dark" else 250 - board()
    picture, defects = plant_defects(good, 1, TONES, Planting({"open": 0}, copper, 0), np.random.default_rng(1))
    assert len(defects) == 1
    assert count_parts(picture, dark=copper == "dark") >= 4


def test_several_defects_lie_apart_and_all_kinds_come() -> None:
    labels = set()
    for seed in range(12):
        picture, defects = plant_defects(board(), 6, TONES, Planting(ALL, "dark", 3), np.random.default_rng(seed))
        again, _ = plant_defects(board(), 6, TONES, Planting(ALL, "dark", 3), np.random.default_rng(seed))
        assert np.array_equal(picture, again)
        boxes = np.array([defect.box_xyxy for defect in defects])
        for number, (x1, y1, x2, y2) in enumerate(boxes):
            others = np.delete(boxes, number, axis=0)
            apart = (others[:, 0] >= x2) | (others[:, 2] <= x1) | (others[:, 1] >= y2) | (others[:, 3] <= y1)
            assert apart.all()
        labels |= {defect.label for defect in defects}
    assert labels == set(ALL.values())


def test_no_seam_is_left_where_a_soft_edge_was() -> None:
    """The half of a soft edge that lies beyond the stroke would show where the edge of the good board was."""
    soft = cv2.GaussianBlur(board(), (5, 5), 0)[:, :, None]
    for seed in range(20):
        planting = Planting({"open": 0}, "dark", 0)
        picture, _ = plant_defects(soft, 1, TONES, planting, np.random.default_rng(seed))
        changed = (picture != soft) & (soft < sum(TONES) / 2)
        near = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & (
            soft[:, :, 0] >= 125
        )
        assert near.any()
        assert (picture[near] == TONES[1]).all()


def test_sixteen_bits_stay_sixteen_bits() -> None:
    deep = board(np.uint16) * np.uint16(257)
    tones = (TONES[0] * 257, TONES[1] * 257)
    picture, defects = plant_defects(
        deep, 1, tones, Planting({"pin_hole": 0}, "dark", 0), np.random.default_rng(0)
    )
    assert picture.dtype == np.uint16
    assert len(defects) == 1
    assert set(np.unique(picture)) == set(tones)


@pytest.mark.parametrize("level", TONES)
def test_a_board_that_shows_one_tone_takes_what_fits_there_and_nothing_else(level: int) -> None:
    blank = np.full((96, 96, 1), level, np.uint8)
    planting = Planting(ALL, "dark", 3)
    _, defects = plant_defects(blank, 3, TONES, planting, np.random.default_rng(0))
    kind = "pin_hole" if level == TONES[0] else "spurious_copper"
    assert {defect.label for defect in defects} == {ALL[kind]}


def test_tones_of_a_soft_picture_are_found_and_a_photograph_is_refused() -> None:
    soft = cv2.GaussianBlur(board(), (3, 3), 0)
    counts = np.bincount(soft.ravel(), minlength=256)
    assert find_tones(counts) == TONES
    assert 0 < share_between(counts, TONES) < 0.1
    with pytest.raises(DataError, match=r"not of two tones.* 49% of all between"):
        find_tones(np.ones(256, np.int64))
    with pytest.raises(DataError, match="lie from 7 to 7"):
        find_tones(np.bincount([7] * 100, minlength=256))
