from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sdgasnet.models.box_coding import STRIDES, anchor_points, decode_boxes, encode_distances

sides = st.integers(1, 8).map(lambda n: 32 * n)


@settings(max_examples=25, deadline=None)
@given(sides, sides)
def test_points_equal_a_loop_in_order_of_level_row_column(height: int, width: int) -> None:
    expected = [
        ((column + 0.5) * stride, (row + 0.5) * stride, stride)
        for stride in STRIDES
        for row in range(height // stride)
        for column in range(width // stride)
    ]
    points, strides = anchor_points((height, width))
    assert torch.equal(torch.cat([points, strides[:, None]], dim=1), torch.tensor(expected, dtype=torch.float32))


def test_points_lie_as_the_maps_of_a_network_are_flattened() -> None:
    """A map holding the coordinates of its own cells, flattened as the head does it."""
    height, width = 64, 96
    maps = []
    for stride in STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
        )
        maps.append(torch.stack([columns, rows])[None].flatten(2) * stride + stride / 2)
    points, _ = anchor_points((height, width))
    assert torch.equal(torch.cat(maps, dim=2).transpose(1, 2)[0], points)


def test_changing_the_points_of_one_call_leaves_the_next_alone() -> None:
    points, _ = anchor_points((32, 32))
    points.zero_()
    assert anchor_points((32, 32))[0].any()


def test_points_asked_for_under_inference_mode_can_be_used_in_training() -> None:
    with torch.inference_mode():
        anchor_points((32, 192))
    points, strides = anchor_points((32, 192))
    logits = torch.zeros(1, len(points), 4, 9, requires_grad=True)
    decode_boxes(logits, points, strides).sum().backward()
    assert logits.grad is not None


def certain(distances: Tensor, bins: int) -> Tensor:
    """Logits of distributions whose expectation is the distance, on the two bins around it."""
    lower = distances.floor().long().clamp(max=bins - 2)
    share = (distances - lower)[..., None]
    probability = torch.zeros(*distances.shape, bins, dtype=distances.dtype)
    probability.scatter_(-1, lower[..., None], 1 - share)
    probability.scatter_(-1, lower[..., None] + 1, share)
    return probability.log()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([8, 16]))
def test_decoding_inverts_encoding(seed: int, reg_max: int) -> None:
    """For boxes around their point that reach less than ``reg_max`` strides."""
    points, strides = anchor_points((64, 96))
    generator = torch.Generator().manual_seed(seed)
    reach = torch.rand(len(points), 4, generator=generator) * (reg_max - 0.02) * strides[:, None]
    boxes = torch.cat([points - reach[:, :2], points + reach[:, 2:]], dim=1)
    distances = encode_distances(boxes, points, strides, reg_max)
    decoded = decode_boxes(certain(distances, reg_max + 1)[None], points, strides)[0]
    assert torch.allclose(decoded, boxes, atol=2e-3)


def test_distances_outside_what_can_be_said_are_clamped() -> None:
    points, strides = torch.tensor([[100.0, 100.0]]), torch.tensor([8.0])
    box = torch.tensor([[104.0, -1000.0, 98.0, 1000.0]])
    distances = encode_distances(box, points, strides, 16)
    assert torch.allclose(distances, torch.tensor([[0.0, 15.99, 0.0, 15.99]]))


def test_an_even_distribution_says_half_of_the_largest_distance() -> None:
    points, strides = anchor_points((32, 32))
    boxes = decode_boxes(torch.ones(2, len(points), 4, 17), points, strides)
    half = 8 * strides[:, None]
    assert torch.allclose(boxes[1], torch.cat([points - half, points + half], dim=1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_decoding_is_float32_whatever_the_logits_are(dtype: torch.dtype) -> None:
    points, strides = anchor_points((320, 320))
    logits = torch.randn(1, len(points), 4, 17).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        boxes = decode_boxes(logits, points, strides)
    assert boxes.dtype == torch.float32
    assert torch.allclose(boxes, decode_boxes(logits.float(), points, strides))


def test_gradient_of_decoding() -> None:
    points, strides = (part[-2:].double() for part in anchor_points((32, 64)))
    logits = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: decode_boxes(x, points, strides), (logits,))


class _Decode(nn.Module):
    def forward(self, box_logits: Tensor) -> Tensor:
        return decode_boxes(box_logits, *anchor_points((64, 96)))


def test_decoding_exports_to_onnx_and_says_the_same() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    logits = torch.randn(2, 126, 4, 17)
    program = torch.onnx.export(
        _Decode().eval(), (logits,), dynamo=True, dynamic_shapes=({0: "batch"},), verbose=False
    )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for batch in (logits, logits[:1]):
        (found,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
        assert torch.allclose(torch.from_numpy(found), _Decode()(batch), atol=1e-4)
