"""``sdgasnet data`` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

BOX = "0 0.5 0.5 0.4 0.25\n"


def sdgasnet(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from sdgasnet.cli.main import main; main()"
    command = [sys.executable, "-c", code, "data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """Twelve pictures of four boards, YOLO; every third one is background."""
    root = tmp_path / "boards"
    for folder in ("images", "labels"):
        (root / folder / "train").mkdir(parents=True)
    for number in range(12):
        name = f"board{number % 4}_{number:02}"
        pixels = np.random.default_rng(number).integers(60, 200, (40, 60), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / "train" / f"{name}.png"), pixels)
        (root / "labels" / "train" / f"{name}.txt").write_text(BOX if number % 3 else "")
    (root / "data.yaml").write_text("train: images/train\nnames: [pit]\n")
    return root


def assert_clear_error(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert all(text in done.stderr for text in said), done.stderr


def test_check_of_a_clean_set(boards):
    done = sdgasnet("check", boards)
    assert done.returncode == 0, done.stderr
    assert "8 in 8" in done.stdout
    assert "4 (33%)" in done.stdout
    assert "0 errors, 0 warnings" in done.stdout


def test_check_of_a_set_with_errors(boards):
    (boards / "images" / "train" / "board0_00.png").write_text("hello")
    (boards / "labels" / "train" / "board1_01.txt").write_text("3 0.5 0.5 0.1 0.1\n")
    done = sdgasnet("check", boards)
    assert done.returncode == 1, done.stderr
    assert "unreadable-picture" in done.stdout
    assert "unknown-class" in done.stdout
    assert "2 errors" in done.stdout


def test_check_as_json(boards):
    done = sdgasnet("check", boards, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["format"], report["class_names"]) == (0, "yolo", ["pit"])
    assert report["statistics"]["splits"]["train"]["background"] == 4
    assert all(
        set(finding) == {"severity", "kind", "where", "message", "others"} for finding in report["findings"]
    )


def test_check_of_what_is_no_data_set(tmp_path):
    assert_clear_error(sdgasnet("check", tmp_path / "gone"), "does not exist")
    (tmp_path / "empty").mkdir()
    assert_clear_error(sdgasnet("check", tmp_path / "empty"), "the folder is empty", "data.yaml")
    assert_clear_error(sdgasnet("check", tmp_path / "empty", "--format", "voc"), "no Pascal VOC data set")


def test_convert_and_check_again(boards, tmp_path):
    done = sdgasnet("convert", boards, tmp_path / "voc", "--to", "voc")
    assert done.returncode == 0, done.stderr
    assert "12 pictures as voc" in done.stderr
    report = json.loads(sdgasnet("check", tmp_path / "voc", "--json").stdout)
    assert (report["format"], report["statistics"]["splits"]["train"]["boxes"]) == ("voc", 8)
    assert_clear_error(sdgasnet("convert", boards, tmp_path / "voc", "--to", "coco"), "not an empty folder")


def test_split_by_board(boards, tmp_path):
    done = sdgasnet(
        "split", boards, tmp_path / "out", "--parts", "train=0.5,val=0.5", "--group", r"board(\d)", "--seed", 4
    )
    assert done.returncode == 0, done.stderr
    assert "val" in done.stdout
    boards_of = {
        part: {path.name[:6] for path in (tmp_path / "out" / "images" / part).iterdir()}
        for part in ("train", "val")
    }
    assert [len(found) for found in boards_of.values()] == [2, 2]
    assert not boards_of["train"] & boards_of["val"]
    assert sdgasnet("check", tmp_path / "out").returncode == 0


def test_split_that_cannot_be(boards, tmp_path):
    out = tmp_path / "out"
    assert_clear_error(sdgasnet("split", boards, out, "--group", "coil"), "does not match 12 of 12 file names")
    assert_clear_error(sdgasnet("split", boards, out, "--parts", "train=2"), "expected something like")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boards"]
