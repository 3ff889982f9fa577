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
    most = max((len(row) for row in boxes), default=0)
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


def random_boxes(generator: torch.Generator, count: int) -> list[list[float]]:
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([80.0, 50.0])
    far = corner + torch.rand(count, 2, generator=generator) * 40 + 1
    return torch.cat([corner, far.minimum(torch.tensor([96.0, 64.0]))], dim=1).tolist()


def random_case(
    seed: int, objects: list[int], crowd_share: float = 0.0, missing_share: float = 0.0
) -> tuple[Tensor, Tensor, Targets]:
    """Pictures with so many objects each; a share of the predicted boxes is empty and so meets nothing."""
    generator = torch.Generator().manual_seed(seed)
    batch = len(objects)
    scores = torch.rand(batch, len(POINTS), 3, generator=generator)
    reach = torch.rand(batch, len(POINTS), 4, generator=generator) * STRIDES[None, :, None] * 3
    reach *= torch.rand(batch, len(POINTS), 1, generator=generator) >= missing_share
    boxes = torch.cat([POINTS - reach[..., :2], POINTS + reach[..., 2:]], dim=-1)
    targets = make_targets(
        [random_boxes(generator, count) for count in objects],
        [torch.randint(0, 3, (count,), generator=generator).tolist() for count in objects],
        [(torch.rand(count, generator=generator) < crowd_share).tolist() for count in objects],
    )
    return scores, boxes, targets


def iou(a: list[float], b: list[float]) -> float:
    overlap = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0


def points_in(box: list[float]) -> list[int]:
    return [p for p, (x, y) in enumerate(POINTS.tolist()) if box[0] < x < box[2] and box[1] < y < box[3]]


def brute_force(
    scores: Tensor, boxes: Tensor, targets: Targets
) -> tuple[dict[int, int], dict[int, float], set[int]]:
    """Of one picture, by loops: point -> object, point -> target score, and the points that are ignored."""
    wanted: dict[int, list[int]] = {}
    metrics: dict[tuple[int, int], float] = {}
    overlaps: dict[tuple[int, int], float] = {}
    in_crowd: set[int] = set()
    for m in range(len(targets.labels)):
        box, label = targets.boxes_xyxy[m].tolist(), int(targets.labels[m])
        if not targets.valid[m]:
            continue
        if targets.crowd[m]:
            in_crowd |= set(points_in(box))
            continue
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        distance = [math.dist(point, centre) for point in POINTS.tolist()]
        candidates = points_in(box) or [min(range(len(POINTS)), key=distance.__getitem__)]
        for p in candidates:
            overlaps[m, p] = iou(box, boxes[p].tolist())
            metrics[m, p] = float(scores[p, label]) * overlaps[m, p] ** 6
        ranked = sorted(candidates, key=lambda p: (metrics[m, p] > 0, metrics[m, p], -distance[p]), reverse=True)
        for p in ranked[: CONFIG.assign_top_k]:
            wanted.setdefault(p, []).append(m)
    owner = {
        p: max(rivals, key=lambda m: (overlaps[m, p], -off_centre(targets, m, p))) for p, rivals in wanted.items()
    }
    quality = {}
    for m in set(owner.values()):
        mine = [p for p, winner in owner.items() if winner == m]
        best = max(metrics[m, p] for p in mine)
        highest = max(overlaps[m, p] for p in mine)
        quality.update({p: metrics[m, p] / best * highest if best > 0 else overlaps[m, p] for p in mine})
    return owner, quality, in_crowd - set(owner)


def off_centre(targets: Targets, m: int, p: int) -> float:
    x1, y1, x2, y2 = targets.boxes_xyxy[m].tolist()
    return math.dist(POINTS[p].tolist(), ((x1 + x2) / 2, (y1 + y2) / 2))


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    objects=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    crowd_share=st.sampled_from([0.0, 0.4]),
    missing_share=st.sampled_from([0.0, 0.7, 1.0]),
)
def test_equals_brute_force(seed: int, objects: list[int], crowd_share: float, missing_share: float) -> None:
    scores, boxes, targets = random_case(seed, objects, crowd_share, missing_share)
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    for b in range(len(objects)):
        here = Targets(*(part[b] for part in targets))
        owner, quality, ignored = brute_force(scores[b], boxes[b], here)
        assert set(assigned.positive[b].nonzero()[:, 0].tolist()) == set(owner)
        assert set(assigned.ignored[b].nonzero()[:, 0].tolist()) == ignored
        for point, m in owner.items():
            assert assigned.labels[b, point] == here.labels[m]
            assert torch.equal(assigned.boxes_xyxy[b, point], here.boxes_xyxy[m])
            assert float(assigned.target_scores[b, point]) == pytest.approx(quality[point], rel=2e-3, abs=1e-6)
    assert (assigned.target_scores[~assigned.positive] == 0).all()


def test_number_of_pictures_worked_on_together_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, boxes, targets = random_case(4, [3, 0, 5], crowd_share=0.3)
    whole = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    monkeypatch.setattr("sdgasnet.losses.assignment.PAIRS_AT_ONCE", 1)
    for name, first, second in zip(
        Assignment._fields, whole, assign_targets(scores, boxes, POINTS, targets, CONFIG), strict=True
    ):
        assert torch.equal(first, second), name


def test_an_overlap_whose_power_underflows_still_gives_its_object_a_point() -> None:
    targets = make_targets([[[0, 0, 96, 64]]], [[0]])
    boxes = torch.cat([POINTS, POINTS + 1e-3], dim=1)[None]
    assigned = assign_targets(torch.full((1, len(POINTS), 3), 0.01), boxes, POINTS, targets, CONFIG)
    assert assigned.positive.sum() == CONFIG.assign_top_k
    assert (assigned.target_scores[assigned.positive] > 0).all()


def test_nothing_flows_back_through_the_assignment() -> None:
    scores, boxes, targets = random_case(2, [2])
    assigned = assign_targets(scores.requires_grad_(), boxes.requires_grad_(), POINTS, targets, CONFIG)
    assert not any(part.requires_grad for part in assigned)


def test_best_point_of_an_object_gets_its_best_overlap_as_target() -> None:
    scores, boxes, targets = random_case(5, [1])
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
    scores, boxes, _ = random_case(0, [1])
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
    scores, boxes, _ = random_case(0, [1])
    assigned = assign_targets(scores.expand(2, -1, -1), boxes.expand(2, -1, -1), POINTS, targets, CONFIG)
    assert not assigned.positive.any()
    assert not assigned.ignored.any()


def test_padding_changes_nothing() -> None:
    scores, boxes, targets = random_case(8, [3])
    padded = Targets(*(torch.cat([part, torch.zeros_like(part[:, :2])], dim=1) for part in targets))
    first, second = (assign_targets(scores, boxes, POINTS, t, CONFIG) for t in (targets, padded))
    for name in Assignment._fields:
        if name not in ("labels", "boxes_xyxy"):
            assert torch.equal(getattr(first, name), getattr(second, name))


def test_points_in_a_crowd_region_are_ignored_unless_an_object_claims_them() -> None:
    scores, boxes, _ = random_case(1, [1])
    targets = make_targets([[[0, 0, 48, 64], [8, 8, 24, 24]]], [[0, 1]], [[True, False]])
    assigned = assign_targets(scores, boxes, POINTS, targets, CONFIG)
    in_crowd = (POINTS[:, 0] < 48) & (POINTS[:, 0] > 0)
    assert torch.equal(assigned.ignored[0], in_crowd & ~assigned.positive[0])
    assert set(assigned.labels[assigned.positive].tolist()) == {1}
