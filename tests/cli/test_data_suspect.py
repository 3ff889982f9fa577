"""Suspicions from the files that trainings leave."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sdgasnet.cli.main import app
from sdgasnet.evaluation.detections_file import write_detections
from sdgasnet.imaging.detections import Detections


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four pictures with one box each, in YOLO format; the last one has none."""
    root = tmp_path / "data"
    for folder in ("images", "labels"):
        (root / folder / "train").mkdir(parents=True)
    for n in range(4):
        cv2.imwrite(str(root / f"images/train/{n}.png"), np.full((100, 100), 40 * n, np.uint8))
        (root / f"labels/train/{n}.txt").write_text("0 0.5 0.5 0.4 0.4\n" if n < 3 else "")
    (root / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [pit]\n")
    return root


def write_run(folder: Path, numbers: list[int], class_names: tuple[str, ...] = ("pit",)) -> Path:
    box = np.array([[30.0, 30.0, 70.0, 70.0]], np.float32)
    found = [Detections(box, np.array([0.9], np.float32), np.array([0]), (100, 100)) for _ in numbers]
    folder.mkdir()
    write_detections(folder / "detections.json", class_names, [f"images/train/{n}.png" for n in numbers], found)
    return folder


def test_the_missing_box_comes_first(data: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", [0, 1]), write_run(tmp_path / "b", [3])]
    out = tmp_path / "suspicions.json"
    done = CliRunner().invoke(app, ["data", "suspect", str(data), *map(str, runs), "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert "1 of 4 pictures were measured by none of the runs" in done.output
    document = json.loads(out.read_text())
    first = document["suspicions"][0]
    assert (first["picture"], first["kind"]) == ("images/train/3.png", "missing")
    assert first["found"] == {"class": "pit", "box_xyxy": [30.0, 30.0, 70.0, 70.0]}
    assert document["pictures"] == 3


def test_runs_that_do_not_fit_are_refused(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [0])
    for other, message in (
        (write_run(tmp_path / "twice", [0]), "as another run did"),
        (write_run(tmp_path / "strange", [7]), "which the data set does not hold"),
        (write_run(tmp_path / "classes", [1], ("hole",)), "knows the classes hole"),
        (tmp_path / "none", "can't be read"),
    ):
        done = CliRunner().invoke(app, ["data", "suspect", str(data), str(run), str(other)])
        assert message in str(done.exception), done.output


def test_near_duplicates_need_no_run(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["data", "suspect", str(data), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert "0 suspicions in 4 pictures" in done.output
    assert "near-duplicates alone" in page.read_text()
    run = write_run(tmp_path / "a", [0, 1, 3])
    done = CliRunner().invoke(app, ["data", "suspect", str(data), str(run), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert "Found pit, where nothing is labelled" in page.read_text()


def test_nothing_to_compare_with_is_refused(data: Path) -> None:
    done = CliRunner().invoke(app, ["data", "suspect", str(data), "--ignore-near-duplicates"])
    assert done.exit_code != 0
    assert "Nothing to hold the labels against" in str(done.exception)
