"""The deployed graph as ONNX."""

from __future__ import annotations

import logging
import warnings

import torch

from sdgasnet.models.deploy import DeployGraph, GraphOutputs
from sdgasnet.runtime.manifest import InputSpec

OPSET = 18
INPUT_NAME = "pictures"
LARGEST_BATCH = 1024


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
    return bytes(program.model_proto.SerializeToString())
