"""``sdgasnet data plant`` as a user calls it, and the errors it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdgasnet.data.index import load_dataset
from sdgasnet.data.plant import Encoding, find_encoding, parse_kinds
from sdgasnet.errors import ConfigError
from sdgasnet.imaging.image import read_image


def plant(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdgasnet", "data", "plant", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Five boards, one of them below a folder of its own with a name that another has."""
    folder = tmp_path / "good"
    (folder / "more").mkdir(parents=True)
    for number in range(5):
        image = np.full((96, 128), 250, np.uint8)
        image[20 + number : 36 + number] = image[60 : 72 + number] = 3
        name = folder / f"board{number}.png" if number < 4 else folder / "more" / "board0.png"
        cv2.imwrite(str(name), image)
    return folder


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    root = tmp_path / "labelled"
    for split in ("train", "val"):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        cv2.imwrite(str(root / "images" / split / f"real_{split}.png"), np.full((96, 128), 99, np.uint8))
        (root / "labels" / split / f"real_{split}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [dust, mousebite, open]\n")
    return root


def assert_clear_error(done: subprocess.CompletedProcess[str], out: Path, *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert all(text in done.stderr for text in said), done.stderr
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))


def test_a_set_from_good_boards_alone(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "planted"
    done = plant(good, out, "--copies", 3, "--good-share", 0, "--most-defects", 4, "--format", "voc")
    assert done.returncode == 0, done.stderr
    index = load_dataset(out)
    assert {split: len(records) for split, records in index.splits.items()} == {"train": 12, "val": 3}
    assert index.findings == ()
    assert all(1 <= len(record.objects) <= 4 for records in index.splits.values() for record in records)
    assert not list(out.parent.glob(".planted*"))


def test_planted_pictures_beside_labelled_ones(good: Path, labelled: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    options = ("--into", labelled, "--kinds", "open,mouse_bite=mousebite", "--copies", 2, "--margin", 0)
    for folder in (out, again):
        done = plant(good, folder, *options)
        assert done.returncode == 0, done.stderr
    index = load_dataset(out)
    assert index.class_names == ("dust", "mousebite", "open")
    assert [record.path.name for record in index.splits["val"]] == ["real_val.png"]
    planted = [record for record in index.splits["train"] if record.path.name != "real_train.png"]
    assert len(planted) == 10
    assert {thing.label for record in planted for thing in record.objects} == {1, 2}
    assert load_dataset(again).content_hash == index.content_hash
    for record in planted:
        good_one = min(
            (read_image(path, 1) for path in good.rglob("*.png")),
            key=lambda image: int((image != read_image(record.path, 1)).sum()),
        )
        ys, xs = np.nonzero((good_one != read_image(record.path, 1))[:, :, 0])
        inside = np.zeros(len(xs), np.bool_)
        for thing in record.objects:
            x1, y1, x2, y2 = thing.box_xyxy
            inside |= (xs >= x1 - 0.01) & (xs < x2) & (ys >= y1 - 0.01) & (ys < y2)
        assert inside.all()


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_planted_pictures_are_compressed_as_those_they_join(
    good: Path, labelled: Path, tmp_path: Path, quality: int
) -> None:
    """A network must not tell planted pictures from the others by the traces of their compression."""
    place = labelled / "images" / "train"
    (place / "real_train.png").unlink()
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128), np.uint8)
    cv2.imwrite(str(place / "real_train.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    out = tmp_path / "out"
    done = plant(good, out, "--into", labelled, "--kinds", "open")
    assert done.returncode == 0, done.stderr
    assert f"stored as JPEG of quality {quality}" in done.stderr + done.stdout
    planted = [path for path in (out / "images" / "train").iterdir() if "planted" in path.name]
    assert {path.suffix for path in planted} == {".jpg"}
    assert find_encoding(planted, (3, 250)) == Encoding(quality)


def test_most_pictures_decide_on_the_encoding(good: Path) -> None:
    paths = sorted(good.rglob("*.png"))
    assert find_encoding(paths, (3, 250)) == Encoding(None)
    for path in paths[:3]:
        cv2.imwrite(str(path.with_suffix(".JPG")), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert find_encoding([*(path.with_suffix(".JPG") for path in paths[:3]), *paths[3:]], (3, 250)) == Encoding(95)
    assert find_encoding([*(path.with_suffix(".JPG") for path in paths[:2]), *paths[2:]], (3, 250)) == Encoding(
        None
    )


def test_good_pictures_of_16_bits_join_no_jpeg(good: Path, labelled: Path, tmp_path: Path) -> None:
    for path in good.rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 257)
    out = tmp_path / "out"
    assert plant(good, out, "--copies", 1, "--good-share", 0).returncode == 0
    assert {read_image(path, 1).dtype for path in out.rglob("*.png")} == {np.dtype(np.uint16)}
    place = labelled / "images" / "train"
    cv2.imwrite(str(place / "real_train.jpg"), cv2.imread(str(place / "real_train.png")))
    (place / "real_train.png").unlink()
    done = plant(good, tmp_path / "joined", "--into", labelled, "--kinds", "open")
    assert_clear_error(done, tmp_path / "joined", "have 16 bits", "real_train.jpg")


def test_what_is_no_board_is_named(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ramp = np.tile(np.linspace(0, 255, 128).astype(np.uint8), (96, 1))
    cv2.imwrite(str(good / "photo.png"), ramp)
    assert_clear_error(plant(good, out), out, "photo.png", "not of the two tones 3 and 250")
    cv2.imwrite(str(good / "photo.png"), ramp.astype(np.uint16) * 257)
    assert_clear_error(plant(good, out), out, "photo.png", "differ in depth")
    (good / "photo.png").write_bytes((good / "board1.png").read_bytes()[:60])
    assert_clear_error(plant(good, out), out, "photo.png")


def test_wrong_calls_say_what_to_do(good: Path, labelled: Path, tmp_path: Path) -> None:
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    assert_clear_error(plant(empty, out), out, f"No pictures in {empty}")
    assert_clear_error(plant(empty / "more", out), out, f"There is no folder {empty / 'more'}")
    assert_clear_error(plant(good, out, "--least-defects", 5, "--most-defects", 2), out, "--least-defects")
    done = plant(good, out, "--into", labelled)
    assert_clear_error(done, out, "has no class short, mouse_bite, spur", "it has dust, mousebite, open")
    full = plant(good, labelled)
    assert full.returncode == 2
    assert "not an empty folder" in full.stderr


@pytest.mark.parametrize("text", ["open,crack", "open,open", "open=a,open=b", "", "open,"])
def test_kinds_that_are_unknown_or_repeated_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is unknown or stands there twice"):
        parse_kinds(text)
