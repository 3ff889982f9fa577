"""The model file: weights with everything that is needed to use them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from torch import Tensor

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import ModelError, OutputError
from sdgasnet.models.network import Network

SCHEMA_VERSION = 1
RUN_FILES = ("best.pt", "last.pt")
"""Model files of a run folder, the preferred one first."""


@dataclass(frozen=True)
class ModelFile:
    """A trained model.

    Attributes:
        recipe: The resolved recipe that it was trained with.
        class_names: Class names; a label is an index into them.
        weights: State of the network (moving average of the training's).
        image_hashes: SHA-256 of every training picture file.
        epoch: Number of finished epochs.
        metrics: Figures of the val split at that epoch, as far as measured.
    """

    recipe: Recipe
    class_names: tuple[str, ...]
    weights: dict[str, Tensor]
    image_hashes: tuple[str, ...] = ()
    epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    def to_state(self) -> dict[str, Any]:
        """Plain values and tensors, as they are stored."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "class_names": list(self.class_names),
            "weights": self.weights,
            "image_hashes": list(self.image_hashes),
            "epoch": self.epoch,
            "metrics": dict(self.metrics),
        }


def write_model(model: ModelFile, path: Path, training: dict[str, Any] | None = None) -> None:
    """Write a model file, through a temporary name.

    Args:
        model: The model.
        path: Where to write it; an existing file is replaced.
        training: State that resuming needs, beside the model.

    Raises:
        OutputError: The file can't be written.
    """
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "model": model.to_state()}
    if training is not None:
        document["training"] = training
    temporary = path.with_name(path.name + ".part")
    try:
        torch.save(document, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"Model file {path} can't be written: {error}. Free space, or choose another folder."
        ) from None


def read_model(path: Path) -> ModelFile:
    """Read a model file, or the best one of a run folder.

    Args:
        path: A ``.pt`` file, or a folder that holds ``best.pt`` or ``last.pt``.

    Returns:
        The model.

    Raises:
        ModelError: Missing, not a model file, damaged, or written by a newer version.
    """
    state = read_document(path)["model"]
    return ModelFile(
        recipe=build_recipe(state["recipe"], origin=f"the recipe in {path}"),
        class_names=tuple(state["class_names"]),
        weights=state["weights"],
        image_hashes=tuple(state["image_hashes"]),
        epoch=state["epoch"],
        metrics=state["metrics"],
    )


def read_document(path: Path) -> dict[str, Any]:
    """The whole content of a model file: ``model`` and, of a training checkpoint, ``training``.

    Raises:
        ModelError: As :func:`read_model`.
    """
    file = find_model_file(path)
    try:
        document = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, BadZipFile, pickle.UnpicklingError, KeyError):
        raise ModelError(
            f"{file} is no model file, or it is damaged ({file.stat().st_size} bytes). "
            "Expected a .pt file that sdgasnet train wrote."
        ) from None
    if not isinstance(document, dict) or "model" not in document or "schema_version" not in document:
        raise ModelError(f"{file} is a torch file, but not one that sdgasnet train wrote.")
    if document["schema_version"] > SCHEMA_VERSION:
        raise ModelError(
            f"{file} has schema version {document['schema_version']}; this version of sdgasnet reads up to "
            f"{SCHEMA_VERSION}. Install a newer sdgasnet."
        )
    return document


def find_model_file(path: Path) -> Path:
    """The file that ``path`` means: itself, or the best one of a run folder.

    Raises:
        ModelError: There is none.
    """
    if path.is_dir():
        for name in RUN_FILES:
            if (path / name).is_file():
                return path / name
        raise ModelError(f"Run folder {path} holds neither {' nor '.join(RUN_FILES)}.")
    if not path.is_file():
        raise ModelError(f"Model {path} does not exist. Expected a .pt file or a run folder such as runs/NAME.")
    return path


def build_network(model: ModelFile) -> Network:
    """The network of a model file, with its weights, in eval mode.

    Raises:
        ModelError: The weights don't fit the recipe that stands beside them.
    """
    network = Network(model.recipe.model, len(model.class_names))
    try:
        network.load_state_dict(model.weights, strict=True)
    except RuntimeError as error:
        raise ModelError(f"The weights don't fit the network that the model file describes: {error}") from None
    return network.eval()
