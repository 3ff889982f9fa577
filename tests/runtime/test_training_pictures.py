from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.errors import ModelError
from sdgasnet.runtime.bundle import Bundle, open_bundle, write_bundle
from sdgasnet.runtime.manifest import Graph, InputSpec, Manifest, Preparation, Training
from sdgasnet.runtime.training_pictures import TRAINING_NAME, list_digests, training_digests

DIGESTS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(5)]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    content = list_digests(DIGESTS)
    training = Training(epochs=1, metrics={}, pictures=5, pictures_digest=hashlib.sha256(content).hexdigest())
    manifest = Manifest(
        name="steel",
        preset="n",
        precision="fp32",
        input=InputSpec(image_size=(64, 96), channels=1, bits=8),
        preparation=Preparation(padding=0.5),
        class_names=("pit",),
        graphs={"fp32": Graph(file="model.onnx", detection=DetectionConfig())},
        training=training,
        versions={},
        files={},
    )
    path = tmp_path / "steel.sdg"
    write_bundle(path, manifest, {"model.onnx": b"graph", TRAINING_NAME: content})
    return open_bundle(path)


def test_a_bundle_knows_its_training_pictures(bundle: Bundle) -> None:
    assert training_digests(bundle) == frozenset(DIGESTS)
    assert list_digests(reversed(DIGESTS)) == list_digests(DIGESTS)


def test_older_bundles_do_not(bundle: Bundle) -> None:
    assert training_digests(replace(bundle, files={"model.onnx": b"graph"})) is None


def test_a_list_of_other_pictures_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="does not fit"):
        training_digests(replace(bundle, files={**bundle.files, TRAINING_NAME: list_digests(DIGESTS[1:])}))
