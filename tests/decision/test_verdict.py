from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.decision.verdict import NEVER, UNREADABLE, decide_picture, ng_scores
from sdgasnet.imaging.detections import Detections

NAMES = ("pore", "scratches")
SIDE = 100.0


def detections(*found: tuple[int, float, tuple[float, float, float, float]]) -> Detections:
    """Of (label, score, box), best first."""
    ordered = sorted(found, key=lambda one: -one[1])
    return Detections(
        np.array([box for _, _, box in ordered], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in ordered], np.float32),
        np.array([label for label, _, _ in ordered], np.int64),
        (100, 100),
    )


def square(x: float, y: float, side: float = 4.0) -> tuple[float, float, float, float]:
    return (x, y, x + side, y + side)


COORDINATE = st.floats(0, SIDE - 1, width=32)
SCORES = st.floats(0, 1, width=32) | st.sampled_from([0.1, 0.3, 0.42, 0.7])
BOXES = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), COORDINATE, COORDINATE, COORDINATE, COORDINATE)
FOUND = st.lists(st.tuples(st.integers(0, 1), SCORES, BOXES), max_size=8).map(lambda many: detections(*many))
THRESHOLDS = st.none() | st.floats(0, 1) | st.sampled_from([0.1, 0.3, 0.42, 0.7])
RULES = st.builds(
    ClassRule,
    score_threshold=THRESHOLDS,
    min_area=st.sampled_from([0.0, 50.0]) | st.floats(0, 1e4),
    min_length=st.sampled_from([0.0, 10.0]) | st.floats(0, SIDE),
    max_count=st.integers(0, 3),
)
LEFT_HALF = ((0.0, 0.0), (50.0, 0.0), (50.0, 100.0), (0.0, 100.0))
UPPER_HALF = ((0.0, 0.0), (100.0, 0.0), (100.0, 50.0), (0.0, 50.0))
DECISIONS = st.builds(
    DecisionRules,
    default=RULES,
    classes=st.dictionaries(st.sampled_from(NAMES), RULES),
    millimetres_per_pixel=st.none() | st.floats(0.01, 10),
    regions_of_interest=st.sampled_from([(), (LEFT_HALF,), (LEFT_HALF, UPPER_HALF)]),
    ignored_regions=st.sampled_from([(), (UPPER_HALF,)]),
)


@settings(max_examples=400, deadline=None)
@given(FOUND, DECISIONS, st.floats(0, 1))
def test_ng_exactly_if_an_ng_score_reaches_its_threshold(
    found: Detections, rules: DecisionRules, model_threshold: float
) -> None:
    verdict = decide_picture(found, NAMES, rules, model_threshold)
    reached = ng_scores(found, NAMES, rules) >= rules.score_thresholds(NAMES, model_threshold)
    assert verdict.ng == reached.any()
    assert len(verdict.reasons) == reached.sum()
    assert verdict.word == ("NG" if verdict.reasons else "OK")


@settings(max_examples=100, deadline=None)
@given(FOUND, DECISIONS)
def test_a_threshold_chosen_from_a_score_is_reached_by_it(found: Detections, rules: DecisionRules) -> None:
    scores = ng_scores(found, NAMES, rules)
    for name, score in zip(NAMES, scores.tolist(), strict=True):
        if score == NEVER:
            continue
        others = {other: ClassRule(max_count=300) for other in NAMES if other != name}
        alone = rules.model_copy(update={"classes": {**rules.classes, **others}})
        assert decide_picture(found, NAMES, alone.with_thresholds({name: score}), 0.5).ng
        above = float(np.nextafter(np.float32(score), np.float32(2)))
        if above <= 1:
            assert not decide_picture(found, NAMES, alone.with_thresholds({name: above}), 0.5).ng


@pytest.mark.parametrize("written", [0.42, 0.1, 0.7, 0.3])
def test_float32_scores_meet_float64_thresholds_as_everywhere(written: float) -> None:
    found = detections((0, written, square(1, 1)))
    rules = DecisionRules(default=ClassRule(score_threshold=written))
    assert decide_picture(found, NAMES, rules, 0.9).ng
    assert len(found.above(written)) == 1


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (DecisionRules(), ["scratches 0.71 >= 0.42"]),
        (
            DecisionRules(default=ClassRule(min_length=2), millimetres_per_pixel=0.1),
            ["0.71 >= 0.42, 3.1 mm >= 2.0 mm"],
        ),
        (DecisionRules(default=ClassRule(min_length=31)), ["0.71 >= 0.42, 31.0 px >= 31.0 px"]),
        (DecisionRules(default=ClassRule(min_area=120)), ["0.71 >= 0.42, 124.0 sq px >= 120.0 sq px"]),
        (DecisionRules(default=ClassRule(score_threshold=0.004)), ["0.7100 >= 0.0040"]),
        (DecisionRules(default=ClassRule(score_threshold=0)), ["0.71 >= 0.00"]),
        (DecisionRules(default=ClassRule(min_length=31.1)), []),
        (DecisionRules(default=ClassRule(min_area=124.1)), []),
        (DecisionRules(default=ClassRule(score_threshold=0.72)), []),
        (DecisionRules(default=ClassRule(max_count=1)), []),
        (DecisionRules(classes={"scratches": ClassRule(score_threshold=0.8)}), []),
        (DecisionRules(regions_of_interest=(LEFT_HALF,)), ["0.71"]),
        (DecisionRules(ignored_regions=(LEFT_HALF,)), []),
    ],
)
def test_reasons_in_words(rules: DecisionRules, expected: list[str]) -> None:
    verdict = decide_picture(detections((1, 0.71, (2, 60, 33, 64))), NAMES, rules, 0.42)
    assert len(verdict.reasons) == len(expected)
    for reason, words in zip(verdict.reasons, expected, strict=True):
        assert words in reason
    assert verdict.counted.tolist() == [bool(expected)] or rules.default.max_count


def test_counts_in_words() -> None:
    pores = [(0, 0.9 - 0.1 * number, square(10 * number, 0)) for number in range(4)]
    rules = DecisionRules(classes={"pore": ClassRule(max_count=3), "scratches": ClassRule()})
    assert decide_picture(detections(*pores), NAMES, rules, 0.5).ng
    verdict = decide_picture(
        detections(*pores, (1, 0.8, square(50, 50)), (1, 0.7, square(60, 50))), NAMES, rules, 0.5
    )
    assert verdict.reasons == ("4 pore >= 0.50; 3 are allowed", "scratches 0.80 >= 0.50, and 1 more")
    assert verdict.counted.all()
    assert not decide_picture(detections(*pores[:3]), NAMES, rules, 0.5).ng
    assert not decide_picture(detections(*pores), NAMES, rules, 0.65).ng


def test_what_can_t_be_read_is_ng() -> None:
    assert (UNREADABLE.word, UNREADABLE.reasons) == ("NG", ("can't be read",))
