"""The exported graph says what it is, and nothing of the computer that exported it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import sdgasnet
from sdgasnet.export.onnx import export_onnx
from sdgasnet.models.checkpoint import build_network, find_model_file, read_model
from sdgasnet.models.deploy import deploy
from sdgasnet.runtime.manifest import InputSpec


@pytest.fixture(scope="module")
def graph() -> bytes:
    spec = InputSpec(image_size=(96, 128), channels=1, bits=8)
    return export_onnx(deploy(build_network(read_model(find_model_file(Path("procedural"))))), spec)


def test_no_path_of_this_computer_is_shipped(graph: bytes) -> None:
    folder = Path(sdgasnet.__file__).parent
    for trace in (str(folder), "site-packages", "deploy.py", "stack_trace"):
        assert trace.encode() not in graph


def test_nodes_are_named_after_their_modules(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model)
    names = [node.name for node in model.graph.node]
    assert len(names) == len(set(names))
    modules = {node.name.split("/")[0]: node.op_type for node in model.graph.node}
    assert modules["head.levels.0.class_predictor"] == "Conv"
    assert modules["neck.synchronize4.high"] == "ConvTranspose"
    assert modules["neck.enhance.low_pass"] == "MatMul"
