"""A bundle says in every runtime what torch says."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from sdgasnet.config.loading import build_recipe
from sdgasnet.errors import ModelError
from sdgasnet.export.build import build_bundle
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.image import prepare_image
from sdgasnet.models.checkpoint import ModelFile
from sdgasnet.models.network import Network
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.bundle import Bundle, open_bundle, write_bundle
from sdgasnet.runtime.deployment import Deployment, Runtime, open_session
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.onnxruntime_session import OnnxRuntimeSession
from sdgasnet.runtime.openvino_session import OpenVINOSession
from sdgasnet.runtime.results import to_objects
from sdgasnet.runtime.session import Session, run_all

RUNTIMES: dict[str, Callable[[Bundle], Session]] = {
    "onnxruntime": lambda bundle: OnnxRuntimeSession(bundle, threads=1, precision="fp32"),
    "openvino": lambda bundle: OpenVINOSession(bundle, threads=1, precision="fp32"),
}

SIGNALLED = """
import os, signal, sys, threading
from pathlib import Path
from sdgasnet.runtime.bundle import open_bundle
from sdgasnet.runtime.openvino_session import OpenVINOSession
sessions = [OpenVINOSession(open_bundle(Path(sys.argv[1])), 1, "fp32")]
thread = threading.Thread(target=sessions.clear)
thread.start()
thread.join()
heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
os.kill(os.getpid(), signal.SIGTERM)
assert heard
"""


def build_model(**model: Any) -> ModelFile:
    """An untrained network whose predictors and statistics are arbitrary."""
    recipe = build_recipe({"model": {"preset": "n", "image_size": [96, 128], **model}})
    torch.manual_seed(0)
    network = Network(recipe.model, 3)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    for level in network.head.levels:
        for predictor in (level.class_predictor, level.box_predictor, level.distance_predictor):
            if predictor is not None:
                nn.init.normal_(predictor.weight, std=0.3)
        nn.init.normal_(level.class_predictor.bias)
    return ModelFile(recipe, ("a", "b", "c"), network.state_dict(), ("1" * 64,), 4, {"AP": 0.25})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFile, Bundle]:
    model, path = build_model(channels=1), tmp_path_factory.mktemp("bundles") / "part.sdg"
    write_bundle(path, *build_bundle(model, "part", 8))
    return model, open_bundle(path)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
@pytest.mark.parametrize("batch", [1, 3])
def test_outputs_equal_torch(written: tuple[ModelFile, Bundle], runtime: str, batch: int) -> None:
    model, bundle = written
    canvases = np.random.default_rng(0).integers(0, 256, (batch, 96, 128, 1), dtype=np.uint8)
    ours, theirs = RUNTIMES[runtime](bundle).run(canvases), TorchSession(model, "m").run(canvases)
    np.testing.assert_allclose(ours.boxes_xyxy, theirs.boxes_xyxy, atol=0.05)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    np.testing.assert_allclose(ours.embedding, theirs.embedding, atol=1e-3)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_outputs_are_the_callers_own(written: tuple[ModelFile, Bundle], runtime: str) -> None:
    session = RUNTIMES[runtime](written[1])
    first = session.run(np.zeros((1, 96, 128, 1), np.uint8))
    kept = [part.copy() for part in first]
    session.run(np.full((1, 96, 128, 1), 255, np.uint8))
    assert all(np.array_equal(one, other) for one, other in zip(first, kept, strict=True))


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_golden_vectors_are_met_from_the_picture_on(written: tuple[ModelFile, Bundle], runtime: str) -> None:
    bundle = written[1]
    session = RUNTIMES[runtime](bundle)

    def array(name: str) -> np.ndarray:
        loaded: np.ndarray = np.load(io.BytesIO(bundle.files[name]))
        return loaded

    for number in range(3):
        place = f"reference/{number}"
        data = np.frombuffer(bundle.files[f"{place}/picture.png"], np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)[:, :, None]
        canvas, resize_map = prepare_image(picture, session.spec.image_size)
        assert np.array_equal(canvas[None], array(f"{place}/canvas.npy"))
        outputs = session.run(canvas[None])
        for name, found in outputs._asdict().items():
            np.testing.assert_allclose(found, array(f"{place}/{name}.npy"), atol=0.05)
        golden = json.loads(bundle.files[f"{place}/detections.json"])
        again = decode_detections(
            array(f"{place}/boxes_xyxy.npy")[0],
            array(f"{place}/scores.npy")[0],
            resize_map,
            session.spec.detection,
            golden["score_floor"],
        )
        assert to_objects(again, session.spec.class_names) == golden["detections"]
        assert golden["detections"]


def test_a_wrong_graph_misses_the_golden_vectors(written: tuple[ModelFile, Bundle], tmp_path: Path) -> None:
    model, bundle = written
    swapped = {
        name: value.flip(0) if "class_predictor.bias" in name or "class_predictor.weight" in name else value
        for name, value in model.weights.items()
    }
    wrong = build_bundle(replace(model, weights=swapped), "part", 8)
    write_bundle(tmp_path / "wrong.sdg", *wrong)
    canvas = np.load(io.BytesIO(bundle.files["reference/0/canvas.npy"]))
    scores = (
        OnnxRuntimeSession(open_bundle(tmp_path / "wrong.sdg"), threads=1, precision="fp32").run(canvas).scores
    )
    assert np.abs(scores - np.load(io.BytesIO(bundle.files["reference/0/scores.npy"]))).max() > 1e-2


@pytest.mark.parametrize(
    "model", [{"channels": 3}, {"preset": "lite0", "channels": 1}, {"box_predictors": "both"}]
)
def test_colour_other_backbones_and_students(model: dict[str, Any], tmp_path: Path) -> None:
    trained = build_model(**model)
    write_bundle(tmp_path / "a", *build_bundle(trained, "a", 8))
    picture = np.random.default_rng(1).integers(0, 256, (90, 200, trained.recipe.model.channels), dtype=np.uint8)
    one = Detector(OnnxRuntimeSession(open_bundle(tmp_path / "a"), threads=1, precision="fp32")).detect(
        picture, 0.05
    )
    other = Detector(TorchSession(trained, "m")).detect(picture, 0.05)
    assert len(one) == len(other) > 0
    # Nearly equal scores may change places.
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    np.testing.assert_allclose(one.boxes_xyxy.sum(0), other.boxes_xyxy.sum(0), rtol=1e-3)


def test_sixteen_bits(tmp_path: Path) -> None:
    model = build_model(channels=1)
    write_bundle(tmp_path / "a.sdg", *build_bundle(model, "a", 16))
    bundle = open_bundle(tmp_path / "a.sdg")
    picture = np.random.default_rng(1).integers(0, 65536, (96, 128, 1), dtype=np.uint16)
    for make in RUNTIMES.values():
        session = make(bundle)
        scores = session.run(picture[None]).scores
        np.testing.assert_allclose(scores, TorchSession(model, "m").run(picture[None]).scores, atol=1e-4)
        eight = (picture >> 8).astype(np.uint8)[None]
        np.testing.assert_allclose(
            session.run(eight).scores, TorchSession(model, "m").run(eight).scores, atol=1e-4
        )


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_a_graph_that_is_none(written: tuple[ModelFile, Bundle], runtime: str) -> None:
    broken = replace(written[1], files={**written[1].files, "model.onnx": b"no graph"})
    with pytest.raises(ModelError, match="can't load"):
        RUNTIMES[runtime](broken)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_several_pictures_at_a_time_give_what_one_gives(
    written: tuple[ModelFile, Bundle], runtime: Runtime
) -> None:
    _, bundle = written
    generator = np.random.default_rng(3)
    canvases = [generator.integers(0, 256, (1 + number % 3, 96, 128, 1), np.uint8) for number in range(12)]
    single = open_session(bundle, Deployment(runtime, "fp32", 1, 1))
    several = open_session(bundle, Deployment(runtime, "fp32", 2, 2))
    streamed = list(run_all(several, iter(canvases)))
    assert len(streamed) == len(canvases)
    for canvas, found in zip(canvases, streamed, strict=True):
        for one, other in zip(single.run(canvas), found, strict=True):
            assert one.shape == other.shape
            assert np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_stream_may_be_left_and_entered_again(written: tuple[ModelFile, Bundle], runtime: Runtime) -> None:
    _, bundle = written
    session = open_session(bundle, Deployment(runtime, "fp32", 2, 2))
    canvas = np.zeros((1, 96, 128, 1), np.uint8)
    results = run_all(session, repeat(canvas))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(list(run_all(session, [canvas] * 7))) == 7


def test_signals_arrive_after_a_session_was_freed_in_another_thread(written: tuple[ModelFile, Bundle]) -> None:
    """A core that is freed elsewhere takes the stack for signals of the thread that made it along."""
    command = [sys.executable, "-c", SIGNALLED, str(written[1].path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
