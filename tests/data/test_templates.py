"""Templates by place, and ``sdgasnet data pair`` as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdgasnet.data.index import load_dataset
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.data.templates import Templates, find_templates
from sdgasnet.errors import ConfigError, DataError, ImageError
from sdgasnet.imaging.template import read_input


def pair(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdgasnet", "data", "pair", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def picture(place: int) -> np.ndarray:
    return generate_surface("board", (128, 160), seed=3, index=place, good_share=1.0).image[:, :, :1]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "good").mkdir()
    for place in range(3):
        cv2.imwrite(str(tmp_path / "good" / f"place{place}.png"), picture(place))
    return tmp_path / "good"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two pictures of every place with a hole each; the hole of a place is where its number says."""
    root = tmp_path / "labelled"
    for split, shift in (("train", 2), ("val", 3)):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for place in range(3):
            image = np.roll(picture(place), shift, axis=1)
            cv2.circle(image, (40 + 30 * place, 64), 6, 128, -1)
            cv2.imwrite(str(root / "images" / split / f"place{place}_{split}.png"), image)
            line = f"0 {(40 + 30 * place) / 160} 0.5 0.075 0.1\n"
            (root / "labels" / split / f"place{place}_{split}.txt").write_text(line)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [hole]\n")
    return root


def assert_clear_error(done: subprocess.CompletedProcess[str], out: Path, *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert all(text in done.stderr for text in said), done.stderr
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))


def test_each_picture_lies_beside_its_own_template(labelled: Path, good: Path, tmp_path: Path) -> None:
    done = pair(labelled, good, tmp_path / "pairs")
    assert done.returncode == 0, done.stderr
    assert "train: 3 of 3 pictures lie beside their template" in done.stderr
    before, after = load_dataset(labelled), load_dataset(tmp_path / "pairs")
    assert after.class_names == before.class_names
    for split in ("train", "val"):
        for old, new in zip(before.splits[split], after.splits[split], strict=True):
            assert new.path.name == old.path.name
            assert new.objects == old.objects
            image = read_input(new.path, 3, True).astype(int)
            difference = np.abs(image[:, :, 0] - image[:, :, 2])
            x1, y1, x2, y2 = map(round, new.objects[0].box_xyxy)
            inside, everywhere = difference[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].mean(), difference.mean()
            assert inside > 40 > 10 > everywhere


def test_a_picture_without_template_stops_all_or_is_left_out(labelled: Path, good: Path, tmp_path: Path) -> None:
    (good / "place1.png").unlink()
    out = tmp_path / "pairs"
    assert_clear_error(
        pair(labelled, good, out), out, "2 of 6 pictures", "place1_train.png has no template", "--drop"
    )
    done = pair(labelled, good, out, "--drop")
    assert done.returncode == 0, done.stderr
    assert "val: 2 of 3 pictures" in done.stderr
    assert "left out: 2 that have no template" in done.stderr


def test_a_wrong_template_is_no_template(labelled: Path, good: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(good / "place2.png"), picture(40))
    out = tmp_path / "pairs"
    said = ("2 of 6 pictures", "place2_train.png and its template", "do not show the same place")
    assert_clear_error(pair(labelled, good, out), out, *said)
    done = pair(labelled, good, out, "--drop")
    assert "left out: 2 that do not lie on theirs" in done.stderr


def test_nothing_is_written_where_nothing_would_be_left(labelled: Path, good: Path, tmp_path: Path) -> None:
    for place in range(3):
        cv2.imwrite(str(good / f"place{place}.png"), picture(50 + place))
    out = tmp_path / "pairs"
    assert_clear_error(pair(labelled, good, out, "--drop"), out, "Nothing would be left of 'train'")


def test_a_split_that_was_empty_before_does_not_stop(labelled: Path, good: Path, tmp_path: Path) -> None:
    for file in labelled.rglob("*_val.*"):
        file.unlink()
    (good / "place1.png").unlink()
    done = pair(labelled, good, tmp_path / "pairs", "--drop")
    assert done.returncode == 0, done.stderr
    assert "train: 2 of 3 pictures" in done.stderr


def test_one_template_for_all(labelled: Path, good: Path, tmp_path: Path) -> None:
    done = pair(labelled, good / "place0.png", tmp_path / "pairs", "--drop")
    assert "train: 1 of 3 pictures" in done.stderr


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (lambda good: None, ("--place", "("), "no regular expression"),
        (lambda good: None, ("--place", "place"), "no group in parentheses"),
        (lambda good: None, ("--place", "^(x)"), "is not in the name of template"),
        (lambda good: None, ("--place", "^(p)"), "are both of place 'p'"),
        (lambda good: [file.unlink() for file in good.iterdir()], (), "holds no pictures"),
    ],
)
def test_templates_that_can_t_be_told_apart(labelled, good, tmp_path, change, arguments, said) -> None:
    change(good)
    out = tmp_path / "pairs"
    assert_clear_error(pair(labelled, good, out, *arguments), out, said)


def test_a_pattern_says_which_part_of_a_name_is_the_place(tmp_path: Path) -> None:
    for name in ("00041_temp.png", "00042_temp.png"):
        cv2.imwrite(str(tmp_path / name), picture(0))
    templates = find_templates(tmp_path, r"^(\d+)_")
    assert templates.of(Path("line/00042_test.png")).name == "00042_temp.png"
    with pytest.raises(ImageError, match=r"none of the 2 templates .* is of place '00043'"):
        templates.of(Path("00043_test.png"))
    with pytest.raises(ImageError, match=r"pattern .* is not in its name"):
        templates.of(Path("test.png"))


def test_the_longest_name_counts_and_a_file_is_for_all() -> None:
    known = Templates({"a": Path("a.png"), "a1": Path("a1.png")})
    pictures = [Path("line", name) for name in ("a1_x.png", "a_x.png", "a.png")]
    assert [known.of(picture).name for picture in pictures] == ["a1.png", "a.png", "a.png"]
    with pytest.raises(ImageError, match="its name begins with none of the 2 names"):
        known.of(Path("b.png"))
    with pytest.raises(ImageError, match="its name begins with none"):
        known.of(Path("a12.png"))


def test_no_picture_is_its_own_template(good: Path) -> None:
    for templates in (find_templates(good), find_templates(good / "place0.png")):
        with pytest.raises(ImageError, match="its own template"):
            templates.of(good / ".." / "good" / "place0.png")
        assert templates.of(good / "elsewhere" / "place0.png") == good / "place0.png"


def test_a_folder_that_is_not_there_and_a_pattern_for_one_file(good: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        find_templates(good / "nowhere")
    with pytest.raises(ConfigError, match="one for all pictures"):
        find_templates(good / "place0.png", "(.)")
