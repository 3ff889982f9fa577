"""The commands that the README shows on the reader's own folder, run as they stand there (on less)."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LESS = {
    "train": ["model.image_size=[64,64]", "training.epochs=2", "training.batch_size=8", "training.workers=0"],
    "tune": ["--seconds", "1"],
}


def block_with(text: str) -> str:
    return next(block for block in re.findall(r"```\w*\n(.*?)```", README, flags=re.DOTALL) if text in block)


def run(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, (arguments, done.stderr)


def test_commands_and_python(tmp_path: Path) -> None:
    synth = [
        "data",
        "synth",
        "my-parts",
        "--surface",
        "board",
        "--images",
        "30",
        "--image-size",
        "64",
        "--val-share",
        "0",
    ]
    run(["-m", "sdgasnet", *synth], tmp_path)
    (tmp_path / "line1").mkdir()
    for picture in list((tmp_path / "my-parts" / "images" / "train").iterdir())[:3]:
        (tmp_path / "line1" / picture.name).write_bytes(picture.read_bytes())
    lines = [line.split("#")[0] for line in block_with("sdgasnet data check").splitlines() if line.strip()]
    assert len(lines) == 7
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "sdgasnet"
        run(["-m", "sdgasnet", *arguments, *LESS.get(arguments[0], [])], tmp_path)
    for name in ("results.html", "found.json", "found.csv", "predictions", "parts.sdg"):
        assert (tmp_path / name).exists()
    (tmp_path / "part.png").write_bytes(next((tmp_path / "line1").iterdir()).read_bytes())
    run(["-c", block_with("load_detector")], tmp_path)
