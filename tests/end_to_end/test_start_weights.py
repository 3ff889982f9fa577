"""``sdgasnet train`` with start weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from sdgasnet.cli.main import main
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.models.checkpoint import read_model

RECIPE = """
model: {preset: n, image_size: [64, 64], channels: 1, stem_width: 8, backbone_widths: [8, 8, 16, 16],
        backbone_depths: [1, 1, 1, 1], lateral_channels: 8, enhance_channels: 8, neck_channels: [8, 8, 16],
        head_channels: [8, 8, 8]}
training: {epochs: 1, batch_size: 8, workers: 0, threads: 1, precision: fp32, learning_rate: 1.0e-9}
"""


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    write_surfaces(tmp_path / "mixed", "mixed", {"train": 8, "val": 4}, (64, 64), 3, 0.1, "yolo")
    write_surfaces(tmp_path / "cast", "cast", {"train": 8, "val": 4}, (64, 64), 3, 0.1, "yolo")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["sdgasnet", "train", "tiny.yaml", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, capfd.readouterr().err

    return call


def test_a_run_is_the_start_of_another_set(train, tmp_path: Path) -> None:
    assert train("--data", "mixed", "--name", "start")[0] == 0
    code, said = train("--data", "cast", "--name", "tuned", "weights=runs/start")
    assert code == 0, said
    assert "loaded from runs/start, 6 re-initialised (class predictor: other classes)" in said
    start, tuned = (read_model(tmp_path / "runs" / name / "last.pt").weights for name in ("start", "tuned"))
    name = "head.levels.0.box_conv.conv.weight"
    assert (start[name] - tuned[name]).abs().max() < 1e-6
    assert '"weights": "runs/start"' in (tmp_path / "runs" / "tuned" / "result.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["weights=nowhere"], "neither a file nor a run folder"),
        (["weights=imagenet"], "backbone lite0"),
        (["weights=tiny.yaml"], "no model file"),
    ],
)
def test_weights_that_can_not_be_used(train, tmp_path: Path, arguments: list[str], expected: str) -> None:
    code, said = train("--data", "cast", "--name", "wrong", *arguments)
    assert code == 2
    assert said.count("error: ") == 1
    assert expected in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs" / "wrong").exists()


def test_a_folder_with_something_else_in_it_stays(train, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "wrong"
    folder.mkdir(parents=True)
    for name in ("recipe.yaml", "notes.txt"):
        (folder / name).write_text("ours")
    assert train("--data", "cast", "--name", "wrong", "weights=nowhere")[0] == 2
    assert (folder / "notes.txt").read_text() == "ours"
