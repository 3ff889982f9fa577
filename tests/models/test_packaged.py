"""The weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdgasnet.config.loading import build_recipe
from sdgasnet.models.checkpoint import read_model
from sdgasnet.models.network import Network
from sdgasnet.models.packaged import find_packaged, packaged_names
from sdgasnet.models.session import load_detector
from sdgasnet.models.weights import load_weights

LARGEST_TOGETHER = 8 * 2**20


def test_they_are_small() -> None:
    files = [find_packaged(name) for name in packaged_names()]
    assert sum(file.stat().st_size for file in files if file) <= LARGEST_TOGETHER
    assert "procedural" in packaged_names()


@pytest.mark.parametrize("name", packaged_names())
def test_each_opens_tells_no_path_and_has_a_card_with_its_classes(name: str) -> None:
    file = find_packaged(name)
    assert file is not None
    model = read_model(Path(name))
    assert model.recipe.data.path is None
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    assert all(class_name in card for class_name in model.class_names)
    for heading in ("## Data", "## Recipe", "## Figures", "## Licence"):
        assert heading in card
    detector = load_detector(Path(name))
    height, width = detector.spec.image_size
    detector.detect(np.zeros((height, width, detector.spec.channels), np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_procedural_start_fits_other_classes_and_colour(channels: int) -> None:
    network = Network(build_recipe({"model": {"preset": "n", "channels": channels}}).model, 2)
    report = load_weights(network, "procedural", ("a", "b"))
    assert set(report.reinitialised.values()) == {"class predictor: other classes"}
