"""Pictures beside their templates, from good boards to a bundle at the line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from sdgasnet.data.surfaces.synthesis import generate_surface

PLANTED = "planted/images/train/place0_planted1.png"
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from sdgasnet.cli.main import main; main()"


def run(folder: Path, *arguments: str, torch_free: bool = False) -> subprocess.CompletedProcess[str]:
    start = ["-c", WITHOUT_TORCH] if torch_free else ["-m", "sdgasnet"]
    return subprocess.run(
        [sys.executable, *start, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good boards, defects planted on them, pairs, a model of pairs, its bundle."""
    folder = tmp_path_factory.mktemp("line")
    (folder / "good").mkdir()
    for place in range(6):
        made = generate_surface("board", (192, 192), seed=6, index=place, good_share=1.0).image
        # Two tones, as a scanner for bare boards makes them.
        tones = cv2.threshold(made[:, :, 0], 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]
        cv2.imwrite(str(folder / "good" / f"place{place}.png"), tones)
    for arguments in (
        (
            "data",
            "plant",
            "good",
            "planted",
            "--copies",
            "2",
            "--most-defects",
            "4",
            "--copper",
            "light",
            "--val-share",
            "0.34",
        ),
        ("data", "pair", "planted", "good", "pairs"),
        (
            *("train", "--data", "pairs", "--name", "board", "model.paired=true", "model.image_size=[64,64]"),
            *("training.epochs=2", "training.batch_size=4", "training.workers=0", "training.validate_every=1"),
            "data.check=false",
        ),
        ("export", "runs/board", "board.sdg"),
    ):
        done = run(folder, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    return folder


def test_a_bundle_says_that_it_wants_pairs(line: Path) -> None:
    done = run(line, "bundle", "info", "board.sdg", torch_free=True)
    assert done.returncode == 0, done.stderr
    assert "grey beside its template" in done.stdout


def test_the_bundle_is_measured_on_pairs_as_the_model_is(line: Path) -> None:
    bundle = json.loads(run(line, "val", "board.sdg", "pairs", "--json", torch_free=True).stdout)
    model = json.loads(run(line, "val", "runs/board", "pairs", "--json").stdout)
    assert bundle["AP"] == pytest.approx(model["AP"], abs=1e-3)


def test_pictures_and_templates_at_the_line_are_the_pairs_that_were_made(line: Path) -> None:
    outputs = []
    ways = {"joined": ("planted/images/val", "--template", "good"), "made": ("pairs/images/val",)}
    for name, sources in ways.items():
        arguments = (*sources, "--json", f"{name}.json", "--out", name, "--score-threshold", "0.001")
        done = run(line, "predict", "board.sdg", *arguments, torch_free=True)
        assert done.returncode == 0, done.stderr
        document = json.loads((line / f"{name}.json").read_text())
        assert document.get("templates") == ("good" if name == "joined" else None)
        pictures = document["pictures"]
        outputs.append({Path(one["file"]).stem: one["detections"] for one in pictures})
    assert outputs[0] == outputs[1]
    assert any(outputs[0].values())
    # What people see is the picture in grey, not the colours of a pair.
    for file in (line / "made").iterdir():
        seen = cv2.imread(str(file))
        assert np.mean((seen == seen[:, :, :1]).all(axis=2)) > 0.4
        assert np.array_equal(seen, cv2.imread(str(line / "joined" / file.name)))


def test_a_picture_alone_is_never_ok(line: Path) -> None:
    (line / "never.yaml").write_text("default: {score_threshold: 1.0}\n")
    rules = ("--rules", "never.yaml", "--parts", "parts.csv", "--out", "alone")
    done = run(line, "predict", "board.sdg", "planted/images/val", *rules, torch_free=True)
    assert done.returncode == 1, done.stderr
    assert "is no pair" in done.stderr
    assert ",OK," not in (line / "parts.csv").read_text()
    for verb in ("val", "parity"):
        done = run(line, verb, "board.sdg", "planted", torch_free=True)
        assert done.returncode == 2, done.stderr
        assert "is no pair" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_picture_of_a_place_without_template_is_never_ok(line: Path) -> None:
    (line / "few").mkdir()
    (line / "few" / "place4.png").write_bytes((line / "good" / "place4.png").read_bytes())
    (line / "few" / "place5.png").write_bytes((line / "good" / "place0.png").read_bytes())
    (line / "never.yaml").write_text("default: {score_threshold: 1.0}\n")
    rules = ("--rules", "never.yaml", "--parts", "few.csv", "--out", "few-out")
    done = run(line, "predict", "board.sdg", "planted/images/val", "--template", "few", *rules, torch_free=True)
    assert done.returncode == 1, done.stderr
    assert "do not show the same place" in done.stderr
    rows = (line / "few.csv").read_text().splitlines()[1:]
    assert {("place4" in row, ",OK," in row) for row in rows} == {(True, True), (False, False)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("steel", "planted/images/val", "--template", "good"), "sees pictures alone"),
        (("board.sdg", "planted/images/val", "--place", "(.)"), "give --template as well"),
        (("board.sdg", "planted/images/val", "--template", "nowhere"), "nowhere does not exist"),
        (
            ("board.sdg", "good/place0.png", "--template", "planted/images", "--json", PLANTED),
            "would be overwritten",
        ),
    ],
)
def test_what_does_not_go_together(line: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(line, "predict", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_set_of_pictures_alone_is_refused_before_the_first_step(line: Path) -> None:
    arguments = ("--data", "planted", "--name", "wrong", "model.paired=true", "model.image_size=[64,64]")
    done = run(line, "train", *arguments, "data.check=false", "training.workers=0")
    assert done.returncode == 2, done.stderr
    assert "is no pair" in done.stderr
    done = run(line, "train", "--data", "pairs", "model.paired=true", "model.channels=1")
    assert done.returncode == 2
    assert "model.paired needs model.channels=3" in done.stderr


def test_the_drift_watch_takes_templates_and_knows_pictures_of_the_training(line: Path) -> None:
    (line / "fresh").mkdir()
    rng = np.random.default_rng(0)
    for number in range(50):
        board = cv2.imread(str(line / "good" / f"place{number % 6}.png"), cv2.IMREAD_GRAYSCALE)
        seen = np.roll(board, int(rng.integers(-4, 5)), axis=1) + rng.normal(0, 3, board.shape)
        cv2.imwrite(str(line / "fresh" / f"place{number % 6}_{number}.png"), seen.clip(0, 255).astype(np.uint8))
    with_templates = ("--template", "good")
    done = run(line, "bundle", "baseline", "board.sdg", "fresh", "-o", "watched.sdg", *with_templates)
    assert done.returncode == 0, done.stderr
    done = run(line, "drift", "watched.sdg", "fresh", "--json", *with_templates, torch_free=True)
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout)["pictures"] == 50
    done = run(line, "drift", "watched.sdg", "fresh", "--json", torch_free=True)
    assert "left out: Picture" in done.stderr
    trained = ("planted/images/train", *with_templates, "-o", "wrong.sdg")
    done = run(line, "bundle", "baseline", "board.sdg", *trained)
    assert done.returncode == 2
    assert "were in the training" in done.stderr
    assert not (line / "wrong.sdg").exists()
