"""The network's part of a training step as two launches, where launches on a GPU take longer than the work."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sdgasnet.models.head import HeadOutputs


class GraphedNetwork(nn.Module):
    """A network whose forward and backward pass are captured at its first training batch, and then replayed.

    They are captured again where a layer changes its mode, as normalisation does whose statistics are kept.
    Batches of another shape, evaluation, and everything on a processor pass through the network as ever. What
    autocast is on at the first batch is captured with it. The next call writes over outputs and gradients, so that
    gradients can't be accumulated. Parameters may be changed, not replaced.

    Args:
        network: Any :class:`~sdgasnet.models.network.Network`.

    Source:
        https://docs.pytorch.org/docs/stable/notes/cuda.html, "Partial-network capture".
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._captured: Any = None
        self._shape = torch.Size()
        self._modes: list[bool] = []

    def forward(self, images: Tensor) -> HeadOutputs:
        """``(B, C, H, W)`` to the outputs at all points."""
        if images.device.type != "cuda" or not (self.training and torch.is_grad_enabled()):
            outputs: HeadOutputs = self.network(images)
            return outputs
        modes = [part.training for part in self.network.modules()]
        if self._captured is None or modes != self._modes:
            self._captured, self._shape, self._modes = capture(self.network, images), images.shape, modes
        return HeadOutputs(*self._captured(images)) if images.shape == self._shape else self.network(images)


class _Tensors(nn.Module):
    """Outputs without what is not there: a graph holds tensors alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(part for part in self.network(images) if part is not None)


def capture(network: nn.Module, images: Tensor) -> Any:
    """A function of pictures that replays the network; trying it out leaves no trace in running statistics.

    Args:
        network: On a GPU, in training mode.
        images: ``(B, C, H, W)`` of the shape to come.
    """
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    # A cache of cast weights would outlive the graph that wrote it.
    with torch.autocast(
        "cuda", torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda"), cache_enabled=False
    ):
        captured = torch.cuda.make_graphed_callables(_Tensors(network), (images.clone(),), allow_unused_input=True)
    for name, buffer in network.named_buffers():
        buffer.copy_(before[name])
    return captured
