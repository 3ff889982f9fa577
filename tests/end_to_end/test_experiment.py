"""``sdgasnet experiment`` as a user calls it, with real, tiny trainings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from sdgasnet.data.surfaces.dataset import write_surfaces

RECIPE = """
data: {check: false}
model:
  image_size: [64, 64]
  channels: 1
  stem_width: 8
  backbone_widths: [8, 8, 16, 16]
  backbone_depths: [1, 1, 1, 1]
  lateral_channels: 8
  enhance_channels: 8
  neck_channels: [8, 8, 16]
  head_channels: [8, 8, 8]
training: {batch_size: 8, workers: 0, threads: 1, epochs: 3, warmup_epochs: 1}
"""
PLAN = """
question: Does training go faster without the frequencies?
recipe: tiny.yaml
seeds: [0, 1]
baseline: whole
variants:
  - name: whole
  - name: plain
    overrides:
      - model.enhance=none
      - weights=null
"""


def sdgasnet(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdgasnet", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder with a set of pictures and an experiment."""
    write_surfaces(tmp_path / "steel", "steel", {"train": 16, "val": 8}, (64, 64), 1, 0.1, "yolo")
    folder = tmp_path / "experiments" / "0009-frequencies"
    folder.mkdir(parents=True)
    (folder / "tiny.yaml").write_text(RECIPE)
    (folder / "experiment.yaml").write_text(PLAN)
    return tmp_path


def test_a_slice_and_the_rest(place: Path) -> None:
    folder, runs = "experiments/0009-frequencies", place / "runs" / "0009-frequencies"
    command = ["experiment", "run", folder, "--data", "steel", "--parallel", 2]
    done = sdgasnet(*command, "--minutes", 0.06, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "of 4 runs finished; run the same command to go on" in done.stderr

    done = sdgasnet(*command, cwd=place)
    assert done.returncode == 0, done.stderr + "".join(path.read_text() for path in runs.glob("*.log"))
    assert "4 of 4 runs finished" in done.stderr
    results = json.loads((place / folder / "results.json").read_text())
    assert (results["data"], results["split"]) == ("steel", "val")
    assert [[row["seed"] for row in variant["seeds"]] for variant in results["variants"]] == [[0, 1], [0, 1]]
    assert results["variants"][1]["against_baseline"]["AP"]["low"] is not None
    recorded = json.loads((runs / "plain-1" / "result.json").read_text())
    assert results["variants"][1]["seeds"][1]["AP"] == recorded["AP"]
    text = (place / folder / "README.md").read_text()
    assert "| plain | 2 |" in text

    (place / folder / "README.md").unlink()
    done = sdgasnet("experiment", "report", folder, cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / folder / "README.md").read_text() == text

    done = sdgasnet(*command, "training.epochs=9", cwd=place)
    assert done.returncode == 2
    assert "training.epochs is 3, now asked for: 9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_goes_on_from_a_checkpoint(place: Path) -> None:
    result = place / "runs" / "0009-frequencies" / "whole-0" / "result.json"
    command = ["experiment", "run", "experiments/0009-frequencies", "--data", "steel", "--only", "whole"]
    done = sdgasnet(*command, "--seeds", "0", cwd=place)
    assert done.returncode == 0, done.stderr
    whole = json.loads(result.read_text())
    result.unlink()
    done = sdgasnet(*command, "--seeds", "0", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "whole-0: goes on" in done.stderr
    assert json.loads(result.read_text())["AP"] == whole["AP"]


def test_what_cannot_start(place: Path) -> None:
    folder = place / "experiments" / "0009-frequencies"
    for arguments, said in (
        (["report", place], "experiment.yaml does not exist"),
        (["run", folder], "No data set"),
        (["run", folder, "--data", "nowhere"], "nowhere does not exist"),
        (["run", folder, "--data", "steel", "--seeds", "one"], "expected numbers between commas"),
        (["run", folder, "--data", "steel", "training.epoch=2"], "unknown key 'training.epoch'"),
    ):
        done = sdgasnet("experiment", *arguments, cwd=place)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not (place / "runs").exists()
