from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from sdgasnet.config.schema import CalibrationConfig
from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.decision.verdict import decide_picture
from sdgasnet.errors import DataError
from sdgasnet.evaluation.bootstrap import Interval
from sdgasnet.evaluation.calibration import calibrate_by_cost, calibrate_by_rate, hold_out_half
from sdgasnet.evaluation.labelled_parts import LabelledParts, is_ng, label_parts
from sdgasnet.evaluation.policies import compare_policies
from sdgasnet.evaluation.thresholds import Costs, candidates, choose_thresholds, share_columns
from sdgasnet.imaging.detections import Detections

SETTINGS = CalibrationConfig()
FLOOR = 0.001
NAMES = ("pit", "scratch")


def make_parts(
    bad: list[tuple[float, float]], good: list[tuple[float, float]], shown: int | None = None
) -> LabelledParts:
    """Parts with these scores of both classes; bad ones show the class that scores higher, or ``shown``."""
    scores = np.array([*bad, *good], np.float64).reshape(-1, 2).astype(np.float32).astype(np.float64)
    present = np.zeros(scores.shape, np.bool_)
    labels = scores[: len(bad)].argmax(axis=1) if shown is None else np.full(len(bad), shown)
    present[np.arange(len(bad)), labels] = True
    names = tuple(f"p{number}" for number in range(len(scores)))
    largest = np.arange(1.0, len(scores) + 1) * present.any(axis=1)
    return LabelledParts(names, NAMES, scores, present, largest, np.ones(len(scores), int), FLOOR)


def random_parts(seed: int, number: int) -> LabelledParts:
    rng = np.random.default_rng(seed)
    bad = np.round(rng.beta(3, 2, (number, 2)), 2)
    good = np.round(rng.beta(2, 3, (number, 2)), 2)
    return make_parts([tuple(row) for row in bad], [tuple(row) for row in good])


def cost_of(parts: LabelledParts, thresholds: tuple[float, ...], costs: Costs) -> float:
    """As one would count by hand."""
    ng = [any(s >= np.float32(t) for s, t in zip(row, thresholds, strict=True)) for row in parts.scores]
    escapes = sum(b and not n for b, n in zip(parts.bad, ng, strict=True)) / parts.bad.sum()
    overkill = sum(n and not b for b, n in zip(parts.bad, ng, strict=True)) / (~parts.bad).sum()
    share = parts.bad.mean() if costs.bad_share is None else costs.bad_share
    return float(share * costs.escape * escapes + (1 - share) * costs.overkill * overkill)


class TestThresholds:
    @pytest.mark.parametrize("seed", range(12))
    def test_no_shared_threshold_and_no_change_of_one_class_is_cheaper(self, seed: int) -> None:
        parts, costs = random_parts(seed, 20), Costs(5.0, 1.0, 0.3)
        chosen = tuple(choose_thresholds(parts, costs, own_threshold_parts=1).tolist())
        cost = cost_of(parts, chosen, costs)
        assert costs.expect(parts, chosen) == pytest.approx(cost)
        grid = candidates(parts.scores.ravel(), FLOOR).tolist()
        assert all(cost <= cost_of(parts, (value, value), costs) + 1e-9 for value in grid)
        assert all(cost <= cost_of(parts, (value, chosen[1]), costs) + 1e-9 for value in grid)
        assert all(cost <= cost_of(parts, (chosen[0], value), costs) + 1e-9 for value in grid)

    @pytest.mark.parametrize("seed", range(12))
    def test_one_shared_threshold_is_the_best_there_is(self, seed: int) -> None:
        parts, costs = random_parts(seed, 20), Costs(5.0, 1.0)
        one, other = choose_thresholds(parts, costs, own_threshold_parts=1000)
        best = min(cost_of(parts, (value, value), costs) for value in np.linspace(FLOOR, 1, 1001))
        assert one == other
        assert cost_of(parts, (one, other), costs) == pytest.approx(best)

    def test_separable_classes_get_thresholds_of_their_own(self) -> None:
        parts = make_parts([(0.3, -1.0)] * 5 + [(-1.0, 0.9)] * 5, [(0.1, 0.7)] * 10)
        thresholds = choose_thresholds(parts, Costs(1.0, 1.0), own_threshold_parts=5)
        assert (is_ng(parts.scores, thresholds) == parts.bad).all()
        assert 0.1 < thresholds[0] <= 0.3
        assert 0.7 < thresholds[1] <= 0.9

    def test_thin_classes_share(self) -> None:
        parts = make_parts([(0.3, -1.0)] * 5 + [(-1.0, 0.9)] * 2, [(0.1, 0.7)] * 10)
        assert share_columns(parts, 5) == [[0], [1]]
        assert share_columns(parts, 2) == [[0], [1]]
        assert share_columns(parts, 6) == [[0, 1]]

    def test_thresholds_lie_between_scores_as_float32_and_never_below_the_floor(self) -> None:
        scores = np.array([0.3, np.nextafter(np.float32(0.3), np.float32(1)), FLOOR], np.float32).astype(float)
        steps = candidates(scores, FLOOR).astype(np.float32)
        parted = {tuple((scores.astype(np.float32) >= step).tolist()) for step in steps}
        assert len(parted) == 4
        assert steps.min() >= np.float32(FLOOR)

    def test_the_dearer_an_escape_the_fewer(self) -> None:
        parts = random_parts(3, 60)
        escapes = []
        for cost in (0.1, 1, 10, 1000):
            thresholds = choose_thresholds(parts, Costs(cost, 1.0), own_threshold_parts=30)
            escapes.append(int((parts.bad & ~is_ng(parts.scores, thresholds)).sum()))
        assert escapes == sorted(escapes, reverse=True)
        assert escapes[0] > escapes[-1] == 0


