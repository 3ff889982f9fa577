from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.decision.rules_file import dump_rules, parse_rules, read_rules, require_reachable_counts
from sdgasnet.errors import ConfigError

RULES = st.builds(
    ClassRule,
    score_threshold=st.none() | st.floats(0, 1),
    min_area=st.floats(0, 1e9),
    min_length=st.floats(0, 1e9),
    max_count=st.integers(0, 300),
)
POLYGONS = st.floats(-10, 10).map(lambda x: ((x, 0.0), (x + 5, 0.5), (x, 7.0)))
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        DecisionRules,
        default=RULES,
        classes=st.dictionaries(NAMES, RULES, max_size=3),
        millimetres_per_pixel=st.none() | st.floats(1e-6, 1e6),
        regions_of_interest=st.lists(POLYGONS, max_size=2).map(tuple),
        ignored_regions=st.lists(POLYGONS, max_size=2).map(tuple),
        part_pattern=st.none() | st.just(r"^(\w+)_"),
    )
)
def test_what_is_written_is_read(rules: DecisionRules) -> None:
    assert parse_rules(dump_rules(rules).encode(), "it") == rules


def test_the_example_is_valid_and_says_something_of_every_key() -> None:
    example = Path(__file__).parents[2] / "configs" / "decision.yaml"
    rules = read_rules(example)
    assert rules.default != ClassRule()
    for key in (*DecisionRules.model_fields, *ClassRule.model_fields):
        assert f"{key}:" in example.read_text(encoding="utf-8"), key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("default: {score_threshold: .nan}", ["default.score_threshold", "finite number", "nan"]),
        ("default: {min_area: .inf}", ["default.min_area", "finite number"]),
        ("default: {score_threshold: 1.5}", ["less than or equal to 1"]),
        ("default: {score_threshold: '0.5'}", ["default.score_threshold", "valid number", "'0.5'"]),
        ("default: {max_count: yes}", ["default.max_count", "valid integer", "True"]),
        ("classes: {pit: {max_coun: 3}}", ["unknown key 'classes.pit.max_coun'", "max_count"]),
        ("region: []", ["unknown key 'region'", "regions_of_interest"]),
        ("regions_of_interest: [[[0, 0], [5, 5], [9, 9]]]", ["regions_of_interest.0", "covers 0 square pixels"]),
        ("ignored_regions: [[[0, 0], [5, 5]]]", ["ignored_regions.0", "at least 3"]),
        ("ignored_regions: [[[0, 0], [5, .nan], [5, 5]]]", ["ignored_regions.0.1.1", "finite"]),
        ("part_pattern: '('", ["part_pattern", "no regular expression"]),
        ("classes:\n  pit: {max_count: 1}\n  pit: {max_count: 2}", ["'pit' stands there twice", "line 2"]),
        ("classes: {crak: {}}", ["does not know: crak", "It knows: pit, crack"]),
        ("default: [", ["not valid YAML"]),
        ("- 1", ["(whole file)"]),
        ("a: 2020-01-01", ["not valid YAML"]),
        ("a: &a [*a]", ["not valid YAML"]),
        ("millimetres_per_pixel: 0", ["millimetres_per_pixel", "greater than 0"]),
    ],
)
def test_slips_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_rules(tmp_path / "rules.yaml", ["pit", "crack"])
    for word in ("rules.yaml", *words):
        assert word in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_what_is_no_text_or_not_there(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "rules.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match="not valid YAML" if content else "can't be read"):
        read_rules(tmp_path / "rules.yaml")


def test_a_count_that_no_picture_could_exceed() -> None:
    rules = DecisionRules(classes={"pore": ClassRule(max_count=300)})
    with pytest.raises(ConfigError, match=r"classes\.pore\.max_count is 300"):
        require_reachable_counts(rules, DetectionConfig(max_detections=300), "it")
    require_reachable_counts(rules, DetectionConfig(max_detections=301), "it")
