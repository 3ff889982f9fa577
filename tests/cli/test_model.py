from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import cv2
import numpy as np

from sdgasnet.models.checkpoint import read_model


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sdgasnet.cli.main import main; main()", "model", "info", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_json_of_a_preset() -> None:
    done = run("n", "--image-size", "224", "--json")
    assert done.returncode == 0, done.stderr
    size = json.loads(done.stdout)
    assert set(size) == {"parameters", "macs", "image_size", "parts"}
    assert size["image_size"] == [224, 224]
    assert size["macs"] == sum(part["macs"] for part in size["parts"].values())


def test_table_of_a_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: {preset: n, image_size: [96, 160]}\ndata: {class_names: [a, b]}\n")
    done = run(str(recipe))
    assert done.returncode == 0, done.stderr
    assert "neck.enhance" in done.stdout
    assert "scores (1, 315, 2)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nn",), "neither a preset"),
        (("n", "--image-size", "100"), "multiples of 32"),
        (("n", "--image-size", "wide"), "--image-size"),
        (("n", "--image-size", "0"), "multiples of 32"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_packed_model_keeps_the_decoder_that_it_is_given(tmp_path: Path) -> None:
    out = tmp_path / "steel.pt"
    arguments = ["procedural", str(out), "--8-bit", "--no-hashes", "--score-threshold", "0.45"]
    arguments += ["--iou-threshold", "0.5", "--averaging-iou", "0.55"]
    start = [sys.executable, "-c", "from sdgasnet.cli.main import main; main()", "model", "pack"]
    done = subprocess.run([*start, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model = read_model(out)
    detection = model.recipe.detection
    assert (detection.score_threshold, detection.iou_threshold, detection.averaging_iou) == (0.45, 0.5, 0.55)
    assert model.image_hashes == ()
    assert model.recipe.model.preset == "n"


@pytest.mark.parametrize("name", ["steel", "board", "textile"])
def test_a_packaged_detector_is_used_by_its_name(name: str, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.full((200, 240), 128, np.uint8))
    start = [sys.executable, "-c", "from sdgasnet.cli.main import main; main()", "predict"]
    done = subprocess.run([*start, name, str(picture)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "predictions" / "picture.png").is_file()


def test_the_mean_of_networks_is_a_model_like_any_other(tmp_path: Path) -> None:
    start = [sys.executable, "-c", "from sdgasnet.cli.main import main; main()"]
    average = [*start, "model", "average", "--out", "mean.pt"]
    done = subprocess.run([*average, "steel", "steel"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_model(tmp_path / "mean.pt").class_names == read_model(Path("steel")).class_names
    cv2.imwrite(str(tmp_path / "picture.png"), np.full((200, 200), 128, np.uint8))
    predict = [*start, "predict", "mean.pt", "picture.png"]
    done = subprocess.run(predict, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (("steel",), "two or more"),
        (("steel", "textile"), "name classes"),
        (("steel", "none.pt"), "does not exist"),
    ],
)
def test_no_mean_of_what_does_not_belong_together(models: tuple[str, ...], said: str, tmp_path: Path) -> None:
    start = [sys.executable, "-c", "from sdgasnet.cli.main import main; main()", "model", "average"]
    command = [*start, "--out", "mean.pt", *models]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mean.pt").exists()
