"""Backbones: each gives four maps at strides 4, 8, 16, 32."""

from __future__ import annotations

from torch import nn

from sdgasnet.config.schema import ModelConfig
from sdgasnet.models.backbones.lvt import LVTBackbone
from sdgasnet.models.backbones.rep import RepBackbone

BACKBONES = {"lvt": LVTBackbone, "rep": RepBackbone}


def build_backbone(config: ModelConfig) -> nn.Module:
    """Build the backbone that the recipe names."""
    return BACKBONES[config.backbone](config)
