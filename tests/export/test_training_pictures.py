from __future__ import annotations

from pathlib import Path

import torch

from sdgasnet.config.loading import build_recipe
from sdgasnet.export.build import build_bundle
from sdgasnet.models.checkpoint import ModelFile
from sdgasnet.models.network import Network
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.training_pictures import training_digests


def test_a_bundle_lists_the_pictures_of_its_training() -> None:
    recipe = build_recipe({"model": {"image_size": [64, 64], "channels": 1}})
    torch.manual_seed(0)
    digests = ("b" * 64, "a" * 64)
    model = ModelFile(recipe, ("pit",), Network(recipe.model, 1).state_dict(), digests)
    bundle = Bundle(Path("m"), *build_bundle(model, "m", 8))
    assert training_digests(bundle) == frozenset(digests)
