"""The gate lets the same model pass and nothing that is not the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
from onnx import helper, numpy_helper

from sdgasnet.config.schema import ParityConfig
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.errors import ModelError
from sdgasnet.evaluation import parity
from sdgasnet.evaluation.agreement import MatchedDetections, Spread
from sdgasnet.evaluation.parity import Sample, generate_samples, list_ways, run_gate, run_gate_without_model
from sdgasnet.evaluation.parity_report import Comparison, DifferingPicture, Figures, ParityReport, list_excesses
from sdgasnet.export.build import build_bundle
from sdgasnet.imaging.image import Channels, Image
from sdgasnet.models.checkpoint import ModelFile, read_model
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.bundle import FLOAT_GRAPH_NAME, GRAPH_NAME, Bundle
from sdgasnet.runtime.manifest import Graph, Manifest

LABELLED_PICTURES = 10
TOLERANCES = ParityConfig()
Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return read_model(Path("procedural"))


@pytest.fixture(scope="module")
def reference(model: ModelFile) -> TorchSession:
    return TorchSession(model, "procedural")


@pytest.fixture(scope="module")
def bundle(model: ModelFile) -> Bundle:
    return Bundle(Path("procedural.sdg"), *build_bundle(model, "procedural", 8))


@pytest.fixture(scope="module")
def labelled() -> list[Sample]:
    """Pictures of all surfaces with the labels they were generated with."""

    def read(pixels: Image, _: Channels) -> Image:
        return pixels

    drawn = [generate_surface("mixed", (200, 240), 3, index, good_share=0.2) for index in range(LABELLED_PICTURES)]
    return [Sample(f"{number}.png", partial(read, one.image), one.objects) for number, one in enumerate(drawn)]


def permute(output: str, order: Sequence[int]) -> Edit:
    """Change the places along the last axis of an output."""

    def edit(graph: onnx.ModelProto) -> None:
        for node in graph.graph.node:
            node.output[:] = [f"{name}_before" if name == output else name for name in node.output]
        graph.graph.initializer.append(numpy_helper.from_array(np.array(order, np.int64), "order"))
        graph.graph.node.append(helper.make_node("Gather", [f"{output}_before", "order"], [output], axis=2))

    return edit


def swap_scores(graph: onnx.ModelProto) -> None:
    classes = graph.graph.output[1].type.tensor_type.shape.dim[2].dim_value
    permute("scores", [1, 0, *range(2, classes)])(graph)


def shift_mean(graph: onnx.ModelProto) -> None:
    """Take something off the pixels, about as much as ImageNet's mean."""
    division = next(node for node in graph.graph.node if node.op_type == "Div")
    divided = division.output[0]
    for node in graph.graph.node:
        node.input[:] = ["shifted" if name == divided else name for name in node.input]
    graph.graph.initializer.append(numpy_helper.from_array(np.array(0.4, np.float32), "other_mean"))
    place = list(graph.graph.node).index(division) + 1
    graph.graph.node.insert(place, helper.make_node("Sub", [divided, "other_mean"], ["shifted"]))


WRONG: dict[str, Edit] = {
    "two class scores swapped": swap_scores,
    "x and y of boxes swapped": permute("boxes_xyxy", [1, 0, 3, 2]),
    "wrong mean": shift_mean,
}


def edited(content: bytes, edit: Edit) -> bytes:
    graph = onnx.load_from_string(content)
    edit(graph)
    return bytes(graph.SerializeToString())


def with_graph(bundle: Bundle, edit: Edit) -> Bundle:
    """The bundle with another graph in float."""
    return replace(bundle, files={**bundle.files, GRAPH_NAME: edited(bundle.graph("fp32"), edit)})


def as_quantised(bundle: Bundle, edit_main: Edit | None, edit_float: Edit | None = None) -> Bundle:
    """A bundle that calls a float graph its graph in int8: what is compared, and what with, is the same."""
    content = bundle.graph("fp32")
    detection = bundle.manifest.graphs["fp32"].detection
    graphs = {
        "int8": Graph(file=GRAPH_NAME, detection=detection),
        "fp32": Graph(file=FLOAT_GRAPH_NAME, detection=detection),
    }
    files = {
        **bundle.files,
        GRAPH_NAME: edited(content, edit_main) if edit_main else content,
        FLOAT_GRAPH_NAME: edited(content, edit_float) if edit_float else content,
    }
    manifest: Manifest = bundle.manifest.model_copy(update={"precision": "int8", "graphs": graphs})
    return Bundle(bundle.path, manifest, files)


def verdicts(report: ParityReport) -> dict[str, str]:
    return {one.name: one.verdict for one in report.comparisons}


def float_comparison(report: ParityReport) -> Comparison:
    return next(one for one in report.comparisons if one.precision == "fp32")


