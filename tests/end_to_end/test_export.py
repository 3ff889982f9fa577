"""``sdgasnet export``, and its bundle on a computer without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from sdgasnet.config.loading import build_recipe  # noqa: E402
from sdgasnet.data.surfaces.dataset import write_surfaces  # noqa: E402
from sdgasnet.models.checkpoint import ModelFile, write_model  # noqa: E402
from sdgasnet.models.network import Network  # noqa: E402

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from sdgasnet.cli.main import main; main()"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    write_surfaces(folder / "data", "cast", {"train": 1, "val": 4}, (64, 64), 3, 0.1, "yolo")
    recipe = build_recipe(
        {"model": {"image_size": [64, 64], "channels": 1}, "detection": {"score_threshold": 0.0}}
    )
    torch.manual_seed(0)
    names = ("pore", "cold_shut", "flash", "shrinkage", "sand")
    write_model(ModelFile(recipe, names, Network(recipe.model, 5).state_dict()), folder / "part.pt")
    done = run(folder, "export", "part.pt", "part.sdg", torch_free=False)
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str, torch_free: bool = True) -> subprocess.CompletedProcess[str]:
    start = ["-c", WITHOUT_TORCH] if torch_free else ["-m", "sdgasnet"]
    return subprocess.run(
        [sys.executable, *start, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_a_bundle_detects_and_is_measured_without_torch(place: Path, runtime: str) -> None:
    done = run(place, "val", "part.sdg", "data", "--json", "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    bundle = json.loads(done.stdout)
    done = run(place, "val", "part.pt", "data", "--json", torch_free=False)
    model = json.loads(done.stdout)
    assert bundle["AP"] == pytest.approx(model["AP"], abs=1e-4)
    done = run(
        place,
        "predict",
        "part.sdg",
        "data/images/val",
        "--runtime",
        runtime,
        "--json",
        "found.json",
        "--no-images",
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads((place / "found.json").read_text())["pictures"]) == 4


def test_each_runtime_is_timed_stage_by_stage(place: Path) -> None:
    arguments = ["part.sdg", "data/images/val", "--seconds", "0.02", "--batch", "2", "--json", "speed.json"]
    done = run(place, "benchmark", *arguments, torch_free=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((place / "speed.json").read_text())["rows"]
    assert {(row["runtime"], row["precision"]) for row in rows} == {
        ("onnxruntime", "fp32"),
        ("openvino", "fp32"),
        ("openvino", "bf16"),
    }
    single = [(row["scope"], row["batch"]) for row in rows[:7]]
    assert single == [(s, 1) for s in ("read", "prepare", "network", "boxes", "array", "file")] + [("network", 2)]
    assert {row["scope"] for row in rows if row["streams"] > 1} <= {"network", "array", "file"}
    for arguments, said in (
        (["part.pt"], "Export the model first"),
        (["part.sdg", "--runtime", "onnxruntime", "--precision", "bf16"], "it has fp32"),
        (["part.sdg", "nowhere", "--runtime", "onnxruntime"], "holds no pictures"),
    ):
        done = run(place, "benchmark", *arguments, torch_free=False)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_what_was_tuned_is_followed(place: Path) -> None:
    done = run(place, "tune", "part.sdg", "--seconds", "0.4", "--runtime", "onnxruntime", torch_free=False)
    assert done.returncode == 0, done.stderr
    tuned = json.loads((place / "part.tuned.json").read_text())
    assert tuned["latency"]["runtime"] == tuned["throughput"]["runtime"] == "onnxruntime"
    done = run(place, "val", "part.sdg", "data", "--json")
    assert done.returncode == 0, done.stderr
    assert "runs in onnxruntime fp32" in done.stderr
    (place / "part.tuned.json").write_text('{"latency": ')
    done = run(place, "val", "part.sdg", "data", "--json")
    assert done.returncode == 2
    assert "part.tuned.json is damaged" in done.stderr
    (place / "part.tuned.json").unlink()


def test_what_can_not_be_exported_or_opened(place: Path) -> None:
    damaged = bytearray((place / "part.sdg").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (place / "damaged.sdg").write_bytes(damaged)
    for arguments, said in (
        (["export", "part.pt", "out", "--precision", "int8"], "--calibration DATA"),
        (["export", "part.pt", "out", "--precision", "int8", "--calibration", "nowhere"], "nowhere"),
        (["export", "nowhere.pt", "out"], "does not exist"),
        (["export", "part.pt", "data"], "not an empty folder"),
        (["predict", "damaged.sdg", "data"], "damaged.sdg"),
        (["val", "nowhere.sdg", "data"], "does not exist"),
    ):
        done = run(place, *arguments, torch_free=False)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not (place / "out").exists()


def test_a_model_file_without_torch_says_what_to_install(place: Path) -> None:
    done = run(place, "predict", "part.pt", "data")
    assert done.returncode == 2
    assert "sdgasnet[train]" in done.stderr
