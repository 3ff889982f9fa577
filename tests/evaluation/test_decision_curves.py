from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.evaluation.decision_curves import compute_decision_curves, compute_reliability
from sdgasnet.evaluation.decision_errors import list_errors
from sdgasnet.evaluation.decision_plots import plot_decision
from sdgasnet.evaluation.figures import to_png
from sdgasnet.evaluation.labelled_parts import LabelledParts, is_ng, label_parts
from sdgasnet.evaluation.thresholds import Costs
from sdgasnet.imaging.detections import Detections

NAMES = ("pit", "scratch")
RULES = DecisionRules(part_pattern=r"^\w\d+")
FLOOR = 0.001


def picture(
    name: str, labelled: list[tuple[int, float]], found: list[tuple[int, float, float]]
) -> tuple[ImageRecord, Detections]:
    """Squares side by side, 40 pixels apart: (class, side) and (class, side, score)."""

    def box(place: int, side: float) -> tuple[float, float, float, float]:
        return 40.0 * place, 0.0, 40.0 * place + side, side

    objects = tuple(ObjectRecord(label, box(n, side)) for n, (label, side) in enumerate(labelled))
    boxes = [box(n, side) for n, (_, side, _) in enumerate(found)]
    order = np.argsort([-score for *_, score in found], kind="stable")
    detections = Detections(
        np.array(boxes, np.float32).reshape(-1, 4)[order],
        np.array([score for *_, score in found], np.float32)[order],
        np.array([label for label, *_ in found], np.int64)[order],
        (200, 200),
    )
    return ImageRecord(Path(name), name, objects), detections


@pytest.fixture
def pictures() -> list[tuple[ImageRecord, Detections]]:
    """Bad parts b1 (two pictures), b2, b3, b4 and good parts g1, g2, g3."""
    return [
        picture("b1_a.png", [(0, 10)], [(0, 10, 0.2)]),
        picture("b1_b.png", [(1, 30)], [(1, 30, 0.8)]),
        picture("b2.png", [(0, 12), (0, 25)], [(0, 12, 0.3)]),
        picture("b3.png", [(1, 20)], []),
        picture("b4.png", [(0, 20)], [(0, 20, 0.9)]),
        picture("g1.png", [], [(0, 10, 0.6), (1, 20, 0.95)]),
        picture("g2.png", [], [(0, 10, 0.1)]),
        picture("g3.png", [], [(1, 15, 0.7)]),
    ]


def parts_of(pictures: list[tuple[ImageRecord, Detections]]) -> LabelledParts:
    records, detections = zip(*pictures, strict=True)
    return label_parts(records, detections, NAMES, RULES, FLOOR)


def test_rates_are_those_of_deciding_at_each_threshold(pictures: list[tuple[ImageRecord, Detections]]) -> None:
    parts, costs = parts_of(pictures), Costs(10.0, 1.0, 0.2)
    curves = compute_decision_curves(parts, np.array([0.25, 0.75]), costs)
    for place, threshold in enumerate(curves.thresholds.tolist()):
        ng = is_ng(parts.scores, [threshold, threshold])
        assert curves.escape.rate[place] == np.mean(~ng[parts.bad])
        assert curves.overkill.rate[place] == np.mean(ng[~parts.bad])
        assert curves.cost is not None
        assert curves.cost[place] == pytest.approx(costs.expect(parts, [threshold, threshold]))
    assert curves.chosen == pytest.approx((1 / 4, 1 / 3, 0.2 * 10 / 4 + 0.8 / 3))
    assert (curves.escape.parts, curves.overkill.parts) == (4, 3)
    assert {name: curve.parts for name, curve in curves.escape_per_class.items()} == {"pit": 3, "scratch": 2}
    assert sum(curve.parts for curve in curves.escape_per_size.values()) == 4
    assert (curves.escape.low <= curves.escape.rate).all()
    assert (curves.escape.rate <= curves.escape.high).all()


