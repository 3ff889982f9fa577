"""fp16 for GPUs: weights and activations in half, boxes and scores in float."""

from __future__ import annotations

import warnings

import onnx

from sdgasnet.export.graph_parts import find_tail

FLOAT_TYPES = ("Cast", "Div", "MatMul")
"""Normalisation, and the two products of the low-pass, whose small differences half precision would lose."""


def halve(graph: bytes) -> bytes:
    """A float graph in float16; inputs and outputs stay as they are.

    Args:
        graph: ONNX in float32, from :func:`~sdgasnet.export.onnx.export_onnx`.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load_from_string(graph)
    tail = find_tail(model.graph)
    in_float = [node.name for node in model.graph.node if node.name in tail or node.op_type in FLOAT_TYPES]
    with warnings.catch_warnings():
        # It tells of each number that half precision rounds to its least.
        warnings.simplefilter("ignore")
        halved = convert_float_to_float16(model, keep_io_types=True, node_block_list=in_float)
    return bytes(halved.SerializeToString())
