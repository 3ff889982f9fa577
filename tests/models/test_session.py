from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdgasnet.config.loading import build_recipe
from sdgasnet.errors import ModelError
from sdgasnet.models.box_coding import anchor_points, decode_boxes
from sdgasnet.models.checkpoint import ModelFile, write_model
from sdgasnet.models.network import Network
from sdgasnet.models.session import Precision, TorchSession, load_detector
from sdgasnet.runtime.session import Session

NAMES = ("a", "b", "c", "d", "e", "f")
SIZE = (96, 160)


def make_model(trained_network: Callable[..., Network], channels: int) -> tuple[ModelFile, Network]:
    network = trained_network("n", channels=channels)
    recipe = build_recipe(
        {
            "model": {"preset": "n", "image_size": SIZE, "channels": channels},
            "detection": {"score_threshold": 0.4, "max_detections": 5},
        }
    )
    return ModelFile(recipe, NAMES, network.state_dict()), network


def canvases(channels: int, dtype: type, batch: int = 2) -> NDArray[np.unsignedinteger]:
    top = np.iinfo(dtype).max
    drawn: NDArray[np.unsignedinteger] = np.random.default_rng(0).integers(0, top, (batch, *SIZE, channels), dtype)
    return drawn


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equals_the_network_step_by_step(
    trained_network: Callable[..., Network], channels: int, dtype: type
) -> None:
    model, network = make_model(trained_network, channels)
    session: Session = TorchSession(model, "test")
    batch = canvases(channels, dtype)
    found = session.run(batch)
    images = torch.from_numpy(
        (batch.astype(np.float64) / np.iinfo(dtype).max).astype(np.float32).transpose(0, 3, 1, 2)
    )
    with torch.no_grad():
        said = network(images)
    wanted = (
        decode_boxes(said.box_logits, *anchor_points(SIZE)),
        said.class_logits.sigmoid(),
        said.embedding,
    )
    for part, value, tolerance in zip(found, wanted, (0.05, 1e-3, 1e-3), strict=True):
        assert part.dtype == np.float32
        np.testing.assert_allclose(part, value.numpy(), atol=tolerance)


def test_spec_is_what_the_model_file_says(trained_network: Callable[..., Network]) -> None:
    model, _ = make_model(trained_network, 1)
    spec = TorchSession(model, "steel").spec
    assert (spec.class_names, spec.image_size, spec.channels, spec.name) == (NAMES, SIZE, 1, "steel")
    assert spec.detection == model.recipe.detection


def test_bfloat16_is_near_and_gives_float32(trained_network: Callable[..., Network]) -> None:
    model, _ = make_model(trained_network, 3)
    batch = canvases(3, np.uint8)
    plain, mixed = (TorchSession(model, "test", precision=p).run(batch) for p in ("fp32", "bf16"))
    assert all(part.dtype == np.float32 for part in mixed)
    assert not np.array_equal(plain.scores, mixed.scores)
    assert np.abs(plain.scores - mixed.scores).mean() < 0.02


def test_sides_may_differ_from_the_canvas_of_training(trained_network: Callable[..., Network]) -> None:
    model, _ = make_model(trained_network, 3)
    assert TorchSession(model, "test").run(np.zeros((1, 64, 224, 3), np.uint8)).boxes_xyxy.shape == (1, 294, 4)


def test_not_contiguous_and_read_only_pictures_are_taken(trained_network: Callable[..., Network]) -> None:
    model, _ = make_model(trained_network, 3)
    session = TorchSession(model, "test")
    batch = canvases(3, np.uint8)
    turned = batch[:, :, ::-1]
    turned.flags.writeable = False
    assert np.array_equal(session.run(turned).scores, session.run(turned.copy()).scores)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 96, 160, 1), np.uint8),
        np.zeros((96, 160, 3), np.uint8),
        np.zeros((1, 3, 96, 160), np.uint8),
        np.zeros((1, 96, 160, 3), np.float32),
        np.zeros((1, 96, 150, 3), np.uint8),
    ],
    ids=["channels", "no batch", "channels first", "float", "side"],
)
def test_input_that_does_not_fit_is_refused(
    trained_network: Callable[..., Network], batch: NDArray[np.unsignedinteger]
) -> None:
    model, _ = make_model(trained_network, 3)
    with pytest.raises(ModelError, match="The model takes"):
        TorchSession(model, "test").run(batch)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_named(trained_network: Callable[..., Network], device: str) -> None:
    model, _ = make_model(trained_network, 3)
    with pytest.raises(ModelError, match=f"Device '{device}' can't be used"):
        TorchSession(model, "test", device)


def test_detector_from_a_file_and_from_its_folder(trained_network: Callable[..., Network], tmp_path: Path) -> None:
    model, _ = make_model(trained_network, 3)
    write_model(model, tmp_path / "best.pt")
    picture = np.random.default_rng(1).integers(0, 255, (70, 50, 3), np.uint8)
    first, second = (load_detector(path).detect(picture) for path in (tmp_path / "best.pt", tmp_path))
    assert first.source_size == (70, 50)
    assert len(first) <= 5
    assert (first.scores >= 0.4).all()
    np.testing.assert_array_equal(first.boxes_xyxy, second.boxes_xyxy)


@pytest.mark.gpu
def test_a_gpu_says_what_the_processor_says(trained_network: Callable[..., Network]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model, _ = make_model(trained_network, 3)
    batch = canvases(3, np.uint8)
    here, there = (TorchSession(model, "test", device).run(batch) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(there.scores, here.scores, atol=1e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_captured_graph_says_what_single_launches_say(
    trained_network: Callable[..., Network], precision: Precision
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model, _ = make_model(trained_network, 3)
    plain, captured = (
        TorchSession(model, "test", "cuda", precision, cuda_graphs) for cuda_graphs in (False, True)
    )
    for batch in (canvases(3, np.uint8), canvases(3, np.uint8, 1)[:, ::-1], canvases(3, np.uint16)):
        for part, other in zip(plain.run(batch), captured.run(batch), strict=True):
            np.testing.assert_allclose(other, part, rtol=1e-2, atol=1e-2)


def test_what_needs_a_gpu_is_said(trained_network: Callable[..., Network]) -> None:
    model, _ = make_model(trained_network, 3)
    with pytest.raises(ModelError, match="need a GPU"):
        TorchSession(model, "test", precision="fp16")
    with pytest.raises(ModelError, match="need a GPU"):
        TorchSession(model, "test", cuda_graphs=True)
