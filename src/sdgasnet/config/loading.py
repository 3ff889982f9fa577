"""Read a recipe, lay a preset under it and ``key=value`` overrides over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from sdgasnet.config.presets import PRESETS
from sdgasnet.config.schema import ModelConfig, Preset, Recipe
from sdgasnet.errors import ConfigError


def load_recipe(path: Path | None, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply overrides.

    Order, the later wins: schema defaults, the preset named by ``model.preset``, the file, the
    overrides.

    Args:
        path: YAML file, or None for the defaults alone.
        overrides: Texts like ``"training.epochs=20"``; the value is read as YAML.

    Returns:
        The complete recipe.

    Raises:
        ConfigError: The file is missing or no YAML mapping, or a key or value is not valid.
    """
    values = _read_mapping(path) if path is not None else {}
    for text in overrides:
        _apply_override(values, text)
    return build_recipe(values, origin=str(path) if path is not None else "the command line")


def build_recipe(values: Mapping[str, Any], origin: str = "the recipe") -> Recipe:
    """Validate nested values into a recipe, with the preset's values under ``model``.

    Args:
        values: Sections and keys as in a recipe file; not changed.
        origin: Where the values come from, for the error message.

    Returns:
        The complete recipe.

    Raises:
        ConfigError: A key is unknown or a value is out of its range; the message names it.

    Examples:
        >>> build_recipe({"model": {"preset": "s"}}).model.neck_channels
        (64, 128, 256)
        >>> build_recipe({"model": {"preset": "n", "reg_max": 8}}).model.reg_max
        8
    """
    merged = dict(values)
    model = merged.get("model") or {}
    if not isinstance(model, Mapping):
        raise ConfigError(f"{origin}: 'model' is {model!r}; expected a section with keys.")
    preset = model.get("preset", ModelConfig.model_fields["preset"].default)
    if preset not in PRESETS:
        known = ", ".join(get_args(Preset))
        raise ConfigError(f"{origin}: model.preset is {preset!r}; expected one of {known}.")
    merged["model"] = {**PRESETS[preset], **_student_values(merged), **model, "preset": preset}
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_describe(error, origin)) from None


def _student_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the model section of a recipe with a teacher holds unless it says otherwise."""
    distillation = values.get("distillation")
    has_teacher = isinstance(distillation, Mapping) and distillation.get("teacher") is not None
    return {"box_predictors": "both"} if has_teacher else {}


def dump_recipe(recipe: Recipe) -> str:
    """Write a recipe as YAML that :func:`load_recipe` reads back unchanged.

    Args:
        recipe: The recipe.

    Returns:
        YAML text with every key, defaults included.
    """
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    return text


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"Recipe {path} does not exist. Recipes that come with the project: configs/*.yaml."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Recipe {path} can't be read: {error}. Expected a YAML text file.") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"Recipe {path} is not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"Recipe {path} holds a {type(values).__name__}; expected sections like 'data:' and 'model:'."
        )
    return values


def _apply_override(values: dict[str, Any], text: str) -> None:
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(
            f"Override {text!r} is not of the form section.key=value, for example training.epochs=20."
        )
    *sections, name = key.strip().split(".")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        raise ConfigError(f"Override {text!r}: the value is not valid YAML.") from None
    target = values
    for section in sections:
        inner = target.get(section)
        inner = {} if inner is None else inner
        if not isinstance(inner, dict):
            raise ConfigError(f"Override {text!r}: {section!r} is not a section.")
        target[section] = inner
        target = inner
    target[name] = value


def _describe(error: ValidationError, origin: str) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole recipe)"
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown key '{key}'{_suggest(item['loc'])}")
        else:
            lines.append(f"{key}: {item['msg']} (found {item['input']!r})")
    return f"{origin} is not a valid recipe:\n  " + "\n  ".join(lines)


def _suggest(location: tuple[int | str, ...]) -> str:
    fields: Mapping[str, Any] = Recipe.model_fields
    for part in location[:-1]:
        section = fields[str(part)].annotation
        fields = section.model_fields
    return f"; known here: {', '.join(sorted(fields))}"
