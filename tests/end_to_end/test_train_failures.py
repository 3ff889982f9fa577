"""What a user sees when something is wrong, through the real command."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

TINY = [
    "model.image_size=[64,64]",
    "model.channels=1",
    "training.batch_size=8",
    "training.workers=0",
    "training.threads=1",
]


def sdgasnet(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdgasnet", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("end_to_end")
    done = sdgasnet("data", "synth", "data", "--images", "24", "--image-size", "64", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "data"


def refused(done: subprocess.CompletedProcess[str], *expected: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    for text in expected:
        assert text in done.stderr


def test_train_val_predict(data: Path, tmp_path: Path) -> None:
    done = sdgasnet("train", "--data", data, "--name", "a", *TINY, "training.epochs=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stderr
    run = tmp_path / "runs" / "a"
    assert {"last.pt", "recipe.yaml", "metrics.csv", "result.json", "plots"} <= {p.name for p in run.iterdir()}

    done = sdgasnet("val", run, data, "--json", "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"AP50"' in done.stdout
    page = (tmp_path / "page.html").read_text()
    assert "http" not in page.replace("http-equiv", "")

    (tmp_path / "bad.png").write_text("no picture")
    done = sdgasnet("predict", run, data / "images" / "val", "bad.png", "--json", "found.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "bad.png" in done.stderr
    assert len(list((tmp_path / "predictions").iterdir())) == 5
    assert not list(tmp_path.glob("**/*.part"))

    done = sdgasnet("train", "--data", data, "--name", "a", *TINY, cwd=tmp_path)
    refused(done, "exists already", "--resume")
    refused(sdgasnet("train", "--resume", run, "training.epochs=9", cwd=tmp_path), "training.epochs=9")


def test_wrong_recipe_key(data: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("training:\n  epoch: 3\n")
    refused(sdgasnet("train", "r.yaml", "--data", data, cwd=tmp_path), "unknown key 'training.epoch'", "epochs")


def test_missing_recipe_data_and_model(tmp_path: Path) -> None:
    refused(sdgasnet("train", "absent.yaml", cwd=tmp_path), "absent.yaml does not exist")
    refused(sdgasnet("train", "--data", "nowhere", cwd=tmp_path), "nowhere does not exist")
    refused(sdgasnet("train", cwd=tmp_path), "No data set", "--data")
    refused(sdgasnet("predict", "absent.pt", ".", cwd=tmp_path), "Nothing to read")
    refused(sdgasnet("val", "absent.pt", ".", cwd=tmp_path), "absent.pt does not exist")


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(sdgasnet("train", "--data", "empty", cwd=tmp_path), "data.yaml", "empty")


def test_class_list_that_does_not_match(data: Path, tmp_path: Path) -> None:
    done = sdgasnet("train", "--data", data, *TINY, "data.class_names=[rust]", cwd=tmp_path)
    refused(done, "rust", "scratch")
    assert not (tmp_path / "runs" / "data").exists()


def test_broken_picture_stops_before_the_first_step(data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    victim = next((copy / "images" / "train").iterdir())
    victim.write_text("this is text")
    done = sdgasnet("train", "--data", copy, *TINY, cwd=tmp_path)
    refused(done, victim.name, "data check")
    assert "epoch" not in done.stderr


def test_a_text_file_as_model(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_text("no model")
    (tmp_path / "a.png").write_text("no picture")
    refused(sdgasnet("predict", "a.pt", "a.png", cwd=tmp_path), "a.pt is no model file")


def test_classes_of_model_and_data_differ(data: Path, tmp_path: Path) -> None:
    sdgasnet("train", "--data", data, "--name", "a", *TINY, "training.epochs=1", cwd=tmp_path)
    sdgasnet("data", "synth", "board", "--surface", "board", "--images", "10", "--image-size", "64", cwd=tmp_path)
    refused(sdgasnet("val", "runs/a", "board", cwd=tmp_path), "mouse_bite", "scratch")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_no_space_left(data: Path, tmp_path: Path) -> None:
    sdgasnet("train", "--data", data, "--name", "a", *TINY, "training.epochs=1", cwd=tmp_path)
    (tmp_path / "found.json.part").symlink_to("/dev/full")
    picture = next((data / "images" / "val").iterdir())
    done = sdgasnet("predict", "runs/a", picture, "--json", "found.json", "--no-images", cwd=tmp_path)
    refused(done, "found.json", "No space left")
    assert not list(tmp_path.glob("found.json*"))
    run = tmp_path / "runs" / "full"
    run.mkdir()
    (run / "recipe.yaml").touch()
    (run / "last.pt.part").symlink_to("/dev/full")
    done = sdgasnet("train", "--data", data, "--name", "full", *TINY, "training.epochs=1", cwd=tmp_path)
    refused(done, "last.pt can't be written")


def test_ctrl_c_and_resume(data: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", str(data), "--name", "a", *TINY, "training.epochs=400", "training.workers=1"]
    command = [sys.executable, "-m", "sdgasnet", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    last = tmp_path / "runs" / "a" / "last.pt"
    deadline = time.monotonic() + 100
    while not last.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "go on with: sdgasnet train --resume runs/a" in errors
    assert "Traceback" not in errors


def test_ctrl_c_before_the_first_checkpoint_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    arguments = ["train", "--data", str(data), "--name", "a", *TINY, "model.image_size=[512,512]"]
    command = [sys.executable, "-m", "sdgasnet", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    run = tmp_path / "runs" / "a"
    deadline = time.monotonic() + 100
    while not (run / "recipe.yaml").is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "nothing to resume" in errors
    assert "Traceback" not in errors
    assert not run.exists()


def test_kill_and_resume_equals_the_uninterrupted_run(data: Path, tmp_path: Path) -> None:
    import torch

    from sdgasnet.models.checkpoint import read_model

    recipe = [*TINY, "training.epochs=6", "training.validate_every=6"]
    assert sdgasnet("train", "--data", data, "--name", "whole", *recipe, cwd=tmp_path).returncode == 0
    command = [sys.executable, "-m", "sdgasnet", "train", "--data", str(data), "--name", "cut", *recipe]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    last = tmp_path / "runs" / "cut" / "last.pt"
    deadline = time.monotonic() + 100
    while not last.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert read_model(last).epoch < 6
    done = sdgasnet("train", "--resume", "runs/cut", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, cut = (read_model(tmp_path / "runs" / name / "last.pt").weights for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_two_processes_write_one_run(data: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    settings = [
        *TINY,
        "training.devices=2",
        "training.accelerator=cpu",
        "training.batch_size=4",
        "training.epochs=2",
    ]
    command = [*launcher, "-m", "sdgasnet", "train", "--data", str(data), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    runs = [path.name for path in (tmp_path / "runs").iterdir() if not path.name.startswith(".")]
    assert runs == ["data"]
    assert len((tmp_path / "runs" / "data" / "metrics.csv").read_text().splitlines()) == 3
    assert (tmp_path / "runs" / "data" / "result.json").is_file()