class TestParts:
    rules = DecisionRules(
        classes={"pit": ClassRule(max_count=1), "scratch": ClassRule(min_length=10)}, part_pattern=r"^\d+"
    )

    def record(self, name: str, *objects: tuple[int, float]) -> ImageRecord:
        things = tuple(
            ObjectRecord(label, (5.0 + 20 * n, 5.0, 5.0 + 20 * n + side, 10.0))
            for n, (label, side) in enumerate(objects)
        )
        return ImageRecord(Path(name), f"images/{name}", things)

    def found(self, *things: tuple[int, float, float]) -> Detections:
        boxes = [(5.0, 5.0, 5.0 + side, 10.0) for _, side, _ in things]
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array([score for *_, score in things], np.float32),
            np.array([label for label, *_ in things], np.int64),
            (64, 64),
        )

    def test_what_the_rules_allow_makes_no_part_bad(self) -> None:
        records = [
            self.record("1_a.png", (0, 6)),
            self.record("2_a.png", (0, 6), (0, 6)),
            self.record("3_a.png", (1, 8)),
            self.record("4_a.png", (1, 12)),
        ]
        parts = label_parts(records, [self.found()] * 4, NAMES, self.rules, FLOOR)
        assert parts.bad.tolist() == [False, True, False, True]
        assert parts.largest.tolist() == [30, 30, 40, 60]

    def test_a_part_has_the_best_scores_of_its_pictures(self) -> None:
        records = [self.record("1_a.png"), self.record("2_a.png"), self.record("1_b.png", (1, 12))]
        found = [self.found((1, 12, 0.4), (0, 5, 0.9)), self.found(), self.found((1, 12, 0.7), (1, 8, 0.9))]
        parts = label_parts(records, found, NAMES, self.rules, FLOOR)
        assert parts.names == ("1", "2")
        assert parts.pictures.tolist() == [2, 1]
        assert parts.scores.tolist() == [[-1.0, pytest.approx(0.7)], [-1.0, -1.0]]
        assert parts.bad.tolist() == [True, False]

    def test_verdicts_are_those_of_the_line(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(50):
            things = [(int(rng.integers(2)), float(rng.uniform(5, 15)), float(rng.random())) for _ in range(5)]
            found = self.found(*sorted(things, key=lambda thing: -thing[2]))
            parts = label_parts([self.record("1.png")], [found], NAMES, self.rules, FLOOR)
            thresholds = rng.random(2)
            rules = self.rules.with_thresholds(dict(zip(NAMES, thresholds.tolist(), strict=True)))
            assert decide_picture(found, NAMES, rules, 0.5).ng == is_ng(parts.scores, thresholds)[0]

    def test_sizes_are_thirds_of_the_bad_parts(self) -> None:
        parts = make_parts([(0.5, 0.1)] * 9, [(0.2, 0.1)] * 4)
        third, (low, high) = parts.sizes()
        assert [int((third == number).sum()) for number in (-1, 0, 1, 2)] == [4, 3, 3, 3]
        assert 3 <= low < high < 7
        good = parts.where(~parts.bad)
        assert (good.sizes()[0] == -1).all()


class TestHalves:
    def test_each_half_has_its_share_of_bad_and_good(self) -> None:
        bad = np.arange(101) < 31
        held = hold_out_half(bad, None, seed=0)
        assert abs(int((held & bad).sum()) * 2 - 31) == 1
        assert abs(int((held & ~bad).sum()) * 2 - 70) <= 1
        assert (held == hold_out_half(bad, None, seed=0)).all()
        assert (held != hold_out_half(bad, None, seed=1)).any()

    def test_groups_are_not_divided(self) -> None:
        groups = ["a"] * 40 + ["b"] * 20 + ["c"] * 20
        bad = np.arange(80) % 2 == 0
        held = hold_out_half(bad, groups, seed=0)
        assert {(name, kept) for name, kept in zip(groups, held.tolist(), strict=True)} in (
            {("a", True), ("b", False), ("c", False)},
            {("a", False), ("b", True), ("c", True)},
        )


class TestCalibration:
    costs = Costs(100.0, 1.0, 0.05)

    def test_bounds_are_of_the_half_that_chose_nothing(self) -> None:
        parts = random_parts(0, 100)
        made = calibrate_by_cost(parts, DecisionRules(), self.costs, SETTINGS)
        assert not (made.chosen_on & made.bounded_on).any()
        held = parts.where(made.bounded_on)
        thresholds = [made.rules.rule_of(name).score_threshold for name in NAMES]
        missed = int((held.bad & ~is_ng(held.scores, thresholds)).sum())
        assert (made.guarantee.escape.events, made.guarantee.escape.trials) == (missed, 50)
        assert sum(bound.trials for bound in made.guarantee.escape_per_size.values()) == 50
        assert made.policies[0].cost == pytest.approx(self.costs.expect(held, thresholds))
        assert made.policies[0].escapes == missed
        document = made.to_json(parts)
        assert document["parts"] == {
            "chosen_on": {"bad": 50, "good": 50},
            "guarantee_from": {"bad": 50, "good": 50},
        }

    def test_other_limits_of_the_rules_are_kept(self) -> None:
        rules = DecisionRules(default=ClassRule(min_length=3.0), classes={"pit": ClassRule(max_count=2)})
        made = calibrate_by_cost(random_parts(0, 50), rules, self.costs, SETTINGS)
        assert made.rules.rule_of("pit").max_count == 2
        assert made.rules.rule_of("scratch").min_length == 3.0

    def test_a_rate_is_kept_by_one_threshold_from_all_parts(self) -> None:
        parts = make_parts([(0.6, 0.1)] * 300, [(0.2, 0.1)] * 10)
        made = calibrate_by_rate(parts, DecisionRules(), 0.01, SETTINGS)
        assert made.thresholds == {"pit": 0.6, "scratch": 0.6}
        assert made.guarantee.words[0] == (
            "0 of 300 bad parts missed: at 95 % confidence the escape rate is below 1.0 %."
        )
        assert made.guarantee.overkill is not None
        assert made.guarantee.overkill.events == 0

    def test_a_rate_that_so_few_parts_can_not_show_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"0 of 60 bad parts missed.*below 4.9 %.*299 bad parts") as caught:
            calibrate_by_rate(make_parts([(0.6, 0.1)] * 60, []), DecisionRules(), 0.01, SETTINGS)
        assert "better detector" not in str(caught.value)
        with pytest.raises(DataError, match="better detector"):
            calibrate_by_rate(make_parts([(-1.0, -1.0)] * 400, []), DecisionRules(), 0.01, SETTINGS)

    def test_a_rate_needs_no_good_parts_and_says_so(self) -> None:
        made = calibrate_by_rate(make_parts([(0.6, 0.1)] * 300, []), DecisionRules(), 0.01, SETTINGS)
        assert made.guarantee.overkill is None
        assert "overkill rate is not known" in made.guarantee.words[1]

    @pytest.mark.parametrize(("bad", "good", "missing"), [(0, 5, "bad"), (5, 0, "--good"), (1, 5, "bad")])
    def test_says_what_is_missing(self, bad: int, good: int, missing: str) -> None:
        parts = make_parts([(0.6, 0.1)] * bad, [(0.2, 0.1)] * good)
        with pytest.raises(DataError, match=missing):
            calibrate_by_cost(parts, DecisionRules(), self.costs, SETTINGS)
        if not bad:
            with pytest.raises(DataError, match="Label pictures with defects"):
                calibrate_by_rate(parts, DecisionRules(), 0.1, SETTINGS)

    def test_five_parts_are_enough_for_very_little(self) -> None:
        parts = make_parts([(0.6, 0.1)] * 3, [(0.2, 0.1)] * 2)
        made = calibrate_by_cost(parts, DecisionRules(), self.costs, SETTINGS)
        assert 0.2 < made.thresholds["pit"] <= 0.6
        assert made.guarantee.escape.upper > 0.7
        assert any("all share one threshold" in note for note in made.notes)

    def test_a_class_that_no_part_shows_is_named(self) -> None:
        parts = make_parts([(0.6, 0.1)] * 10, [(0.2, 0.1)] * 10)
        made = calibrate_by_cost(parts, DecisionRules(), self.costs, SETTINGS)
        assert any("shows scratch" in note for note in made.notes)
        assert made.guarantee.escape_per_class["scratch"].trials == 0
        assert made.guarantee.escape_per_class["scratch"].upper == 1.0

    def test_scores_that_tell_nothing_are_named(self) -> None:
        parts = make_parts([(0.5, -1.0)] * 10, [(0.5, -1.0)] * 10)
        made = calibrate_by_cost(parts, DecisionRules(), self.costs, SETTINGS)
        assert any("score the same" in note for note in made.notes)
        assert any("no less than 'always NG'" in note for note in made.notes)

    def test_a_group_that_takes_all_bad_parts_is_refused(self) -> None:
        parts = make_parts([(0.6, 0.1)] * 10, [(0.2, 0.1)] * 10)
        groups = ["a"] * 10 + ["b"] * 10
        with pytest.raises(DataError, match="expected both"):
            calibrate_by_cost(parts, DecisionRules(), self.costs, SETTINGS, groups)


