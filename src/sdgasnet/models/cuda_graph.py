"""The deployed graph as one launch on a GPU, where the launches of a small network take longer than its work."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sdgasnet.models.deploy import GraphOutputs

WARM_UP_RUNS = 3
"""Runs before the capture, in which libraries choose their kernels and constants reach the device."""


class CudaGraph:
    """A function of one tensor of fixed shape, captured once and then replayed.

    Args:
        run: What is captured; it must not wait for the device.
        example: A tensor of the shape and type to come, on the GPU.

    Source:
        https://docs.pytorch.org/docs/stable/notes/cuda.html, section "CUDA Graphs".
    """

    def __init__(self, run: Callable[[Tensor], GraphOutputs], example: Tensor) -> None:
        self._input = example.clone()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                run(self._input)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = run(self._input)

    def __call__(self, pictures: Tensor) -> GraphOutputs:
        """Replay on other pictures; the outputs are written anew by the next call."""
        self._input.copy_(pictures)
        self._graph.replay()
        return self._outputs
