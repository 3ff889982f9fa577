"""``sdgasnet parity``: what it says, and the code it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
from onnx import helper, numpy_helper

from sdgasnet.cli.main import main
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.export.build import build_bundle
from sdgasnet.models.checkpoint import read_model
from sdgasnet.runtime.bundle import GRAPH_NAME, open_bundle, write_bundle

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from sdgasnet.cli.main import main; main()"
Parity = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Place:
    good: Path
    wrong: Path
    data: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A bundle, one whose scores lie at other points than its boxes, and labelled pictures."""
    folder = tmp_path_factory.mktemp("parity")
    write_surfaces(folder / "data", "mixed", {"train": 1, "val": 6}, (200, 200), 3, 0.1, "yolo")
    manifest, files = build_bundle(read_model(Path("procedural")), "procedural", 8)
    write_bundle(folder / "good.sdg", manifest, files)
    graph = onnx.load_from_string(files[GRAPH_NAME])
    points = graph.graph.output[1].type.tensor_type.shape.dim[1].dim_value
    for node in graph.graph.node:
        node.output[:] = ["scores_before" if name == "scores" else name for name in node.output]
    order = numpy_helper.from_array(np.arange(points)[::-1].astype(np.int64), "order")
    graph.graph.initializer.append(order)
    graph.graph.node.append(helper.make_node("Gather", ["scores_before", "order"], ["scores"], axis=1))
    write_bundle(folder / "wrong.sdg", manifest, {**files, GRAPH_NAME: graph.SerializeToString()})
    return Place(folder / "good.sdg", folder / "wrong.sdg", folder / "data")


@pytest.fixture
def parity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Parity:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sdgasnet", "parity", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, captured.out, captured.err

    return call


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, "parity", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_good_bundle_passes_at_the_line(place: Place, tmp_path: Path) -> None:
    done = without_torch(place.good, place.data, "--json", tmp_path / "p.json")
    assert done.returncode == 0, done.stderr
    assert "meets the golden vectors" in done.stdout
    assert "openvino fp32: within" in done.stdout
    assert "parity passed in fp32" in done.stdout
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["pictures"] == 6
    assert document["split"] == "val"
    assert document["golden"]["passed"]
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "│" in line or "─" in line)


def test_against_the_model_in_torch(place: Place, parity: Parity) -> None:
    code, out, _ = parity(place.good, place.data, "--reference", "procedural", "--split", "train")
    assert code == 0
    assert "onnxruntime fp32: within" in out
    assert "AP50" in out
    assert all(f" {name}  " in out for name in ("onnxruntime fp32", "openvino fp32", "reference"))


def test_without_data_the_pictures_are_generated(place: Place, parity: Parity) -> None:
    code, out, _ = parity(place.good)
    assert code == 0
    assert "AP was not compared" in out


def test_where_nothing_is_detected_it_says_so(place: Place, parity: Parity, tmp_path: Path) -> None:
    opened = open_bundle(place.good)
    deaf = opened.manifest.graphs["fp32"].detection.model_copy(update={"score_threshold": 1.0})
    graphs = {"fp32": opened.manifest.graphs["fp32"].model_copy(update={"detection": deaf})}
    write_bundle(tmp_path / "deaf.sdg", opened.manifest.model_copy(update={"graphs": graphs}), opened.files)
    code, out, _ = parity(tmp_path / "deaf.sdg")
    assert code == 0
    assert "nothing was detected in any picture" in out


@pytest.mark.parametrize("reference", [(), ("--reference", "procedural")], ids=["golden", "torch"])
def test_a_wrong_bundle_ends_with_1(
    place: Place, parity: Parity, tmp_path: Path, reference: tuple[str, ...]
) -> None:
    code, out, _ = parity(place.wrong, place.data, "--json", tmp_path / "p.json", *reference)
    assert code == 1
    assert "parity FAILED in fp32" in out
    assert ("onnxruntime fp32: outside: raw scores differ" if reference else "MISSES the golden vectors") in out
    assert json.loads((tmp_path / "p.json").read_text())["parity"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{data}"], "is no bundle"),
        (["{good}", "nowhere"], "nowhere"),
        (["{good}", "{data}", "--split", "test"], "test"),
        (["{good}", "{data}", "--reference", "nothing.pt"], "nothing.pt"),
        (["{good}", "--reference", "steel"], "was not made from"),
    ],
)
def test_bad_input_ends_with_2(place: Place, parity: Parity, arguments: list[str], said: str) -> None:
    code, _, error = parity(*(word.format(good=place.good, data=place.data) for word in arguments))
    assert code == 2
    assert error.startswith("error: ")
    assert said in error


def test_int8_is_not_judged_on_pictures_of_another_kind(place: Place, parity: Parity, tmp_path: Path) -> None:
    opened = open_bundle(place.good)
    own = opened.manifest.graphs["fp32"]
    graphs = {"int8": own, "fp32": own}
    manifest = opened.manifest.model_copy(update={"precision": "int8", "graphs": graphs})
    write_bundle(tmp_path / "small.sdg", manifest, opened.files)
    code, _, error = parity(tmp_path / "small.sdg")
    assert code == 2
    assert "Name a data set" in error


def test_a_model_as_the_reference_needs_torch(place: Place) -> None:
    done = without_torch(place.good, "--reference", "procedural")
    assert done.returncode == 2
    assert "sdgasnet[train]" in done.stderr
