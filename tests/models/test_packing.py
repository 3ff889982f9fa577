from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sdgasnet.config.loading import build_recipe
from sdgasnet.models.checkpoint import ModelFile, find_model_file, pack_model, read_model, write_model
from sdgasnet.models.network import Network
from sdgasnet.models.packing import SCALE, pack_weights, unpack_weights
from sdgasnet.models.session import TorchSession


@pytest.mark.parametrize(("bits", "tolerance"), [(16, 2**-11), (8, 0.51 / 127)])
def test_weights_come_back_within_half_a_step_of_their_channel(bits: int, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 200, 3, 3, generator=generator) * torch.logspace(-4, 1, 6)[:, None, None, None]
    weights = {"conv.weight": weight, "norm.running_var": torch.tensor([1e6, 1e-9]), "steps": torch.tensor(12)}
    back = unpack_weights(pack_weights(weights, bits))
    assert back.keys() == weights.keys()
    error = (back["conv.weight"] - weight).abs().amax((1, 2, 3)) / weight.abs().amax((1, 2, 3))
    assert error.max() < tolerance + 1e-3
    assert torch.equal(back["norm.running_var"], weights["norm.running_var"])
    assert back["steps"] == 12


def test_a_channel_of_zeros_stays_zero() -> None:
    packed = pack_weights({"a": torch.zeros(2, 5000)}, 8)
    assert packed["a"].dtype == torch.int8
    assert torch.equal(unpack_weights(packed)["a"], torch.zeros(2, 5000))


def test_small_tensors_keep_16_bits() -> None:
    weight = torch.linspace(-1, 1, 8 * 9).reshape(8, 1, 3, 3)
    packed = pack_weights({"depthwise.weight": weight}, 8)
    assert packed.keys() == {"depthwise.weight"}
    assert torch.equal(packed["depthwise.weight"], weight.half())


@pytest.mark.parametrize(("bits", "share"), [(16, 0.55), (8, 0.31)])
def test_a_packed_model_is_small_detects_alike_and_tells_no_paths(
    trained_network: Callable[..., Network], tmp_path: Path, bits: int, share: float
) -> None:
    network = trained_network("n", image_size=[96, 96])
    recipe = build_recipe(
        {
            "model": network.config.model_dump(mode="json"),
            "data": {"path": "/home/someone/parts"},
            "distillation": {"teacher": "/home/someone/run"},
            "weights": "/home/someone/start.pt",
        }
    )
    model = ModelFile(recipe, tuple("abcdef"), network.state_dict(), ("0" * 64,), 3, {"AP": 0.5})
    write_model(model, tmp_path / "whole.pt")
    write_model(pack_model(model, bits, keep_hashes=False), tmp_path / "small.pt")
    sizes = [(tmp_path / name).stat().st_size for name in ("whole.pt", "small.pt")]
    assert sizes[1] < share * sizes[0]
    assert b"someone" not in (tmp_path / "small.pt").read_bytes()
    small = read_model(tmp_path / "small.pt")
    assert small.image_hashes == ()
    assert small.metrics == {"AP": 0.5}
    assert not [name for name in small.weights if name.endswith(SCALE)]
    picture = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)
    one, other = (TorchSession(each, "m").run(picture) for each in (model, small))
    assert np.abs(one.scores - other.scores).mean() < 0.005
    assert np.abs(one.boxes_xyxy - other.boxes_xyxy).mean() < 1.0


def test_a_name_means_a_file_of_the_package_unless_such_a_file_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "packaged.pt").touch()
    found = {"steel": tmp_path / "packaged.pt"}
    monkeypatch.setattr("sdgasnet.models.checkpoint.find_packaged", found.get)
    monkeypatch.chdir(tmp_path)
    assert find_model_file(Path("steel")) == tmp_path / "packaged.pt"
    Path("steel").touch()
    assert find_model_file(Path("steel")) == Path("steel")
