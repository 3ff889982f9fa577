"""The gate at the end of ``sdgasnet export``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
from onnx import helper, numpy_helper

from sdgasnet.cli.export import choose_samples
from sdgasnet.cli.main import main
from sdgasnet.data.index import load_dataset
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.export import build
from sdgasnet.models.checkpoint import read_model
from sdgasnet.runtime.bundle import Bundle, open_bundle

Export = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def right() -> Bundle:
    return Bundle(Path("right"), *build.build_bundle(read_model(Path("procedural")), "procedural", 8))


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Export:
    def call(graph: bytes, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(build, "export_onnx", lambda *_: graph)
        monkeypatch.setattr(sys, "argv", ["sdgasnet", "export", "procedural", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, captured.out, captured.err

    return call


def darken(graph: bytes) -> bytes:
    """Take something off the pixels."""
    model = onnx.load_from_string(graph)
    division = next(node for node in model.graph.node if node.op_type == "Div")
    divided = division.output[0]
    for node in model.graph.node:
        node.input[:] = ["shifted" if name == divided else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), "other_mean"))
    place = list(model.graph.node).index(division) + 1
    model.graph.node.insert(place, helper.make_node("Sub", [divided, "other_mean"], ["shifted"]))
    return bytes(model.SerializeToString())


def test_what_is_the_same_is_written_with_the_report(right: Bundle, export: Export, tmp_path: Path) -> None:
    code, out, _ = export(right.graph("fp32"), tmp_path / "a.sdg")
    assert code == 0
    assert "parity passed in fp32" in out
    written = open_bundle(tmp_path / "a.sdg")
    assert written.manifest.parity == "passed"
    report = json.loads(written.files["parity.json"])
    assert report["parity"] == "passed"
    assert report["AP"] is None
    assert {one["runtime"] for one in report["comparisons"]} == {"onnxruntime", "openvino"}


def test_what_is_not_is_written_by_force_alone(right: Bundle, export: Export, tmp_path: Path) -> None:
    wrong = darken(right.graph("fp32"))
    code, out, error = export(wrong, tmp_path / "a.sdg")
    assert code == 1
    assert "parity FAILED in fp32" in out
    assert "--force" in error
    assert not any(tmp_path.iterdir())
    code, _, _ = export(wrong, tmp_path / "a.sdg", "--force")
    assert code == 0
    written = open_bundle(tmp_path / "a.sdg")
    assert written.manifest.parity == "failed"
    assert json.loads(written.files["parity.json"])["parity"] == "failed"


def test_pictures_of_the_val_split_else_of_any(right: Bundle, tmp_path: Path) -> None:
    write_surfaces(tmp_path / "both", "steel", {"train": 3, "val": 2}, (64, 64), 3, 0.1, "yolo")
    write_surfaces(tmp_path / "one", "steel", {"train": 3}, (64, 64), 3, 0.1, "yolo")
    assert len(choose_samples(right, load_dataset(tmp_path / "both"))) == 2
    assert len(choose_samples(right, load_dataset(tmp_path / "one"))) == 3
    assert all(sample.objects is None for sample in choose_samples(right, None))
