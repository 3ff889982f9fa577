"""Rules as YAML: read strictly, so that no slip of the pen lets a defect through."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.errors import ConfigError


class _WithoutRepeats(yaml.SafeLoader):
    """YAML would take the last of several equal keys, in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [str(key.value) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_rules(path: Path, class_names: Sequence[str] | None = None) -> DecisionRules:
    """Read a file of rules.

    Args:
        path: YAML.
        class_names: Classes of the model; None leaves names unchecked.

    Raises:
        ConfigError: As :func:`parse_rules`, or the file can't be read.
    """
    return parse_rules(read_bytes(path), str(path), class_names)


def read_bytes(path: Path) -> bytes:
    """The content of a file of rules, not checked.

    Raises:
        ConfigError: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"Rules {path} can't be read: {error.strerror or error}. Expected a YAML file such as "
            "configs/decision.yaml."
        ) from None


def parse_rules(content: bytes, origin: str, class_names: Sequence[str] | None = None) -> DecisionRules:
    """Check the content of a file of rules.

    Args:
        content: YAML in UTF-8; empty stands for the defaults.
        origin: Where it comes from, for the message.
        class_names: Classes of the model; None leaves names unchecked.

    Raises:
        ConfigError: No YAML mapping, an unknown, repeated or wrong key, or a class that the model does not know;
            the message names all of them.
    """
    try:
        values = yaml.load(content.decode("utf-8-sig"), _WithoutRepeats)
        as_json = json.dumps({} if values is None else values)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"Rules {origin} are not valid YAML: {error}") from None
    try:
        # Of JSON, strict checks take lists for tuples, but neither "0.5" nor yes for a number.
        rules = DecisionRules.model_validate_json(as_json, strict=True)
    except ValidationError as error:
        raise ConfigError(_describe(error, origin)) from None
    if class_names is not None:
        require_classes(rules, class_names, origin)
    return rules


def require_classes(rules: DecisionRules, class_names: Sequence[str], origin: str) -> None:
    """Find rules for classes that the model does not know: they would never hold.

    Raises:
        ConfigError: There are some; the message names them and the known ones.
    """
    if unknown := [name for name in rules.classes if name not in class_names]:
        raise ConfigError(
            f"Rules {origin} name classes that the model does not know: {', '.join(unknown)}. "
            f"It knows: {', '.join(class_names)}."
        )


def require_reachable_counts(rules: DecisionRules, settings: DetectionConfig, origin: str) -> None:
    """Find counts that can't be exceeded, since no picture has so many detections.

    Raises:
        ConfigError: There are some; the message names them.
    """
    for key, rule in (("default", rules.default), *((f"classes.{n}", r) for n, r in rules.classes.items())):
        if rule.max_count >= settings.max_detections:
            raise ConfigError(
                f"Rules {origin}: {key}.max_count is {rule.max_count}, and the model gives at most "
                f"{settings.max_detections} detections a picture: no picture would ever be NG for it."
            )


def dump_rules(rules: DecisionRules) -> str:
    """YAML that :func:`parse_rules` reads back unchanged, without the keys that hold their defaults."""
    values = rules.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text


def _describe(error: ValidationError, origin: str) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        if item["type"] == "extra_forbidden":
            fields = DecisionRules.model_fields if len(item["loc"]) == 1 else ClassRule.model_fields
            lines.append(f"unknown key '{key}'; known here: {', '.join(fields)}")
        elif item["type"] == "value_error":
            lines.append(f"{key}: {item['msg'].removeprefix('Value error, ')}")
        else:
            lines.append(f"{key}: {item['msg']} (found {item['input']!r})")
    return f"Rules {origin} are not valid:\n  " + "\n  ".join(lines)
