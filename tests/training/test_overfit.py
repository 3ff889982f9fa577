"""A network that is right can learn sixteen pictures by heart."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdgasnet.config.loading import build_recipe
from sdgasnet.data.index import load_dataset
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.training.trainer import fit

from .conftest import Silence

STILL = {
    "mosaic": 0.0, "hue": 0.0, "saturation": 0.0, "value": 0.0, "rotate": 0.0, "translate": 0.0, "scale": 0.0,
    "shear": 0.0, "flip_horizontal": 0.0, "flip_vertical": 0.0,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("preset", "epochs", "learning_rate"), [("n", 450, 2e-3), ("s", 300, 1e-3)])
def test_sixteen_pictures_by_heart(tmp_path: Path, preset: str, epochs: int, learning_rate: float) -> None:
    parts = {"train": 16, "val": 1}
    write_surfaces(tmp_path / "data", "steel", parts, (128, 128), seed=3, good_share=0.0, format="yolo")
    recipe = build_recipe(
        {
            "data": {"val_split": "train"},
            "model": {"preset": preset, "image_size": [128, 128], "channels": 1},
            "augmentation": STILL,
            "training": {
                "epochs": epochs,
                "batch_size": 8,
                "workers": 0,
                "learning_rate": learning_rate,
                "ema_decay": 0.98,
                "ema_ramp_steps": 20,
                "validate_every": epochs,
            },
        }
    )
    progress = Silence()
    fit(recipe, load_dataset(tmp_path / "data"), tmp_path / "run", False, progress)
    assert progress.rows[-1]["AP50"] > 0.95
