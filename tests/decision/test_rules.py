from __future__ import annotations

import pytest
from pydantic import ValidationError

from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.errors import ConfigError


def test_a_class_has_its_own_rule_or_the_default() -> None:
    rules = DecisionRules(default=ClassRule(min_length=2), classes={"pore": ClassRule(max_count=3)})
    assert rules.rule_of("pore") == ClassRule(max_count=3)
    assert rules.rule_of("crack") == ClassRule(min_length=2)


def test_other_thresholds_change_nothing_else() -> None:
    rules = DecisionRules(default=ClassRule(min_length=2), classes={"pore": ClassRule(max_count=3)})
    changed = rules.with_thresholds({"pore": 0.3, "crack": 0.6})
    assert changed.rule_of("pore") == ClassRule(max_count=3, score_threshold=0.3)
    assert changed.rule_of("crack") == ClassRule(min_length=2, score_threshold=0.6)
    assert changed.rule_of("other") == rules.default
    assert changed.score_thresholds(["other", "pore"], 0.5).tolist() == pytest.approx([0.5, 0.3])


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1])
def test_no_threshold_that_nothing_could_reach(value: float) -> None:
    with pytest.raises(ValidationError):
        DecisionRules().with_thresholds({"pore": value})


@pytest.mark.parametrize(
    ("pattern", "picture", "part"),
    [
        (None, "a/1.png", "a/1.png"),
        (r"^(\w+?)_", "a_b/00041_cam3.png", "00041"),
        (r"\d+", "line/lot 17.png", "17"),
        (r"lot(\d+)|part", "part.png", "part"),
        (r"^(.+?)_", "group00041_3.jpg", "group00041"),
    ],
)
def test_parts(pattern: str | None, picture: str, part: str) -> None:
    assert DecisionRules(part_pattern=pattern).part_of(picture) == part


def test_a_picture_of_no_part_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"not in the file name 'odd\.png'"):
        DecisionRules(part_pattern=r"\d+").part_of("17/odd.png")
