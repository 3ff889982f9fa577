"""Model sizes: what each preset changes against the schema's defaults."""

from __future__ import annotations

from typing import Any

from sdgasnet.config.schema import Preset

PRESETS: dict[Preset, dict[str, Any]] = {
    "s": {},
    "n": {
        "backbone": "rep",
        "backbone_widths": (16, 40, 80, 176),
        "backbone_depths": (1, 2, 3, 3),
        "stem_width": 16,
        "activation": "relu",
        "lateral_channels": 32,
        "enhance_channels": 64,
        "neck_block": "rep",
        "neck_channels": (32, 64, 128),
        "head_channels": (32, 64, 96),
        "image_size": (320, 320),
    },
    "lite0": {
        "backbone": "lite0",
        "backbone_widths": (24, 40, 112, 320),
        "activation": "relu",
        "lateral_channels": 32,
        "enhance_channels": 64,
        "neck_block": "rep",
        "neck_channels": (32, 64, 128),
        "head_channels": (32, 64, 96),
        "image_size": (320, 320),
    },
}
"""Preset ``s`` is the paper's network [P, A]; ``n`` is ours for two processor cores, ``lite0`` has a backbone that
can start from ImageNet [O]."""
