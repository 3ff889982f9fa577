"""``sdgasnet distill`` from a recipe to its report."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from sdgasnet.cli.main import main
from sdgasnet.data.surfaces.dataset import write_surfaces

RECIPE = """
model: {preset: n, image_size: [64, 64], channels: 1, stem_width: 8, backbone_widths: [8, 8, 16, 16],
        backbone_depths: [1, 1, 1, 1], lateral_channels: 8, enhance_channels: 8, neck_channels: [8, 8, 16],
        head_channels: [8, 8, 8]}
training: {epochs: 1, batch_size: 8, workers: 0, threads: 1, precision: fp32}
"""


@pytest.fixture
def distill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    write_surfaces(tmp_path / "data", "cast", {"train": 10, "val": 4}, (64, 64), 3, 0.1, "coco")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["sdgasnet", "distill", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, capfd.readouterr().err

    return call


def test_three_stages_and_one_report_and_nothing_twice(distill, tmp_path: Path) -> None:
    code, said = distill("tiny.yaml", "--data", "data")
    assert code == 0, said
    assert "(self-distillation)" in said
    folder = tmp_path / "runs" / "tiny-distilled"
    report = json.loads((folder / "distillation.json").read_text())
    rows = {row["role"]: row for row in report["stages"]}
    assert [row["epochs"] for row in report["stages"]] == [1, 1, 2]
    assert rows["student"]["parameters"] == rows["teacher"]["parameters"] - 3 * 4 * 16 * (8 + 1)
    assert rows["without-teacher"]["parameters"] == rows["teacher"]["parameters"]
    assert "| student | 1 |" in (folder / "distillation.md").read_text()
    written = (folder / "student" / "last.pt").stat().st_mtime_ns
    code, said = distill("tiny.yaml", "--data", "data")
    assert code == 0
    assert said.count("finished before") == 3
    assert (folder / "student" / "last.pt").stat().st_mtime_ns == written
    code, said = distill("tiny.yaml", "training.learning_rate=0.1", "--data", "data")
    assert code == 2
    assert "another recipe" in said
    code, said = distill(
        "tiny.yaml", "--data", "data", "--teacher", str(folder / "teacher"), "--no-compare", "--name", "second"
    )
    assert code == 0, said
    stages = json.loads((tmp_path / "runs" / "second" / "distillation.json").read_text())["stages"]
    assert [row["role"] for row in stages] == ["student"]


def test_what_can_not_be_distilled(distill) -> None:
    for arguments, expected in (
        (["tiny.yaml"], "No data set"),
        (["tiny.yaml", "distillation.teacher=x.pt", "--data", "data"], "Name it with --teacher"),
        (["tiny.yaml", "--data", "data", "--teacher", "nowhere.pt"], "nowhere.pt"),
    ):
        code, said = distill(*arguments)
        assert code == 2
        assert expected in said
        assert "Traceback" not in said
