from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from numpy.typing import NDArray
from scipy.stats import beta, binomtest

from sdgasnet.evaluation.guarantee import (
    bound_chosen_rate,
    bound_rate,
    describe_escapes,
    describe_overkill,
    learn_then_test,
    parts_needed,
    upper_bounds,
)
from sdgasnet.evaluation.labelled_parts import LabelledParts, is_ng
from sdgasnet.evaluation.thresholds import Costs, choose_thresholds

DRAWS = 1000
CONFIDENCE = 0.95
FLOOR = 0.001


@pytest.mark.parametrize(("events", "trials"), [(0, 60), (3, 100), (60, 60), (1, 1), (17, 400)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_bounds_are_those_of_the_exact_binomial_test(events: int, trials: int, confidence: float) -> None:
    bound = bound_rate(events, trials, confidence)
    test = binomtest(events, trials, alternative="two-sided").proportion_ci(confidence, "exact")
    assert (bound.interval.low, bound.interval.high) == pytest.approx((test.low, test.high), abs=1e-12)
    one_sided = binomtest(events, trials, alternative="less").proportion_ci(confidence, "exact")
    assert bound.upper == pytest.approx(one_sided.high, abs=1e-12)


def test_nothing_is_known_without_a_part() -> None:
    bound = bound_rate(0, 0, CONFIDENCE)
    assert (bound.rate, bound.upper, bound.interval.low, bound.interval.high) == (None, 1.0, 0.0, 1.0)
    assert bound_chosen_rate(0, 0, CONFIDENCE).upper == 1.0
    assert describe_escapes(bound, 0.01) == "No bad parts: nothing can be said of the escape rate."
    assert "nothing can be said of the escape rate" in describe_escapes(bound_rate(5, 5, CONFIDENCE), 0.01)


def test_words_state_no_less_than_the_bound() -> None:
    told = describe_escapes(bound_rate(0, 60, CONFIDENCE), 0.01)
    assert told == (
        "0 of 60 bad parts missed: at 95 % confidence the escape rate is below 4.9 %; to state 1 % you need 299 "
        "bad parts without a miss."
    )
    # 0.30 % would be the nearest of one decimal, but the bound is over it.
    bound = bound_rate(0, 980, CONFIDENCE)
    assert 0.003 < bound.upper < 0.00306
    assert "below 0.4 %" in describe_overkill(bound)
    assert "need" not in describe_escapes(bound_rate(0, 299, CONFIDENCE), 0.01)


@pytest.mark.parametrize(("rate", "confidence"), [(0.01, 0.95), (0.001, 0.95), (0.05, 0.9), (0.3, 0.5)])
def test_parts_needed_are_just_enough(rate: float, confidence: float) -> None:
    needed = parts_needed(rate, confidence)
    assert bound_rate(0, needed, confidence).upper <= rate < bound_rate(0, needed - 1, confidence).upper


def test_learn_then_test_takes_the_highest_threshold_before_the_first_doubt() -> None:
    scores = np.concatenate([np.full(10, 0.2), np.full(990, 0.6)])
    # 10 of 1,000 missed do not refute 1 %; but they do refute 3 %.
    assert learn_then_test(scores, 0.01, CONFIDENCE, FLOOR) == 0.2
    assert learn_then_test(scores, 0.03, CONFIDENCE, FLOOR) == 0.6
    assert learn_then_test([], 0.5, CONFIDENCE, FLOOR) is None
    assert learn_then_test(np.full(1000, -1.0), 0.5, CONFIDENCE, FLOOR) is None
    assert learn_then_test([0.5] * 300, 0.01, CONFIDENCE, floor=0.6) is None


# A known world: scores are beta-distributed, so that the true escape rate of every threshold is known.


def holds_as_often_as_stated(holds: NDArray[np.bool_]) -> bool:
    """Whether failing 1 - confidence of the time is not refuted."""
    failed = int((~holds).sum())
    return binomtest(failed, len(holds), 1 - CONFIDENCE, alternative="greater").pvalue > 0.01


def test_learn_then_test_holds_in_a_known_world() -> None:
    rng, max_rate, true = np.random.default_rng(0), 0.05, beta(6, 2)
    chosen = [
        learn_then_test(scores, max_rate, CONFIDENCE, FLOOR)
        for scores in rng.beta(6, 2, (DRAWS, 200)).astype(np.float32)
    ]
    assert None not in chosen
    escape = true.cdf(np.array(chosen, np.float64))
    assert holds_as_often_as_stated(escape <= max_rate)
    # Neither does it promise less than it could: the rate is nearly used up.
    assert np.median(escape) > 0.4 * max_rate


def test_a_threshold_that_just_keeps_the_rate_on_its_own_parts_does_not_keep_it() -> None:
    rng, max_rate, true = np.random.default_rng(1), 0.05, beta(6, 2)
    scores = np.sort(rng.beta(6, 2, (DRAWS, 200)), axis=1)
    naive = scores[:, int(max_rate * 200)]
    assert not holds_as_often_as_stated(true.cdf(naive) <= max_rate)


def known_world(rng: np.random.Generator, classes: int, per_class: int) -> LabelledParts:
    """Each bad part shows one class, found with a beta-distributed score; good ones raise false alarms."""
    good = classes * per_class
    scores = np.full((2 * good, classes), -1.0)
    present = np.zeros((2 * good, classes), np.bool_)
    label = np.repeat(np.arange(classes), per_class)
    present[np.arange(good), label] = True
    scores[np.arange(good), label] = rng.beta(4, 2, good)
    scores[np.arange(good, 2 * good), label] = rng.beta(2, 4, good)
    names = tuple(map(str, range(2 * good)))
    class_names = tuple(map(str, range(classes)))
    ones = np.ones(2 * good)
    return LabelledParts(
        names, class_names, scores.astype(np.float32).astype(float), present, ones, ones.astype(int), FLOOR
    )


def test_bounds_hold_on_the_half_that_chose_nothing_and_fail_on_the_half_that_chose() -> None:
    classes, per_class = 5, 12
    rng, costs = np.random.default_rng(2), Costs(1.0, 1.0, 0.5)
    missed, truth = {"choosing": [], "held out": []}, []
    for _ in range(DRAWS):
        choosing, held_out = (known_world(rng, classes, per_class) for _ in range(2))
        thresholds = choose_thresholds(choosing, costs, own_threshold_parts=1)
        truth.append(beta(4, 2).cdf(thresholds).mean())
        for name, parts in (("choosing", choosing), ("held out", held_out)):
            missed[name].append((parts.bad & ~is_ng(parts.scores, thresholds)).sum())
    bounds = {name: upper_bounds(counts, classes * per_class, CONFIDENCE) for name, counts in missed.items()}
    assert holds_as_often_as_stated(np.array(truth) <= bounds["held out"])
    assert not holds_as_often_as_stated(np.array(truth) <= bounds["choosing"])
    assert (np.array(truth) <= bounds["choosing"]).mean() < 0.9


def test_bounds_at_a_chosen_threshold_hold_at_all_at_once() -> None:
    rng, size = np.random.default_rng(3), 60
    scores = np.sort(rng.random((DRAWS, size)), axis=1)
    # The threshold that looks best beside the truth, which is the worst that choosing can do.
    grid = np.linspace(0, 1, 101)
    missed = (scores[:, :, None] < grid).sum(axis=1)
    reach = bound_chosen_rate(0, size, CONFIDENCE).upper
    assert holds_as_often_as_stated((grid <= missed / size + reach).all(axis=1))
