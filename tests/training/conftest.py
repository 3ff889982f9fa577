from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import DatasetIndex
from sdgasnet.data.surfaces.dataset import write_surfaces


@pytest.fixture(scope="session")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 16 + 6 generated pictures of 64x64."""
    out = tmp_path_factory.mktemp("data") / "surfaces"
    write_surfaces(out, "steel", {"train": 16, "val": 6}, (64, 64), seed=1, good_share=0.1, format="yolo")
    return out


@pytest.fixture(scope="session")
def index(surfaces: Path) -> DatasetIndex:
    return load_dataset(surfaces)


def tiny_recipe(**training: Any) -> Recipe:
    """A network small enough to train in a second."""
    model = {
        "preset": "n",
        "image_size": [64, 64],
        "channels": 1,
        "stem_width": 8,
        "backbone_widths": [8, 8, 16, 16],
        "backbone_depths": [1, 1, 1, 1],
        "lateral_channels": 8,
        "enhance_channels": 8,
        "neck_channels": [8, 8, 16],
        "head_channels": [8, 8, 8],
    }
    defaults = {"epochs": 3, "batch_size": 8, "workers": 0, "threads": 1, "validate_every": 1, "warmup_epochs": 1}
    return build_recipe({"model": model, "training": {**defaults, **training}})


class Silence:
    """Progress that is not shown, with the rows that were reported."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def note(self, text: str) -> None: ...

    def pictures_read(self, count: int, total: int) -> None: ...
    def epoch_started(self, epoch: int, epochs: int, steps: int) -> None: ...
    def step_done(self, terms: dict[str, float]) -> None: ...
    def validating(self, count: int, total: int) -> None: ...

    def epoch_done(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
