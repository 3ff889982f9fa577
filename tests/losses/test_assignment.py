from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdgasnet.config.schema import LossConfig
from sdgasnet.losses.assignment import Assignment, Targets, assign_targets
from sdgasnet.models.box_coding import anchor_points

SIZE = (64, 96)
POINTS, STRIDES = anchor_points(SIZE)
CONFIG = LossConfig(assign_top_k=5)


def make_targets(
    boxes: list[list[list[float]]], labels: list[list[int]], crowd: list[list[bool]] | None = None
) -> Targets:
    most = max(len(row) for row in boxes)
    targets = Targets(
        torch.zeros(len(boxes), most, dtype=torch.int64),
        torch.zeros(len(boxes), most, 4),
        torch.zeros(len(boxes), most, dtype=torch.bool),
        torch.zeros(len(boxes), most, dtype=torch.bool),
    )
    for b, row in enumerate(boxes):
        for m, box in enumerate(row):
            targets.labels[b, m] = labels[b][m]
            targets.boxes_xyxy[b, m] = torch.tensor(box)
            targets.valid[b, m] = True
            targets.crowd[b, m] = crowd[b][m] if crowd else False
    return targets


def random_case(seed: int, objects: int) -> tuple[Tensor, Tensor, Targets]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(1, len(POINTS), 3, generator=generator)
    reach = torch.rand(1, len(POINTS), 4, generator=generator) * STRIDES[None, :, None] * 3
    boxes = torch.cat([POINTS - reach[..., :2], POINTS + reach[..., 2:]], dim=-1)
    rows = []
    for _ in range(objects):
        x, y = (torch.rand(2, generator=generator) * torch.tensor([80.0, 50.0])).tolist()
        w, h = (torch.rand(2, generator=generator) * 40 + 1).tolist()
        rows.append([x, y, min(x + w, 96.0), min(y + h, 64.0)])
    labels = torch.randint(0, 3, (objects,), generator=generator).tolist()
    return scores, boxes, make_targets([rows], [labels])


def iou(a: list[float], b: list[float]) -> float:
    overlap = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0


def brute_force(scores: Tensor, boxes: Tensor, targets: Targets) -> tuple[dict[int, int], dict[int, float]]:
    """Point -> object, and point -> target score, of one picture without crowds, by loops."""
    wanted: dict[int, list[int]] = {}
    metrics: dict[tuple[int, int], float] = {}
    overlaps: dict[tuple[int, int], float] = {}
    for m in range(targets.labels.shape[1]):
        box, label = targets.boxes_xyxy[0, m].tolist(), int(targets.labels[0, m])
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        distance = [math.dist(point, centre) for point in POINTS.tolist()]
        inside = [
            p for p, (x, y) in enumerate(POINTS.tolist()) if box[0] < x < box[2] and box[1] < y < box[3]
        ] or [min(range(len(POINTS)), key=distance.__getitem__)]
        for p in inside:
            overlaps[m, p] = iou(box, boxes[0, p].tolist())
            metrics[m, p] = float(scores[0, p, label]) * overlaps[m, p] ** 6
        ranked = sorted(inside, key=lambda p: (metrics[m, p] > 0, metrics[m, p], -distance[p]), reverse=True)
        for p in ranked[: CONFIG.assign_top_k]:
            wanted.setdefault(p, []).append(m)
    owner = {p: max(rivals, key=lambda m: overlaps[m, p]) for p, rivals in wanted.items()}
    quality = {}
    for m in range(targets.labels.shape[1]):
        mine = [p for p, winner in owner.items() if winner == m]
        if mine and max(metrics[m, p] for p in mine) > 0:
            scale = max(overlaps[m, p] for p in mine) / max(metrics[m, p] for p in mine)
            quality.update({p: metrics[m, p] * scale for p in mine})
        else:
            quality.update({p: overlaps[m, p] for p in mine})
    return owner, quality


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_equals_brute_force(seed: int, objects: int) -> None:
    scores, boxes, targets = random_case(seed, objects)
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    owner, quality = brute_force(scores, boxes, targets)
    assert set(assigned.positive[0].nonzero()[:, 0].tolist()) == set(owner)
    for point, m in owner.items():
        assert assigned.labels[0, point] == targets.labels[0, m]
        assert torch.equal(assigned.boxes_xyxy[0, point], targets.boxes_xyxy[0, m])
        assert float(assigned.target_scores[0, point]) == pytest.approx(quality[point], rel=2e-3, abs=1e-6)
    assert (assigned.target_scores[~assigned.positive] == 0).all()


def test_best_point_of_an_object_gets_its_best_overlap_as_target() -> None:
    scores, boxes, targets = random_case(5, 1)
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    chosen = assigned.positive[0]
    overlaps = [iou(targets.boxes_xyxy[0, 0].tolist(), boxes[0, p].tolist()) for p in chosen.nonzero()[:, 0]]
    assert float(assigned.target_scores.max()) == pytest.approx(max(overlaps), rel=1e-4)


def test_every_object_of_an_untrained_network_gets_a_point() -> None:
    """Predicted boxes that miss everything leave metrics of zero; the nearest points learn then."""
    scores = torch.full((1, len(POINTS), 3), 0.01)
    boxes = torch.zeros(1, len(POINTS), 4)
    targets = make_targets([[[3, 3, 9, 9], [40, 20, 80, 60]]], [[0, 1]])
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    assert {0, 1} == set(assigned.labels[assigned.positive].tolist())


def test_a_box_between_points_takes_the_nearest() -> None:
    targets = make_targets([[[0.5, 0.5, 2.5, 2.5]]], [[2]])
    scores, boxes, _ = random_case(0, 1)
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    assert assigned.positive[0].nonzero()[:, 0].tolist() == [0]


@pytest.mark.parametrize("most", [0, 3])
def test_pictures_without_objects_are_background(most: int) -> None:
    targets = Targets(
        torch.zeros(2, most, dtype=torch.int64),
        torch.zeros(2, most, 4),
        torch.zeros(2, most, dtype=torch.bool),
        torch.zeros(2, most, dtype=torch.bool),
    )
    scores, boxes, _ = random_case(0, 1)
    assigned = assign_targets(scores.expand(2, -1, -1), boxes.expand(2, -1, -1), POINTS, targets, CONFIG)
    assert not assigned.positive.any()
    assert not assigned.ignored.any()


def test_padding_changes_nothing() -> None:
    scores, boxes, targets = random_case(8, 3)
    padded = Targets(*(torch.cat([part, torch.zeros_like(part[:, :2])], dim=1) for part in targets))
    first, second = (assign_targets(scores, boxes, POINTS, t, CONFIG) for t in (targets, padded))
    for name in Assignment._fields:
        if name not in ("labels", "boxes_xyxy"):
            assert torch.equal(getattr(first, name), getattr(second, name))


def test_points_in_a_crowd_region_are_ignored_unless_an_object_claims_them() -> None:
    scores, boxes, _ = random_case(1, 1)
    targets = make_targets([[[0, 0, 48, 64], [8, 8, 24, 24]]], [[0, 1]], [[True, False]])
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    in_crowd = (POINTS[:, 0] < 48) & (POINTS[:, 0] > 0)
    assert torch.equal(assigned.ignored[0], in_crowd & ~assigned.positive[0])
    assert set(assigned.labels[assigned.positive].tolist()) == {1}
