"""8 bits and half precision, of real weights in real runtimes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from sdgasnet.config.schema import ExportConfig
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import DatasetIndex
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.errors import DataError
from sdgasnet.export.build import build_bundle
from sdgasnet.export.graph_parts import find_tail
from sdgasnet.export.precision import choose_calibration, draw_evenly, halve_bundle, quantize_bundle
from sdgasnet.export.quantize import Quantiser, output_error, quantize_until, refit_threshold, run_graph
from sdgasnet.imaging.image import prepare_image
from sdgasnet.models.checkpoint import find_model_file, read_model
from sdgasnet.runtime.bundle import Bundle, open_bundle, write_bundle
from sdgasnet.runtime.deployment import Deployment, Runtime, open_session
from sdgasnet.runtime.manifest import ComputePrecision
from sdgasnet.runtime.session import Canvases, RawOutputs

SIDE = 128


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    model = read_model(find_model_file(Path("procedural")))
    shape = model.recipe.model.model_copy(update={"image_size": (SIDE, SIDE)})
    model = replace(model, recipe=model.recipe.model_copy(update={"model": shape}))
    return Bundle(Path("procedural.sdg"), *build_bundle(model, "procedural", 8))


@pytest.fixture(scope="module")
def canvases() -> list[Canvases]:
    pictures = [generate_surface("steel", (SIDE, SIDE), 5, index, good_share=0.0).image for index in range(12)]
    return [prepare_image(picture, (SIDE, SIDE))[0][None] for picture in pictures]


@pytest.fixture(scope="module")
def quantiser(bundle: Bundle, canvases: list[Canvases]) -> Quantiser:
    return Quantiser(bundle.graph("fp32"), canvases)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> DatasetIndex:
    """Pictures labelled with what the float model finds in them, in a set of its classes."""
    root = tmp_path_factory.mktemp("set")
    names = bundle.manifest.class_names
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {json.dumps(list(names))}\n")
    session = open_session(bundle, Deployment("onnxruntime", "fp32", 1, 1))
    for split, seed in (("train", 1), ("val", 2)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for index in range(8):
            picture = generate_surface("steel", (SIDE, SIDE), seed, index, good_share=0.0).image
            cv2.imwrite(str(root / "images" / split / f"{index}.png"), picture)
            said = session.run(picture[None])
            point, label = divmod(int(said.scores[0].argmax()), len(names))
            x1, y1, x2, y2 = said.boxes_xyxy[0, point].clip(0, SIDE) / SIDE
            box = f"{label} {(x1 + x2) / 2} {(y1 + y2) / 2} {x2 - x1} {y2 - y1}\n"
            (root / "labels" / split / f"{index}.txt").write_text(box)
    return load_dataset(root)


def run(bundle: Bundle, graph: bytes, runtime: Runtime, canvases: list[Canvases]) -> list[RawOutputs]:
    held = replace(bundle, files={**bundle.files, "model.onnx": graph})
    session = open_session(held, Deployment(runtime, "fp32", 1, 1))
    return [session.run(canvas) for canvas in canvases]


def test_the_tail_is_what_no_convolution_uses(bundle: Bundle) -> None:
    graph = onnx.load_from_string(bundle.graph("fp32")).graph
    tail = {node.op_type for node in graph.node if node.name in find_tail(graph)}
    assert {"Softmax", "Sigmoid", "ReduceSum"} <= tail
    assert not tail & {"Conv", "ConvTranspose", "Relu", "Resize", "MatMul", "Div", "Cast"}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_eight_bits_say_nearly_the_same_in_both_runtimes(
    bundle: Bundle, quantiser: Quantiser, canvases: list[Canvases], runtime: Runtime
) -> None:
    graph = quantiser.quantize()
    assert len(graph) < 0.4 * len(bundle.graph("fp32"))
    exact = list(run_graph(bundle.graph("fp32"), canvases))
    assert 0 < output_error(exact, iter(run(bundle, graph, runtime, canvases))) < 0.05


def test_boxes_and_scores_are_made_in_float(quantiser: Quantiser) -> None:
    graph = onnx.load_from_string(quantiser.quantize()).graph
    inputs = {name: node.op_type for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in ("Softmax", "Sigmoid", "MatMul", "ReduceSum"):
            assert "QuantizeLinear" not in {inputs.get(name) for name in node.input}
    output = {value.name for value in graph.output}
    assert all(inputs[name] != "DequantizeLinear" for name in output)


def test_float_layers_lessen_the_error(bundle: Bundle, quantiser: Quantiser, canvases: list[Canvases]) -> None:
    exact = list(run_graph(bundle.graph("fp32"), canvases))
    ranked = quantiser.ranking
    assert len(ranked) == len(set(ranked)) > 40
    errors = [
        output_error(exact, run_graph(quantiser.quantize(float_layers=ranked[:count]), canvases))
        for count in (0, 8, len(ranked))
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_layer_kept_in_float_is_in_float_when_it_runs(
    bundle: Bundle, canvases: list[Canvases], runtime: Runtime
) -> None:
    """ONNX Runtime would quantise it by itself, see NOT_WANTED; these weights do not survive that."""
    model = onnx.load_from_string(bundle.graph("fp32"))
    first, second = "network.backbone.stem.0", "network.backbone.stages.0.0.0"
    for constant in model.graph.initializer:
        values = onnx.numpy_helper.to_array(constant).copy()
        if constant.name in (f"{first}.weight", f"{first}.bias"):
            values[0] = 0.0  # a channel that is always zero,
        elif constant.name == f"{second}.weight":
            values[:, 0] = 1000.0  # and large weights on it
        constant.CopyFrom(onnx.numpy_helper.from_array(values, constant.name))
    graph = model.SerializeToString()
    layer = next(node.name for node in model.graph.node if f"{second}.weight" in node.input)
    quantiser = Quantiser(graph, canvases)
    exact = list(run_graph(graph, canvases))
    spoilt, kept = (
        output_error(exact, iter(run(bundle, quantiser.quantize(float_layers=layers), runtime, canvases)))
        for layers in ((), (layer,))
    )
    # Without VNNI products of 8 bits saturate in the other layers, too: 0.24 on AVX2 alone.
    capabilities = torch.cpu.get_capabilities()
    limit = 0.2 if capabilities.get("avx512_vnni") or capabilities.get("avx_vnni") else 0.3
    assert kept < limit * spoilt


def test_sensitive_layers_go_back_to_float_until_it_suffices(quantiser: Quantiser) -> None:
    def float_convolutions(graph: bytes) -> float:
        nodes = onnx.load_from_string(graph).graph
        made_by = {name: node.op_type for node in nodes.node for name in node.output}
        constants = {one.name for one in nodes.initializer}
        return sum(
            node.op_type in ("Conv", "ConvTranspose")
            and (node.input[1] in constants or made_by.get(node.input[1]) != "DequantizeLinear")
            for node in nodes.node
        )

    said: list[str] = []
    found = quantize_until(quantiser, float_convolutions, 3, said.append)
    assert len(found.float_layers) == found.quality == 4
    assert said[0] == "looking for the most sensitive layers"
    nothing_suffices = quantize_until(quantiser, lambda graph: 0.0, 1.0, said.append)
    assert nothing_suffices.float_layers == ()


@pytest.mark.parametrize(
    ("before", "after", "threshold", "wanted"),
    [
        ([0.9, 0.8, 0.3], [0.5, 0.45, 0.1], 0.6, 0.275),
        ([0.9, 0.8, 0.3], [0.9, 0.8, 0.3], 0.6, 0.55),
        ([0.3], [0.2, 0.1], 0.6, 0.6),
        ([0.9], [0.5], 0.6, 0.6),
        ([], [], 0.6, 0.6),
    ],
    ids=["shifted", "equal", "nothing shown", "too few", "nothing"],
)
def test_the_threshold_follows_the_scores(
    before: list[float], after: list[float], threshold: float, wanted: float
) -> None:
    assert refit_threshold(before, after, threshold) == pytest.approx(wanted)


def test_a_quantised_bundle_is_whole(bundle: Bundle, labelled: DatasetIndex, tmp_path: Path) -> None:
    said: list[str] = []
    calibration = choose_calibration(labelled, ExportConfig())
    assert (calibration.split, calibration.measured_split) == ("train", "val")
    found = quantize_bundle(bundle, calibration, ExportConfig(AP50_loss=1.0), said.append)
    write_bundle(tmp_path / "a.sdg", found.manifest, found.files)
    opened = open_bundle(tmp_path / "a.sdg")
    assert opened.manifest.precision == "int8"
    assert opened.graph("fp32") == bundle.graph("fp32")
    assert opened.spec("fp32").detection == bundle.spec("fp32").detection
    report = json.loads(opened.files["quantization.json"])
    assert report["AP50"]["fp32"] > 0.9
    assert report["score_threshold"]["int8"] == opened.spec("int8").detection.score_threshold
    assert any("in fp32" in line for line in said)
    ways: list[tuple[Runtime, ComputePrecision]] = [
        ("onnxruntime", "int8"),
        ("openvino", "int8"),
        ("openvino", "bf16"),
    ]
    for runtime, precision in ways:
        said_now = open_session(opened, Deployment(runtime, precision, 1, 1)).run(
            np.zeros((1, SIDE, SIDE, 1), np.uint8)
        )
        assert np.isfinite(said_now.boxes_xyxy).all()


def test_pictures_without_labels_can_not_tell_a_loss(bundle: Bundle, labelled: DatasetIndex) -> None:
    calibration = choose_calibration(labelled, ExportConfig())
    empty = replace(calibration, measured=tuple(replace(one, objects=()) for one in calibration.measured))
    with pytest.raises(DataError, match="No box is labelled in the 8 pictures"):
        quantize_bundle(bundle, empty, ExportConfig(), print)


def test_a_calibration_split_is_preferred_and_drawn_evenly(labelled: DatasetIndex) -> None:
    train = labelled.splits["train"]
    assert [one.name for one in draw_evenly(train, 4)] == [train[number].name for number in (0, 2, 4, 6)]
    own = replace(labelled, splits={**labelled.splits, "calibration": train[:3]})
    chosen = choose_calibration(own, ExportConfig())
    assert (chosen.split, chosen.measured_split) == ("calibration", "calibration")
    bare = tuple(replace(one, objects=()) for one in train)
    chosen = choose_calibration(replace(own, splits={**own.splits, "calibration": bare}), ExportConfig())
    assert (chosen.split, chosen.measured_split) == ("calibration", "val")
    only = replace(labelled, splits={"calibration": train})
    assert choose_calibration(only, ExportConfig()).measured_split == "calibration"
    with pytest.raises(DataError, match="neither a split 'calibration' nor 'train'"):
        choose_calibration(replace(labelled, splits={"test": train}), ExportConfig())


def test_half_precision_keeps_its_outputs_in_float(bundle: Bundle, canvases: list[Canvases]) -> None:
    halved = halve_bundle(bundle)
    assert halved.manifest.precision == "fp16"
    assert len(halved.graph("fp16")) < 0.6 * len(bundle.graph("fp32"))
    session = open_session(halved, Deployment("onnxruntime", "fp16", 1, 1))
    exact = list(run_graph(bundle.graph("fp32"), canvases))
    found = [session.run(canvas) for canvas in canvases]
    assert all(part.dtype == np.float32 for part in found[0])
    assert 0 < output_error(exact, iter(found)) < 0.005
