from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sdgasnet.data.check import check_dataset
from sdgasnet.data.index import load_dataset
from sdgasnet.data.near_duplicates import NearDuplicate, find_near_duplicates, group_near_duplicates
from sdgasnet.data.split import split_dataset
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.imaging.image import Image

SIDE = 256


def surface(seed: int) -> Image:
    return generate_surface("steel", (2 * SIDE, 2 * SIDE), seed, 0, good_share=0.0).image[:, :, 0]


def cut(picture: Image, x: int, y: int) -> Image:
    return picture[y : y + SIDE, x : x + SIDE]


def write(folder: Path, pictures: dict[str, Image]) -> list[Path]:
    paths = [folder / name for name in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        assert cv2.imwrite(str(path), picture)
    return paths


@pytest.fixture(scope="module")
def strip() -> Image:
    return surface(0)


def others() -> dict[str, Image]:
    """Twelve surfaces of the same kind."""
    return {f"other{n}.png": cut(surface(n + 1), 0, 0) for n in range(12)}


@pytest.mark.parametrize(
    "change",
    [
        lambda strip: cut(strip, 100, 100),
        lambda strip: cut(strip, 170, 120),
        lambda strip: cut(strip, 40, 100),
        lambda strip: cv2.convertScaleAbs(cut(strip, 100, 100), alpha=0.8, beta=20),
        lambda strip: cv2.resize(cut(strip, 100, 100), (320, 320), interpolation=cv2.INTER_AREA),
        lambda strip: cv2.imdecode(
            cv2.imencode(".jpg", cut(strip, 100, 100), [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 0
        ),
    ],
    ids=["same", "shifted", "shifted back", "darker", "larger", "jpeg"],
)
def test_the_same_surface_is_found_among_others(strip: Image, change, tmp_path: Path) -> None:
    paths = write(tmp_path, {"first.png": cut(strip, 100, 100), **others(), "second.png": change(strip)})
    assert [(pair.first, pair.second) for pair in find_near_duplicates(paths)] == [(0, len(paths) - 1)]


def test_shift_says_where_the_content_is(strip: Image, tmp_path: Path) -> None:
    paths = write(tmp_path, {"a.png": cut(strip, 100, 100), "b.png": cut(strip, 60, 120)})
    (pair,) = find_near_duplicates(paths)
    assert pair.shift == pytest.approx((40 / SIDE, -20 / SIDE), abs=0.01)


def test_surfaces_of_one_kind_are_not_the_same(tmp_path: Path) -> None:
    flat = {f"flat{n}.png": np.full((64, 64), 100, np.uint8) for n in range(2)}
    assert find_near_duplicates(write(tmp_path, {**others(), **flat})) == []


def test_files_that_are_no_pictures_are_like_no_other(strip: Image, tmp_path: Path) -> None:
    paths = write(tmp_path, {"a.png": cut(strip, 0, 0), "c.png": cut(strip, 20, 0)})
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert [(p.first, p.second) for p in find_near_duplicates([paths[0], tmp_path / "b.png", paths[1]])] == [
        (0, 2)
    ]
    assert find_near_duplicates([]) == find_near_duplicates([tmp_path / "b.png"]) == []


def test_sixteen_bits_are_compared_with_eight(strip: Image, tmp_path: Path) -> None:
    picture = cut(strip, 0, 0)
    paths = write(tmp_path, {"a.png": picture, "b.png": picture.astype(np.uint16) * 257})
    assert len(find_near_duplicates(paths)) == 1


def test_a_long_chain_is_one_group() -> None:
    pairs = [NearDuplicate(n, n + 1, (0.0, 0.0), 1.0) for n in range(99_999)]
    assert group_near_duplicates(pairs, 100_000) == [tuple(range(100_000))]


def test_check_names_groups_and_split_keeps_them_together(strip: Image, make_yolo) -> None:
    names = [f"p{n:02}" for n in range(14)]
    labels = dict.fromkeys(names, "0 0.5 0.5 0.2 0.2\n")
    root = make_yolo({"train": {n: labels[n] for n in names[:10]}, "val": {n: labels[n] for n in names[10:]}})
    near = {"p00": (0, 0), "p01": (60, 30), "p12": (30, 60)}
    for number, name in enumerate(names):
        path = next(root.rglob(f"{name}.png"))
        picture = cut(strip, *near[name]) if name in near else cut(surface(number + 1), 0, 0)
        assert cv2.imwrite(str(path), picture)
    index = load_dataset(root)
    found = [f for f in check_dataset(index, near_duplicates=True).findings if f.kind.startswith("near")]
    assert [(f.severity, f.kind) for f in found] == [("error", "near-duplicates-across-splits")]
    assert all(name in found[0].message for name in ("p00", "p01", "p12"))
    assert not [f for f in check_dataset(index).findings if f.kind.startswith("near")]
    for seed in range(5):
        parts = split_dataset(index, {"a": 0.5, "b": 0.5}, None, seed)
        homes = {split for split, members in parts.splits.items() for r in members if r.path.stem in near}
        assert len(homes) == 1
    ignored = [split_dataset(index, {"a": 0.5, "b": 0.5}, None, seed, near_duplicates=False) for seed in range(5)]
    assert any(
        len({s for s, m in parts.splits.items() for r in m if r.path.stem in near}) == 2 for parts in ignored
    )
