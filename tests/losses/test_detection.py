from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sdgasnet.config.schema import LossConfig
from sdgasnet.losses.assignment import Targets, points_inside
from sdgasnet.losses.detection import DetectionLoss, box_loss, distribution_focal_loss, varifocal_loss
from sdgasnet.models.box_coding import anchor_points, encode_distances
from sdgasnet.models.head import HeadOutputs

POINTS, STRIDES = anchor_points((64, 64))
REG_MAX = 8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def at_least_one(total: Tensor) -> Tensor:
    return total.clamp(min=1.0)


def test_varifocal_equals_a_loop() -> None:
    logits = torch.randn(2, 5, 3, generator=generator(), dtype=torch.float64)
    quality = torch.zeros_like(logits)
    quality[0, 1, 2], quality[1, 4, 0] = 0.7, 0.2
    counted = torch.ones(2, 5, dtype=torch.bool)
    counted[0, 3] = False
    expected = 0.0
    for b in range(2):
        for p in range(5):
            for k in range(3):
                score = 1 / (1 + math.exp(-float(logits[b, p, k])))
                q = float(quality[b, p, k])
                weight = q if q > 0 else 0.75 * score**2
                expected += counted[b, p].item() * weight * -(q * math.log(score) + (1 - q) * math.log(1 - score))
    assert float(varifocal_loss(logits, quality, counted)) == pytest.approx(expected)


def test_distribution_focal_equals_a_loop() -> None:
    logits = torch.randn(4, 4, REG_MAX + 1, generator=generator(1), dtype=torch.float64)
    distances = torch.rand(4, 4, generator=generator(2), dtype=torch.float64) * (REG_MAX - 0.01)
    weight = torch.rand(4, generator=generator(3), dtype=torch.float64)
    expected = 0.0
    for n in range(4):
        sides = []
        for side in range(4):
            probability = logits[n, side].softmax(-1)
            d = float(distances[n, side])
            low = math.floor(d)
            sides.append(
                -((low + 1 - d) * math.log(probability[low]) + (d - low) * math.log(probability[low + 1]))
            )
        expected += float(weight[n]) * sum(sides) / 4
    assert float(distribution_focal_loss(logits, distances, weight)) == pytest.approx(expected)


