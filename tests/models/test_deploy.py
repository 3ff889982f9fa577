from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from sdgasnet.models.box_coding import anchor_points, decode_boxes
from sdgasnet.models.deploy import DeployGraph, deploy, normalise
from sdgasnet.models.network import Network

OUTPUTS = ["boxes_xyxy", "scores", "embedding"]
FORBIDDEN = {"Col2Im", "DFT", "STFT", "NonZero", "Loop", "If", "Scan"}


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("n", {}),
        ("s", {}),
        ("n", {"enhance": "conv"}),
        ("n", {"frequency_band": "learnable"}),
        ("n", {"channels": 1}),
        ("lite0", {}),
        ("lite0", {"channels": 1}),
    ],
)
def test_fused_equals_unfused(
    trained_network: Callable[..., Network], preset: str, overrides: dict[str, object]
) -> None:
    network = trained_network(preset, **overrides)
    images = torch.rand(2, network.config.channels, 96, 160)
    graph = deploy(network)
    with torch.inference_mode():
        for found, expected in zip(graph.network(images)[:3], network(images)[:3], strict=True):
            assert relative_error(found, expected) < 1e-4
    assert not [part for part in graph.modules() if isinstance(part, nn.BatchNorm2d)]
    assert not graph.training


@pytest.mark.parametrize("preset", ["n", "s"])
def test_a_student_is_deployed_without_its_distribution_predictor(
    trained_network: Callable[..., Network], preset: str
) -> None:
    student = trained_network(preset, box_predictors="both")
    for level in student.head.levels:
        torch.nn.init.normal_(level.distance_predictor.weight, std=0.05)
    teacher = trained_network(preset)
    graph, whole = deploy(student), deploy(teacher)
    saved = sum(4 * student.config.reg_max * (width + 1) for width in student.config.head_channels)
    counts = [sum(p.numel() for p in part.parameters()) for part in (graph, whole)]
    assert counts[1] - counts[0] == saved
    pictures = torch.randint(0, 256, (1, 96, 160, student.config.channels), dtype=torch.uint8)
    with torch.inference_mode():
        distances = student(normalise(pictures)).distances
        points, strides = anchor_points((96, 160))
        left_top = points - distances[0, :, :2] * strides[:, None]
        right_bottom = points + distances[0, :, 2:] * strides[:, None]
        found = graph(pictures).boxes_xyxy[0]
    torch.testing.assert_close(found, torch.cat([left_top, right_bottom], dim=1), rtol=1e-4, atol=1e-2)


def test_deploying_leaves_the_network_alone(trained_network: Callable[..., Network]) -> None:
    network = trained_network("n").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    deploy(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_graph_follows_its_contract(trained_network: Callable[..., Network]) -> None:
    network = trained_network("n")
    pictures = torch.randint(0, 256, (2, 96, 160, 3), dtype=torch.uint8)
    with torch.inference_mode():
        found = deploy(network)(pictures)
        outputs = network(pictures.permute(0, 3, 1, 2).float() / 255)
    boxes = decode_boxes(outputs.box_logits, *anchor_points((96, 160)))
    torch.testing.assert_close(found.boxes_xyxy, boxes, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(found.scores, outputs.class_logits.sigmoid(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.embedding, outputs.embedding, rtol=1e-3, atol=1e-4)
    assert found.boxes_xyxy.shape == (2, 315, 4)
    assert found._fields == tuple(OUTPUTS)


def test_depth_of_the_picture_does_not_change_what_it_shows(trained_network: Callable[..., Network]) -> None:
    eight = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    sixteen = (eight.to(torch.int32) * 257).to(torch.uint16)
    torch.testing.assert_close(normalise(sixteen), normalise(eight), rtol=0, atol=1e-7)
    graph = deploy(trained_network("n"))
    with torch.inference_mode():
        for one, other in zip(graph(eight), graph(sixteen), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def export(graph: DeployGraph, pictures: torch.Tensor) -> bytes:
    program = torch.onnx.export(
        graph,
        (pictures,),
        dynamo=True,
        opset_version=18,
        verbose=False,
        input_names=["pictures"],
        output_names=OUTPUTS,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},),
    )
    assert program is not None
    operators = {node.op_type for node in program.model.graph}
    assert not operators & FORBIDDEN
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("preset", "size", "dtype"),
    [
        ("n", (224, 224), torch.uint8),
        ("n", (96, 160), torch.uint16),
        ("s", (96, 160), torch.uint8),
        ("lite0", (96, 160), torch.uint8),
        pytest.param("s", (224, 224), torch.uint8, marks=pytest.mark.slow),
    ],
)
def test_exported_graph_equals_torch(
    trained_network: Callable[..., Network], preset: str, size: tuple[int, int], dtype: torch.dtype
) -> None:
    graph = deploy(trained_network(preset))
    top = 256 if dtype == torch.uint8 else 65536
    pictures = torch.randint(0, top, (2, *size, 3), dtype=torch.int32).to(dtype)
    session = onnxruntime.InferenceSession(export(graph, pictures), providers=["CPUExecutionProvider"])
    for batch in (pictures, pictures[:1]):
        with torch.inference_mode():
            expected = graph(batch)
        found = session.run(OUTPUTS, {"pictures": batch.numpy()})
        for name, array in zip(OUTPUTS, found, strict=True):
            np.testing.assert_allclose(array, getattr(expected, name).numpy(), rtol=1e-4, atol=1e-3, err_msg=name)
            assert array.dtype == np.float32


def test_exporting_does_not_harm_training(trained_network: Callable[..., Network], tmp_path: Path) -> None:
    """Constants made while a graph is traced must not come back in the next step."""
    network = trained_network("n")
    export(deploy(network), torch.zeros((2, 64, 128, 3), dtype=torch.uint8))
    points, _ = anchor_points((64, 128))
    assert type(points) is torch.Tensor
    network.train()(torch.rand(2, 3, 64, 128)).class_logits.sum().backward()
