"""One network from several that were trained on from the same one: the mean of their weights.

Source: Wortsman and others, Model soups, ICML 2022, the uniform one; Zhang and others, SWA object detection, 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sdgasnet.errors import ModelError
from sdgasnet.models.checkpoint import ModelFile

LEAST_LIKENESS = 0.9
"""Cosine between the weights of two networks below which they are not averaged. Networks that were trained on from
one for twelve epochs have 0.99, a network and the start weights of its 144 epochs 0.66."""


def average_models(models: Sequence[ModelFile], names: Sequence[str]) -> ModelFile:
    """The network whose weights are the mean of those of others.

    It costs at the line what one of them costs. The statistics of normalisation are averaged as well, which fits
    networks that kept them (``augmentation.plain_norms=kept``).

    Args:
        models: Two or more, of one structure and the same classes, trained on from the same network.
        names: What to call them in errors, one for each.

    Returns:
        The mean, with the recipe of the first, the training pictures of all, and no figures: it was not measured.

    Raises:
        ModelError: There are fewer than two, or two don't belong together: other structure, classes or descent.
    """
    if len(models) < 2:
        raise ModelError(f"{len(models)} model: expected two or more to average.")
    first = models[0]
    for model, name in zip(models[1:], names[1:], strict=True):
        _require_kin(first, model, names[0], name)
    hashes = dict.fromkeys(digest for model in models for digest in model.image_hashes)
    return replace(
        first,
        weights=average_weights([model.weights for model in models]),
        image_hashes=tuple(hashes),
        epoch=max(model.epoch for model in models),
        metrics={},
    )


def average_weights(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of each tensor; whole numbers, such as counts of steps, are those of the first.

    Examples:
        >>> average_weights([{"a": torch.tensor([1.0])}, {"a": torch.tensor([2.0])}])["a"].item()
        1.5
    """
    return {
        name: torch.stack([one[name].double() for one in weights]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in weights[0].items()
    }


def likeness(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Cosine between the weights of two networks of one structure, vectors left out, -1 to 1.

    Examples:
        >>> likeness({"a": torch.eye(2)}, {"a": 3 * torch.eye(2)})
        1.0
    """
    one, other = (
        torch.cat([value.double().flatten() for value in _tensors(weights)]) for weights in (first, second)
    )
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def _tensors(weights: Mapping[str, Tensor]) -> list[Tensor]:
    return [value for value in weights.values() if value.is_floating_point() and value.ndim > 1]


def _require_kin(first: ModelFile, other: ModelFile, first_name: str, other_name: str) -> None:
    """Make sure that the mean of two networks means something."""
    both = f"{first_name} and {other_name}"
    if first.class_names != other.class_names:
        raise ModelError(
            f"{both} name classes {', '.join(first.class_names)} and {', '.join(other.class_names)}. "
            "Expected the same in the same order."
        )
    shapes = [{name: value.shape for name, value in one.weights.items()} for one in (first, other)]
    if first.recipe.model != other.recipe.model or shapes[0] != shapes[1]:
        raise ModelError(f"{both} are of different structure or image size. Expected the same model section.")
    found = likeness(first.weights, other.weights)
    # Written so that weights which are not numbers are refused, too.
    if not found >= LEAST_LIKENESS:
        raise ModelError(
            f"The weights of {both} are too unlike to be averaged: cosine {found:.2f}, expected {LEAST_LIKENESS} "
            "or more. Train them on from one finished network: weights=RUN, a few epochs, a training.seed each."
        )
