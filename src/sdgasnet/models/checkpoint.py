"""The model file: weights with everything that is needed to use them."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import ConfigError, ModelError
from sdgasnet.models.network import Network
from sdgasnet.models.packaged import find_packaged, packaged_names
from sdgasnet.models.packing import Bits, pack_weights, unpack_weights
from sdgasnet.output import write_bytes

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


def pack_model(model: ModelFile, bits: Bits, keep_hashes: bool) -> ModelFile:
    """A copy to pass on: small weights, and no paths of the machine that trained it.

    Args:
        model: Trained model.
        bits: See :func:`~sdgasnet.models.packing.pack_weights`.
        keep_hashes: Whether it goes on knowing the digests of its training pictures.
    """
    values = model.recipe.model_dump(mode="json")
    values["weights"] = values["data"]["path"] = values["distillation"]["teacher"] = None
    hashes = model.image_hashes if keep_hashes else ()
    return replace(
        model, recipe=build_recipe(values), weights=pack_weights(model.weights, bits), image_hashes=hashes
    )


def write_model(model: ModelFile, path: Path, training: dict[str, Any] | None = None) -> None:
    """Write a model file, through a temporary name; its folder is made.

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
    # In memory first: writing to a full disk, torch itself says only "unexpected pos".
    buffer = io.BytesIO()
    torch.save(document, buffer)
    write_bytes(path, buffer.getvalue())


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
    try:
        return ModelFile(
            recipe=build_recipe(state["recipe"], origin=f"the recipe in {path}"),
            class_names=tuple(state["class_names"]),
            weights=unpack_weights(state["weights"]),
            image_hashes=tuple(state["image_hashes"]),
            epoch=int(state["epoch"]),
            metrics=dict(state["metrics"]),
        )
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} is not complete ({error!r}). Expected a .pt file that sdgasnet train wrote."
        ) from None
    except ConfigError as error:
        raise ModelError(f"{error}\nOpen it with the version of sdgasnet that wrote it.") from None


def read_document(path: Path) -> dict[str, Any]:
    """The whole content of a model file: ``model`` and, of a training checkpoint, ``training``.

    Raises:
        ModelError: As :func:`read_model`.
    """
    file = find_model_file(path)
    try:
        require_intact(file)
        document = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{file} can't be read: {error.strerror or error}.") from None
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, BadZipFile, pickle.UnpicklingError):
        raise ModelError(
            f"{file} is no model file, or it is damaged ({file.stat().st_size} bytes). "
            "Expected a .pt file that sdgasnet train wrote."
        ) from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or "model" not in document:
        raise ModelError(f"{file} is a torch file, but not one that sdgasnet train wrote.")
    if version > SCHEMA_VERSION:
        raise ModelError(
            f"{file} has schema version {version}; this version of sdgasnet reads up to "
            f"{SCHEMA_VERSION}. Install a newer sdgasnet."
        )
    return dict(document)


def require_intact(file: Path) -> None:
    """Compare everything in a model file with the checksums in it; torch.load reads damaged weights silently.

    Raises:
        BadZipFile: It is damaged, or no archive at all.
    """
    with ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise BadZipFile(damaged)


def find_model_file(path: Path) -> Path:
    """The file that ``path`` means: itself, the best one of a run folder, or weights that come with the package.

    Raises:
        ModelError: There is none.
    """
    if path.is_dir():
        for name in RUN_FILES:
            if (path / name).is_file():
                return path / name
        raise ModelError(f"Run folder {path} holds neither {' nor '.join(RUN_FILES)}.")
    if path.is_file():
        return path
    packaged = find_packaged(str(path))
    if packaged is None:
        known = f", or one of {', '.join(packaged_names())}" if packaged_names() else ""
        raise ModelError(
            f"Model {path} does not exist. Expected a .pt file, a run folder such as runs/NAME{known}."
        )
    return packaged


def build_network(model: ModelFile) -> Network:
    """The network of a model file, with its weights, in eval mode.

    Raises:
        ModelError: The weights don't fit the recipe that stands beside them.
    """
    network = Network(model.recipe.model, len(model.class_names))
    expected = network.state_dict()
    unfit = sorted(
        name
        for name in expected.keys() | model.weights.keys()
        if name not in expected or name not in model.weights or expected[name].shape != model.weights[name].shape
    )
    if unfit:
        raise ModelError(
            f"{len(unfit)} weights don't fit the network that the model file describes "
            f"({len(expected)} weights); the first is {unfit[0]!r}. "
            "Open it with the version of sdgasnet that wrote it, or train again."
        )
    network.load_state_dict(model.weights)
    return network.eval()