def test_bands_are_as_wide_as_chance() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.random(400), rng.random(100)])[:, None]
    present = (np.arange(500) < 400)[:, None]
    names = tuple(map(str, range(500)))
    parts = LabelledParts(names, ("pit",), scores, present, np.ones(500), np.ones(500, int), FLOOR)
    curves = compute_decision_curves(parts, np.array([0.5]), None)
    middle = int(np.searchsorted(curves.thresholds, 0.5))
    for curve, number in ((curves.escape, 400), (curves.overkill, 100)):
        rate = float(curve.rate[middle])
        expected = 2 * 1.96 * np.sqrt(rate * (1 - rate) / number)
        assert float(curve.high[middle] - curve.low[middle]) == pytest.approx(expected, rel=0.2)
    assert curves.cost is None


def test_without_good_parts_overkill_is_not_defined(pictures: list[tuple[ImageRecord, Detections]]) -> None:
    curves = compute_decision_curves(parts_of(pictures[:5]), np.array([0.5, 0.5]), Costs(1.0, 1.0))
    assert curves.cost is None
    assert curves.chosen[1] is None
    document = json.loads(json.dumps(curves.to_json(), allow_nan=False))
    assert set(document["overkill"]["rate"]) == {None}
    assert document["overkill"]["parts"] == 0


def test_reliability_counts_what_is_right() -> None:
    scores = [0.95, 0.93, 0.55, 0.52, 0.15, 0.05]
    found = [(0, 10.0, score) for score in scores]
    record, detections = picture("a.png", [(0, 10.0), (0, 10.0), (0, 10.0)], found)
    reliability = compute_reliability([detections], [record.objects])
    assert reliability.counts.tolist() == [1, 0, 0, 0, 2, 0, 0, 0, 2]
    assert reliability.precision[[0, 4, 8]].tolist() == [0.0, 0.5, 1.0]
    assert reliability.mean_scores[8] == pytest.approx(0.94)
    error = (1 * 0.15 + 2 * abs(0.535 - 0.5) + 2 * abs(0.94 - 1)) / 5
    assert reliability.calibration_error == pytest.approx(error)
    nothing = compute_reliability([], [])
    assert nothing.calibration_error is None
    json.dumps(nothing.to_json(), allow_nan=False)


def test_worst_errors_come_first_and_show_the_defect(pictures: list[tuple[ImageRecord, Detections]]) -> None:
    records, detections = zip(*pictures, strict=True)
    errors = list_errors(records, detections, parts_of(pictures), RULES, [0.5, 0.6], most=5)
    assert [(error.kind, error.part) for error in errors] == [
        ("miss", "b3"),
        ("miss", "b2"),
        ("false alarm", "g1"),
        ("false alarm", "g3"),
    ]
    nothing_found, overlooked, alarm, _ = errors
    assert (nothing_found.class_name, nothing_found.score) == ("scratch", -1.0)
    # The larger of its two defects, which nobody found.
    assert overlooked.box_xyxy == (40.0, 0.0, 65.0, 25.0)
    assert (alarm.class_name, alarm.box_xyxy, alarm.threshold) == ("scratch", (40.0, 0.0, 60.0, 20.0), 0.6)
    assert len(list_errors(records, detections, parts_of(pictures), RULES, [0.5, 0.6], most=1)) == 2


@pytest.mark.parametrize("kept", [8, 5])
def test_plots_are_drawn_whatever_is_missing(pictures: list[tuple[ImageRecord, Detections]], kept: int) -> None:
    pytest.importorskip("matplotlib")
    records, detections = zip(*pictures[:kept], strict=True)
    parts = parts_of(pictures[:kept])
    curves = compute_decision_curves(parts, np.array([0.5, 0.5]), Costs(10.0, 1.0) if kept == 8 else None)
    reliability = compute_reliability(detections, [record.objects for record in records])
    figure = plot_decision(curves, reliability)
    assert [bool(axes.lines) for axes in figure.axes] == [True, True, True, True, kept == 8, True]
    assert to_png(figure).startswith(b"\x89PNG")