def test_policies_cost_what_they_cost_and_saving_is_paired() -> None:
    parts, costs = random_parts(5, 80), Costs(10.0, 1.0, 0.2)
    chosen = choose_thresholds(parts, costs, own_threshold_parts=30)
    policies = {one.policy: one for one in compare_policies(parts, costs, chosen, best_f1=0.4)}
    assert policies["always OK"].cost == pytest.approx(2.0)
    assert policies["always NG"].cost == pytest.approx(0.8)
    assert policies["0.25 for all"].cost == pytest.approx(cost_of(parts, (0.25, 0.25), costs))
    assert policies["chosen thresholds"].saved is None
    for one in policies.values():
        if one.saved is not None:
            difference = one.cost - policies["chosen thresholds"].cost
            assert one.saved.low - 1e-9 <= difference <= one.saved.high + 1e-9
    same = {one.policy: one.saved for one in compare_policies(parts, costs, np.full(2, 0.25), best_f1=0.4)}
    assert same["0.25 for all"] == Interval(0.0, 0.0)


def test_best_thresholds_of_two_classes_are_near_those_of_trying_all() -> None:
    """What is found is the best along each class; beside all pairs it loses little."""
    lost = []
    for seed in range(10):
        parts, costs = random_parts(seed, 15), Costs(3.0, 1.0)
        found = costs.expect(parts, choose_thresholds(parts, costs, own_threshold_parts=1))
        grids = [candidates(parts.scores[:, label], FLOOR).tolist() for label in (0, 1)]
        best = min(costs.expect(parts, pair) for pair in product(*grids))
        lost.append(found - best)
    assert min(lost) >= -1e-9
    assert np.mean(lost) < 0.1