def test_the_same_model_passes_on_labelled_pictures(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample]
) -> None:
    seen: list[tuple[int, int]] = []
    report = run_gate(reference, bundle, labelled, TOLERANCES, lambda *done: seen.append(done))
    assert seen == [(number, len(labelled)) for number in range(1, len(labelled) + 1)]
    assert report.passed
    assert report.refused == ()
    found = verdicts(report)
    assert found["onnxruntime fp32"] == found["openvino fp32"] == "within"
    assert found["openvino bf16"] in ("within", "not run")
    assert report.AP is not None
    assert report.AP > 0.05
    for one in report.comparisons:
        if one.precision == "fp32":
            assert one.figures is not None
            assert one.figures.points > 100
            assert 0 < one.figures.boxes.largest < 0.05
            assert pytest.approx(report.AP, abs=1e-4) == one.figures.AP
            assert one.figures.detections.matched > 10
            assert one.figures.differing == ()


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_graph_in_float_fails(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample], wrong: str
) -> None:
    report = run_gate(reference, with_graph(bundle, WRONG[wrong]), labelled, TOLERANCES)
    assert not report.passed
    assert verdicts(report)["onnxruntime fp32"] == verdicts(report)["openvino fp32"] == "outside"
    assert all(one.figures for one in report.comparisons if one.precision == "fp32")


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("labels", [True, False], ids=["labelled", "generated"])
def test_the_wider_tolerances_of_int8_see_a_wrong_graph_too(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample], wrong: str, labels: bool
) -> None:
    quantised = as_quantised(bundle, WRONG[wrong])
    report = run_gate(reference, quantised, labelled if labels else generate_samples(bundle), TOLERANCES)
    assert not report.passed
    assert verdicts(report)["onnxruntime int8"] == verdicts(report)["openvino int8"] == "outside"
    assert all(one.figures for one in report.comparisons if one.precision == "int8")
    assert report.refused == ()
    assert (report.AP is not None) == labels


@pytest.mark.parametrize("wrong", WRONG)
def test_golden_vectors_catch_a_wrong_float_graph_without_torch(bundle: Bundle, wrong: str) -> None:
    report = run_gate_without_model(with_graph(bundle, WRONG[wrong]), generate_samples(bundle), TOLERANCES)
    assert report.golden is not None
    assert not report.golden.passed
    assert not report.passed
    assert report.comparisons == ()


def test_without_the_model_the_float_graph_is_the_reference(bundle: Bundle, labelled: list[Sample]) -> None:
    report = run_gate_without_model(as_quantised(bundle, None), labelled, TOLERANCES)
    assert report.golden is not None
    assert report.golden.passed
    assert report.passed
    assert "onnxruntime fp32" not in verdicts(report)
    assert verdicts(report)["onnxruntime int8"] == "within"
    assert not run_gate_without_model(as_quantised(bundle, swap_scores), labelled, TOLERANCES).passed


def test_without_golden_vectors_nothing_says_what_is_right(bundle: Bundle) -> None:
    bare = replace(bundle, files={GRAPH_NAME: bundle.files[GRAPH_NAME]})
    with pytest.raises(ModelError, match="no golden vectors"):
        run_gate_without_model(bare, generate_samples(bundle), TOLERANCES)
    damaged = replace(bundle, files={**bundle.files, "reference/1/scores.npy": b"x"})
    with pytest.raises(ModelError, match=r"reference/1/scores\.npy is missing or damaged"):
        run_gate_without_model(damaged, generate_samples(bundle), TOLERANCES)


def test_a_side_precision_outside_is_refused_and_does_not_fail(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample]
) -> None:
    if parity.find_obstacle(("openvino", "bf16")):
        pytest.skip("this processor does not compute in bf16")
    strict = ParityConfig(bf16=TOLERANCES.fp32)
    report = run_gate(reference, bundle, labelled[:2], strict)
    assert report.passed
    assert report.refused == ("openvino bf16",)


def test_a_wrong_float_graph_fails_a_bundle_of_another_precision(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample]
) -> None:
    report = run_gate(reference, as_quantised(bundle, None, swap_scores), labelled[:2], TOLERANCES)
    assert verdicts(report)["onnxruntime int8"] == "within"
    assert not report.passed
    assert "openvino fp32" in report.refused


def test_other_thresholds_show_in_the_pictures_that_differ(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample]
) -> None:
    silent = Graph(
        file=GRAPH_NAME, detection=reference.spec.detection.model_copy(update={"score_threshold": 0.99})
    )
    manifest = bundle.manifest.model_copy(update={"graphs": {"fp32": silent}})
    report = run_gate(reference, replace(bundle, manifest=manifest), labelled, TOLERANCES)
    assert not report.passed
    figures = float_comparison(report).figures
    assert figures is not None
    assert figures.boxes.largest < 0.05
    assert figures.AP_difference == pytest.approx(0, abs=1e-4)
    assert len(figures.differing) > 3
    assert {one.name for one in figures.differing} <= {sample.name for sample in labelled}
    assert all(one.reference > 0 and one.bundle == 0 for one in figures.differing)
    assert any("pictures differ" in reason for reason in float_comparison(report).reasons)


