"""Which nodes of an exported graph are its network, and which only make boxes and scores of what that says."""

from __future__ import annotations

import onnx

CONVOLUTIONS = ("Conv", "ConvTranspose")


def find_tail(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes after the last convolutions: decoding of boxes, sigmoid, concatenated outputs.

    Args:
        graph: Nodes in the order in which they run, as ONNX demands.

    Returns:
        Names of all nodes that are no convolution and that no convolution uses, directly or through others.
    """
    needed: set[str] = set()
    tail: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in CONVOLUTIONS or needed.intersection(node.output):
            needed.update(node.input)
        else:
            tail.add(node.name)
    return tail
