"""Backbones: each gives four maps at strides 4, 8, 16, 32, of ``config.backbone_widths`` channels."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.backbones.lite0 import Lite0Backbone
from sdgasnet.models.backbones.lvt import LVTBackbone
from sdgasnet.models.backbones.rep import RepBackbone

BACKBONES: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "lvt": LVTBackbone,
    "rep": RepBackbone,
    "lite0": Lite0Backbone,
}


def build_backbone(config: ModelConfig) -> nn.Module:
    """Build the backbone that the recipe names."""
    return BACKBONES[config.backbone](config)