def test_a_graph_that_can_not_be_loaded_or_gives_no_numbers_fails(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample]
) -> None:
    def spoil(graph: onnx.ModelProto) -> None:
        shift_mean(graph)
        mean = next(one for one in graph.graph.initializer if one.name == "other_mean")
        mean.CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), "other_mean"))

    none = replace(bundle, files={**bundle.files, GRAPH_NAME: b"no graph"})
    for wrong in (none, with_graph(bundle, spoil)):
        report = run_gate(reference, wrong, labelled[:2], TOLERANCES)
        assert not report.passed
        assert set(verdicts(report).values()) <= {"outside", "not run"}
        json.dumps(report.to_json(), allow_nan=False)


def test_outputs_of_another_shape_fail(reference: TorchSession, bundle: Bundle, labelled: list[Sample]) -> None:
    report = run_gate(reference, with_graph(bundle, permute("scores", [0, 1])), labelled[:1], TOLERANCES)
    assert not report.passed
    assert "scores" in float_comparison(report).reasons[0]


def test_a_processor_without_bf16_leaves_it_out(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "find_obstacle", lambda way: "it can't" if way[1] == "bf16" else None)
    report = run_gate(reference, bundle, labelled[:2], TOLERANCES)
    assert verdicts(report)["openvino bf16"] == "not run"
    assert report.passed
    assert report.refused == ()


def test_a_model_of_other_classes_is_no_reference(
    model: ModelFile, bundle: Bundle, labelled: list[Sample]
) -> None:
    other = TorchSession(replace(model, class_names=tuple(reversed(model.class_names))), "other")
    with pytest.raises(ModelError, match="was not made from other"):
        run_gate(other, bundle, labelled, TOLERANCES)


def test_the_report_holds_all_that_a_reader_needs(
    reference: TorchSession, bundle: Bundle, labelled: list[Sample]
) -> None:
    report = run_gate(reference, bundle, labelled[:3], TOLERANCES)
    document = json.loads(json.dumps(report.to_json()))
    assert document["parity"] == "passed"
    assert document["reference"] == "procedural"
    assert document["pictures"] == 3
    assert document["tolerances"]["fp32"]["boxes"] == TOLERANCES.fp32.boxes
    assert {"hardware", "versions", "commit", "refused", "golden"} <= document.keys()
    compared = document["comparisons"][report.comparisons.index(float_comparison(report))]
    assert compared["figures"]["boxes"].keys() == {"largest", "p999"}


def test_ways_are_those_that_the_bundle_offers(bundle: Bundle) -> None:
    assert list_ways(bundle) == [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]
    assert ("openvino", "int8") in list_ways(as_quantised(bundle, None))
    refused = bundle.manifest.model_copy(update={"refused": ("openvino bf16",)})
    assert ("openvino", "bf16") in list_ways(replace(bundle, manifest=refused))


def figures(**changed: object) -> Figures:
    """Figures of a bundle that is the same, but for what is changed."""
    nothing = Spread(0.0, 0.0)
    same = Figures(9, nothing, nothing, MatchedDetections(5, 0, 0, 1.0, 1.0, 0.0, 0.0), 0.5, 0.5, 0.0, 0.0, ())
    return replace(same, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("precision", "changed", "said"),
    [
        ("fp32", {}, ""),
        ("fp32", {"AP_difference": 2e-4}, "AP differs by 0.0002, 0.0001 allowed"),
        ("fp32", {"AP_difference": -2e-4}, "AP differs by 0.0002, 0.0001 allowed"),
        ("int8", {"AP_difference": -0.2}, ""),
        ("int8", {"AP50_difference": 0.02}, ""),
        ("int8", {"scores": Spread(0.5, 0.04)}, ""),
        ("int8", {"scores": Spread(0.5, 0.2)}, "one raw score in 1000 differs by 0.2, 0.05 allowed"),
        ("int8", {"AP50_difference": -0.004}, ""),
        ("int8", {"AP50_difference": -0.006}, "AP50 falls by 0.006, 0.005 allowed"),
        ("bf16", {"AP50_difference": float("nan")}, "AP50 falls by nan"),
    ],
)
def test_what_is_held_against_a_bundle(precision: str, changed: dict[str, object], said: str) -> None:
    reasons = list_excesses(figures(**changed), 100, getattr(TOLERANCES, precision))
    assert len(reasons) == (1 if said else 0)
    assert "".join(reasons).startswith(said)


@pytest.mark.parametrize(("pictures", "outside"), [(10, True), (101, False)])
def test_one_picture_in_fifty_may_differ_in_int8(pictures: int, outside: bool) -> None:
    differing = tuple(DifferingPicture(str(number), 1, 0) for number in range(3))
    reasons = list_excesses(replace(figures(), differing=differing), pictures, TOLERANCES.int8)
    assert (reasons == ("3 pictures differ, 1 allowed",)) == outside
    assert bool(reasons) == outside
