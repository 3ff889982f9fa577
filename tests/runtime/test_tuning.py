from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.errors import ModelError
from sdgasnet.runtime.bundle import Bundle, open_bundle, write_bundle
from sdgasnet.runtime.deployment import Deployment, default_deployment, list_precisions, open_session
from sdgasnet.runtime.manifest import Graph, InputSpec, Manifest, Preparation, Training
from sdgasnet.runtime.tuning import choose_deployment, read_tuned, tuned_file, write_tuned

QUICK = Deployment("openvino", "bf16", 3, 1)
MANY = Deployment("onnxruntime", "int8", 4, 4)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    manifest = Manifest(
        name="steel",
        preset="n",
        precision="int8",
        input=InputSpec(image_size=(64, 96), channels=1, bits=8),
        preparation=Preparation(padding=0.5),
        class_names=("pit",),
        graphs={
            "int8": Graph(file="model.onnx", detection=DetectionConfig(score_threshold=0.3)),
            "fp32": Graph(file="model_fp32.onnx", detection=DetectionConfig(score_threshold=0.4)),
        },
        training=Training(epochs=3, metrics={}, pictures=7, pictures_digest="0" * 64),
        refused=("onnxruntime int8",),
        versions={},
        files={},
    )
    write_bundle(tmp_path / "steel.sdg", manifest, {"model.onnx": b"8", "model_fp32.onnx": b"32"})
    return open_bundle(tmp_path / "steel.sdg")


def test_what_was_found_is_followed_unless_something_is_asked_for(bundle: Bundle) -> None:
    assert choose_deployment(bundle, "throughput") == default_deployment(bundle, "throughput")
    assert write_tuned(bundle, QUICK, MANY, []) == bundle.path.with_name("steel.tuned.json")
    assert choose_deployment(bundle, "latency") == QUICK
    assert choose_deployment(bundle, "throughput") == MANY
    assert choose_deployment(bundle, "latency", precision="fp32") == replace(QUICK, precision="fp32")
    assert choose_deployment(bundle, "throughput", threads=2) == replace(MANY, threads=2, streams=2)
    other = choose_deployment(bundle, "latency", runtime="onnxruntime")
    assert other == default_deployment(bundle, "latency", "onnxruntime")


@pytest.mark.parametrize(("key", "value"), [("bundle", "0"), ("processor", "another"), ("cores", 1000)])
def test_another_bundle_or_computer_is_not_followed(bundle: Bundle, key: str, value: object) -> None:
    path = write_tuned(bundle, QUICK, MANY, [])
    assert read_tuned(bundle) is not None
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert read_tuned(bundle) is None
    assert choose_deployment(bundle, "latency") == default_deployment(bundle, "latency")


@pytest.mark.parametrize("content", ["", "[]", '{"bundle": 1}'])
def test_a_damaged_file_is_said(bundle: Bundle, content: str) -> None:
    tuned_file(bundle.path).write_text(content)
    with pytest.raises(ModelError, match=r"steel\.tuned\.json is damaged.*sdgasnet tune"):
        read_tuned(bundle)


def test_refused_precisions_are_not_listed(bundle: Bundle) -> None:
    assert list_precisions(bundle, "onnxruntime") == ["fp32"]
    assert list_precisions(bundle, "openvino") == ["int8", "fp32", "bf16"]


def test_onnx_runtime_does_not_compute_in_bf16(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="does not compute in bf16"):
        open_session(bundle, Deployment("onnxruntime", "bf16", 1, 1))


def test_a_refused_way_is_not_the_default(bundle: Bundle) -> None:
    assert default_deployment(bundle, "latency", "onnxruntime").precision == "fp32"
    assert choose_deployment(bundle, "latency", runtime="onnxruntime").precision == "fp32"
    forced = replace(bundle, manifest=bundle.manifest.model_copy(update={"refused": ("onnxruntime fp32",)}))
    assert default_deployment(forced, "latency", "onnxruntime").precision == "int8"
