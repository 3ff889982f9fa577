"""The network as it is shipped: branches fused, pictures in, boxes and scores out."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sdgasnet.imaging.image import full_scale
from sdgasnet.models.blocks import ConvBlock, RepConv, SameConv
from sdgasnet.models.box_coding import anchor_points, decode_boxes, decode_distances
from sdgasnet.models.network import Network


class GraphOutputs(NamedTuple):
    """Outputs of the deployed graph.

    Attributes:
        boxes_xyxy: ``(B, P, 4)`` float32, input pixels.
        scores: ``(B, P, K)`` float32 in [0, 1].
        embedding: ``(B, E)`` float32.
    """

    boxes_xyxy: Tensor
    scores: Tensor
    embedding: Tensor


class DeployGraph(nn.Module):
    """Graph contract: ``(B, H, W, C) uint8|uint16`` pictures to boxes, scores and embedding.

    Cast, normalisation, box decoding and sigmoid are inside; letterbox, threshold and suppression outside.

    Args:
        network: A network in eval mode; :func:`deploy` prepares one.

    Source:
        Division by full scale: docs/method.md section 1a [A]; what is inside the graph: ours [O].

    Examples:
        >>> from sdgasnet.config.loading import build_recipe
        >>> graph = deploy(Network(build_recipe({"model": {"preset": "n"}}).model, num_classes=6))
        >>> [tuple(part.shape) for part in graph(torch.zeros(1, 96, 160, 3, dtype=torch.uint8))]
        [(1, 315, 4), (1, 315, 6), (1, 224)]
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> GraphOutputs:
        """Detect on canvases, H and W multiples of 32."""
        outputs = self.network(normalise(pictures))
        size = (int(pictures.shape[1]), int(pictures.shape[2]))
        points, strides = anchor_points(size, pictures.device)
        if outputs.distances is not None:
            boxes = decode_distances(outputs.distances, points, strides)
        else:
            assert outputs.box_logits is not None
            boxes = decode_boxes(outputs.box_logits, points, strides)
        return GraphOutputs(boxes, outputs.class_logits.float().sigmoid(), outputs.embedding.float())


def normalise(pictures: Tensor) -> Tensor:
    """``(B, H, W, C)`` uint8 or uint16 to ``(B, C, H, W)`` float32 in [0, 1]; the one normalisation.

    Examples:
        >>> normalise(torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)).max().item()
        1.0
    """
    scale = full_scale(np.uint8 if pictures.dtype == torch.uint8 else np.uint16)
    return pictures.permute(0, 3, 1, 2).float() / scale


def deploy(network: Network) -> DeployGraph:
    """A copy of the network in eval mode whose branches and normalisations are fused.

    Where a student has two box predictors, the one of distributions is dropped.

    Args:
        network: Trained network; not changed.

    Returns:
        The graph; it equals the network in eval mode to rounding.
    """
    copied = copy.deepcopy(network).eval()
    copied.head.drop_distribution()
    fuse_branches(copied)
    return DeployGraph(copied.requires_grad_(False)).eval()


def fuse_branches(module: nn.Module) -> None:
    """Replace, in place, every block that is one convolution in eval mode by that convolution."""
    for name, child in module.named_children():
        if isinstance(child, ConvBlock | RepConv | SameConv):
            setattr(module, name, child.fused())
        else:
            fuse_branches(child)