def test_gradients_of_every_term() -> None:
    logits = torch.randn(1, 4, 2, generator=generator(4), dtype=torch.float64, requires_grad=True)
    quality = torch.zeros(1, 4, 2, dtype=torch.float64)
    quality[0, 2, 1] = 0.6
    counted = torch.tensor([[True, True, True, False]])
    assert torch.autograd.gradcheck(lambda x: varifocal_loss(x, quality, counted), (logits,))
    weight = torch.tensor([0.5, 0.9], dtype=torch.float64)
    boxes = torch.tensor([[1.0, 2, 9, 8], [0, 0, 5, 7]], dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor([[2.0, 1, 8, 9], [1, 1, 6, 6]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: box_loss(x, wanted, weight), (boxes,))
    bins = torch.randn(2, 4, REG_MAX + 1, generator=generator(5), dtype=torch.float64, requires_grad=True)
    distances = torch.rand(2, 4, generator=generator(6), dtype=torch.float64) * 7
    assert torch.autograd.gradcheck(lambda x: distribution_focal_loss(x, distances, weight), (bins,))


def outputs(batch: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> HeadOutputs:
    shape = (batch, len(POINTS))
    classes = torch.randn(*shape, 3, generator=generator(seed)).to(dtype).requires_grad_()
    boxes = torch.randn(*shape, 4, REG_MAX + 1, generator=generator(seed + 1)).to(dtype).requires_grad_()
    return HeadOutputs(classes, boxes, torch.zeros(batch, 1))


def targets(batch: int, objects: int) -> Targets:
    corner = torch.rand(batch, objects, 2, generator=generator(9)) * 30
    boxes = torch.cat([corner, corner + 10 + torch.rand(batch, objects, 2, generator=generator(10)) * 20], dim=-1)
    labels = torch.randint(0, 3, (batch, objects), generator=generator(11))
    return Targets(labels, boxes, torch.ones(batch, objects).bool(), torch.zeros(batch, objects).bool())


@pytest.mark.parametrize("objects", [0, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_is_finite_in_float32_and_reaches_the_classes(objects: int, dtype: torch.dtype) -> None:
    said = outputs(2, dtype=dtype)
    terms = DetectionLoss(LossConfig(), REG_MAX, at_least_one)(said, targets(2, objects), POINTS, STRIDES)
    assert terms.total.dtype == torch.float32
    assert torch.isfinite(terms.total)
    terms.total.backward()
    assert said.class_logits.grad is not None
    assert said.class_logits.grad.abs().sum() > 0
    assert (terms.boxes > 0) == (objects > 0)
    assert terms.total.item() == pytest.approx(float(terms.classes + terms.boxes + terms.distribution), rel=1e-5)


def test_weights_scale_their_terms() -> None:
    plain = DetectionLoss(LossConfig(class_weight=1, box_weight=1, distribution_weight=1), REG_MAX, at_least_one)
    heavy = DetectionLoss(LossConfig(class_weight=2, box_weight=3, distribution_weight=4), REG_MAX, at_least_one)
    one, other = (loss(outputs(2), targets(2, 2), POINTS, STRIDES) for loss in (plain, heavy))
    assert torch.allclose(other.classes, 2 * one.classes)
    assert torch.allclose(other.boxes, 3 * one.boxes)
    assert torch.allclose(other.distribution, 4 * one.distribution)


@pytest.mark.parametrize("labelled", [4, 2, 0], ids=["all", "one process without objects", "no objects"])
def test_mean_gradient_over_processes_is_that_of_the_whole_batch(labelled: int) -> None:
    """Two processes that divide by ``max(global sum, 1) / 2`` average to the gradient of the joint batch."""
    whole, found = outputs(4), targets(4, 2)
    found.valid[labelled:] = False

    def loss(normaliser: Callable[[Tensor], Tensor]) -> DetectionLoss:
        return DetectionLoss(LossConfig(), REG_MAX, normaliser)

    loss(at_least_one)(whole, found, POINTS, STRIDES).total.backward()
    halves = [
        (
            HeadOutputs(*(t.detach()[part].clone().requires_grad_() for t in whole[:3])),
            Targets(*(t[part] for t in found)),
        )
        for part in (slice(0, 2), slice(2, 4))
    ]
    sums: list[Tensor] = []

    def record(total: Tensor) -> Tensor:
        sums.append(total)
        return total.clamp(min=1.0)

    for piece, mine in halves:
        loss(record)(piece, mine, POINTS, STRIDES)
    joint = at_least_one(torch.stack(sums).sum()) / 2
    for piece, mine in halves:
        loss(lambda _: joint)(piece, mine, POINTS, STRIDES).total.backward()
    for name in ("class_logits", "box_logits"):
        averaged = torch.cat([getattr(piece, name).grad / 2 for piece, _ in halves])
        assert torch.allclose(averaged, getattr(whole, name).grad, atol=1e-6), name


def test_ignored_points_learn_nothing() -> None:
    said, region = outputs(1), torch.tensor([[[0.0, 0.0, 32.0, 64.0]]])
    yes = torch.ones(1, 1).bool()
    crowd = Targets(torch.zeros(1, 1, dtype=torch.int64), region, yes, yes)
    DetectionLoss(LossConfig(), REG_MAX, at_least_one)(said, crowd, POINTS, STRIDES).total.backward()
    assert said.class_logits.grad is not None
    learns = said.class_logits.grad[0].abs().sum(-1) > 0
    assert torch.equal(learns, POINTS[:, 0] > 32)


def test_loss_stays_in_float32_under_autocast() -> None:
    plain = DetectionLoss(LossConfig(), REG_MAX, at_least_one)(outputs(2), targets(2, 3), POINTS, STRIDES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = DetectionLoss(LossConfig(), REG_MAX, at_least_one)(outputs(2), targets(2, 3), POINTS, STRIDES)
    assert mixed.total.dtype == torch.float32
    assert torch.equal(mixed.total, plain.total)


def test_perfect_predictions_cost_next_to_nothing() -> None:
    """One object, every point inside says its box and its class with certainty."""
    point = 27
    box = torch.tensor(
        [[[POINTS[point, 0] - 12, POINTS[point, 1] - 12, POINTS[point, 0] + 12, POINTS[point, 1] + 12]]]
    )
    distances = encode_distances(box[0].expand(len(POINTS), -1), POINTS, STRIDES, REG_MAX)
    lower = distances.floor().long()
    share = distances - lower
    probability = torch.zeros(len(POINTS), 4, REG_MAX + 1)
    probability.scatter_(-1, lower[..., None], 1 - share[..., None])
    probability.scatter_add_(-1, lower[..., None] + 1, share[..., None])
    one = torch.ones(1, 1).bool()
    found = Targets(torch.tensor([[1]]), box, one, ~one)
    said = HeadOutputs(torch.full((1, len(POINTS), 3), -20.0), (probability + 1e-9).log()[None], torch.zeros(1, 1))
    inside = points_inside(POINTS, box)[0, 0]
    said.class_logits[0, inside, 1] = 20.0
    terms = DetectionLoss(LossConfig(), REG_MAX, at_least_one)(said, found, POINTS, STRIDES)
    assert float(terms.classes) < 1e-3
    assert float(terms.boxes) < 1e-3
    entropy = -(probability[inside] * (probability[inside] + 1e-9).log()).sum(-1).mean()
    assert float(terms.distribution) == pytest.approx(0.5 * float(entropy), rel=1e-3)
