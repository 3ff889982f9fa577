from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from sdgasnet.config.loading import build_recipe
from sdgasnet.errors import ModelError
from sdgasnet.models.averaging import LEAST_LIKENESS, average_models, likeness
from sdgasnet.models.checkpoint import ModelFile, build_network
from sdgasnet.models.network import Network

NAMES = ("first", "second", "third")


@pytest.fixture
def model(trained_network: Callable[..., Network]) -> ModelFile:
    network = trained_network("n", image_size=[96, 96])
    recipe = build_recipe({"model": {"preset": "n", "image_size": [96, 96]}})
    return ModelFile(recipe, tuple("abcdef"), network.state_dict(), ("ab" * 32,), 7, {"AP": 0.5})


def trained_on(model: ModelFile, seed: int, change: float = 0.1) -> ModelFile:
    """A descendant: each weight has moved by about ``change`` of the spread of its tensor."""
    generator = torch.Generator().manual_seed(seed)

    def move(value: torch.Tensor) -> torch.Tensor:
        if not value.is_floating_point() or value.ndim < 2:
            return value
        return value + change * value.std(correction=0) * torch.randn(value.shape, generator=generator)

    weights = {name: move(value) for name, value in model.weights.items()}
    return replace(model, weights=weights, image_hashes=(f"{seed:02d}" * 32,), epoch=seed)


def test_the_mean_lies_nearer_to_the_origin_of_its_networks_than_they_do(model: ModelFile) -> None:
    children = [trained_on(model, seed) for seed in (1, 2, 3)]
    mean = average_models(children, NAMES)
    assert likeness(mean.weights, model.weights) > max(likeness(one.weights, model.weights) for one in children)
    name = next(name for name, value in model.weights.items() if value.ndim == 4)
    expected = sum(one.weights[name].double() for one in children) / 3
    torch.testing.assert_close(mean.weights[name].double(), expected, atol=1e-6, rtol=1e-6)
    assert build_network(mean)(torch.zeros(1, 3, 96, 96)) is not None


def test_the_mean_knows_the_pictures_of_all_and_claims_no_figures(model: ModelFile) -> None:
    mean = average_models([trained_on(model, 1), trained_on(model, 2), trained_on(model, 1)], NAMES)
    assert mean.image_hashes == ("01" * 32, "02" * 32)
    assert (mean.epoch, mean.metrics, mean.class_names) == (2, {}, model.class_names)


def test_whole_numbers_stay_whole(model: ModelFile) -> None:
    other = trained_on(model, 1)
    counts = [name for name, value in model.weights.items() if not value.is_floating_point()]
    assert counts
    mean = average_models([model, other], NAMES[:2])
    assert all(mean.weights[name].dtype == model.weights[name].dtype for name in mean.weights)


def test_one_network_is_no_mean(model: ModelFile) -> None:
    with pytest.raises(ModelError, match="two or more"):
        average_models([model], NAMES[:1])


def test_networks_of_other_descent_are_refused(model: ModelFile) -> None:
    stranger = trained_on(model, 1, change=2.0)
    assert likeness(model.weights, stranger.weights) < LEAST_LIKENESS
    with pytest.raises(ModelError, match="first and second are too unlike"):
        average_models([model, stranger], NAMES[:2])


def test_weights_that_are_no_numbers_are_refused(model: ModelFile) -> None:
    broken = trained_on(model, 1)
    next(value for value in broken.weights.values() if value.ndim == 4).fill_(float("nan"))
    with pytest.raises(ModelError, match="too unlike"):
        average_models([model, broken], NAMES[:2])


def test_other_classes_are_refused(model: ModelFile) -> None:
    with pytest.raises(ModelError, match="name classes a, b, c, d, e, f and f, e, d, c, b, a"):
        average_models([model, replace(model, class_names=model.class_names[::-1])], NAMES[:2])


def test_another_structure_is_refused(model: ModelFile) -> None:
    recipe = build_recipe({"model": {"preset": "n", "image_size": [96, 128]}})
    with pytest.raises(ModelError, match="different structure or image size"):
        average_models([model, replace(model, recipe=recipe)], NAMES[:2])
    cut = replace(model, weights=dict(list(model.weights.items())[1:]))
    with pytest.raises(ModelError, match="different structure"):
        average_models([model, cut], NAMES[:2])
