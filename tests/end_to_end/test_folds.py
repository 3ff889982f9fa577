"""From a data set to folds, a training for each, and what follows from all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from sdgasnet.data.index import load_dataset
from sdgasnet.data.surfaces.dataset import write_surfaces

TRAINING = ["model.image_size=[64,64]", "model.channels=1", "training.epochs=1", "training.batch_size=4"]


def sdgasnet(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdgasnet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds")
    write_surfaces(folder / "data", "steel", {"train": 12, "val": 4}, (64, 64), 3, 0.1, "yolo")
    done = sdgasnet("data", "split", folder / "data", folder / "folds", "--folds", 2)
    assert done.returncode == 0, done.stderr
    for fold in (1, 2):
        place = ["--data", folder / "folds", "--runs-dir", folder / "runs", "--name", "steel"]
        done = sdgasnet("train", *TRAINING, *place, "--fold", fold)
        assert done.returncode == 0, done.stderr
    return folder


def test_each_fold_is_measured_by_the_training_without_it(folder: Path) -> None:
    index = load_dataset(folder / "folds")
    assert sorted(index.splits) == ["fold1", "fold2"]
    assert sum(map(len, index.splits.values())) == 16
    for fold in ("fold1", "fold2"):
        measured = json.loads((folder / "runs" / f"steel-{fold}" / "detections.json").read_text())["pictures"]
        assert set(measured) == {record.name for record in index.splits[fold]}


def test_mean_and_spread_of_all_folds(folder: Path) -> None:
    done = sdgasnet("val", folder / "runs" / "steel", folder / "folds", "--folds", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    figures = [row["AP50"] for row in document["folds"]]
    results = [json.loads((folder / "runs" / f"steel-fold{n}" / "result.json").read_text()) for n in (1, 2)]
    assert figures == pytest.approx([result["AP50"] for result in results])
    assert document["mean"]["AP50"] == pytest.approx(sum(figures) / 2)
    assert document["spread"]["AP50"] == pytest.approx(abs(figures[0] - figures[1]) / 2**0.5)
    table = sdgasnet("val", folder / "runs" / "steel", folder / "folds", "--folds").stdout
    assert all(word in table for word in ("fold1", "fold2", "mean", "spread"))


def test_all_folds_together_suspect_labels(folder: Path) -> None:
    runs = [folder / "runs" / f"steel-fold{n}" for n in (1, 2)]
    done = sdgasnet("data", "suspect", folder / "folds", *runs, "--json", folder / "suspicions.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "suspicions.json").read_text())["pictures"] == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["val", "runs/steel", "data", "--folds"], "has no folds; its splits are train, val"),
        (["val", "runs/other", "folds", "--folds"], "2 of 2 folds have no model"),
        (["val", "runs/steel", "folds", "--folds", "--html", "page.html"], "--html and --plots are of one"),
        (["train", "--data", "folds", "--fold", "3"], "no pictures in split 'fold3'"),
        (
            [
                "data",
                "leak",
                "folds",
                "--model",
                "runs/steel-fold1",
                "--split",
                "fold1",
                "--train-split",
                "not:fold1",
            ],
            "No evaluation picture is with a near-duplicate",
        ),
    ],
)
def test_what_can_not_be_done_is_said(folder: Path, arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "sdgasnet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=240)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_what_a_known_group_is_worth(folder: Path) -> None:
    """Pictures are of one group if their names end in the same digit."""
    run, group = folder / "runs" / "steel-fold1", r"(\d)\.png$"
    arguments = ["--model", run, "--split", "fold1", "--train-split", "not:fold1", "--group", group, "--json"]
    done = sdgasnet("data", "leak", folder / "folds", *arguments)
    assert done.returncode == 0, done.stderr
    splits = load_dataset(folder / "folds").splits
    last = {fold: [record.path.stem[-1] for record in splits[fold]] for fold in splits}
    known = sum(digit in last["fold2"] for digit in last["fold1"])
    document = json.loads(done.stdout)
    assert 0 < known < len(last["fold1"])
    assert (document["known"]["pictures"], document["new"]["pictures"]) == (known, len(last["fold1"]) - known)
