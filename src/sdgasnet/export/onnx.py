"""The deployed graph as ONNX."""

from __future__ import annotations

import ast
import logging
import warnings

import onnx
import torch

from sdgasnet.models.deploy import DeployGraph, GraphOutputs
from sdgasnet.runtime.manifest import InputSpec

OPSET = 18
INPUT_NAME = "pictures"
LARGEST_BATCH = 1024
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch notes the modules that a node lies in, from the outermost to its own name."""


def export_onnx(graph: DeployGraph, spec: InputSpec) -> bytes:
    """Write a graph as ONNX of any batch size.

    Args:
        graph: Deployed, on the processor.
        spec: What it takes; sides are fixed.

    Returns:
        The model; outputs are named as in :class:`GraphOutputs`.
    """
    dtype = torch.uint8 if spec.bits == 8 else torch.uint16
    pictures = torch.zeros((2, *spec.image_size, spec.channels), dtype=dtype)
    with warnings.catch_warnings():
        # torch warns of its own deprecations while it traces.
        warnings.simplefilter("ignore")
        level = logging.getLogger("torch.onnx").level
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            graph,
            (pictures,),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
            input_names=[INPUT_NAME],
            output_names=list(GraphOutputs._fields),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)},),
        )
        logging.getLogger("torch.onnx").setLevel(level)
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    tidy(model)
    return bytes(model.SerializeToString())


def tidy(model: onnx.ModelProto) -> None:
    """Name the nodes after their modules, and drop what torch noted of the computer that exported.

    Profiles and the report of quantisation show these names, as ``head.levels.0.stem.0/conv2d_38``. Every node
    came with the stack at its call, paths of source files included; a shipped graph holds none of that.

    Args:
        model: Changed in place.
    """
    for node in model.graph.node:
        notes = {note.key: note.value for note in node.metadata_props}
        scopes = ast.literal_eval(notes.get(SCOPES, "[]"))
        module = scopes[-2].removeprefix("network").removeprefix(".") if len(scopes) > 1 else ""
        own = node.name.removeprefix("node_")
        node.name = f"{module}/{own}" if module else own
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for part in (model, model.graph, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
