from __future__ import annotations

from pathlib import Path

import pytest

from sdgasnet.config.loading import build_recipe, dump_recipe, load_recipe
from sdgasnet.config.presets import PRESETS
from sdgasnet.config.schema import ModelConfig, Recipe
from sdgasnet.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_file_wins_over_preset_and_override_wins_over_file(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", "model: {preset: n, reg_max: 8}\ntraining: {epochs: 7, seed: 3}\n")
    recipe = load_recipe(path, ["training.epochs=9", "model.image_size=[96, 160]"])
    assert recipe.model.reg_max == 8
    assert recipe.model.backbone == PRESETS["n"]["backbone"]
    assert (recipe.training.epochs, recipe.training.seed) == (9, 3)
    assert recipe.model.image_size == (96, 160)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_change_only_known_fields_and_validate(preset: str) -> None:
    assert set(PRESETS[preset]) <= set(ModelConfig.model_fields)  # type: ignore[index]
    assert build_recipe({"model": {"preset": preset}}).model.preset == preset


def test_dump_reads_back_unchanged(tmp_path: Path) -> None:
    recipe = build_recipe({"model": {"preset": "n"}, "data": {"class_names": ["a", "b"]}})
    again = load_recipe(write(tmp_path / "r.yaml", dump_recipe(recipe)))
    assert again == recipe


def test_override_creates_missing_section() -> None:
    assert load_recipe(None, ["data.path=some/folder"]).data.path == "some/folder"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.epoch=9"], "unknown key 'training.epoch'"),
        (["trainig.epochs=9"], "unknown key 'trainig'"),
        (["training.epochs=zero"], "training.epochs"),
        (["training.epochs=0"], "greater than or equal to 1"),
        (["training.epochs"], "section.key=value"),
        (["model.image_size=[100, 100]"], "multiple of 32"),
        (["model.preset=xl"], "expected one of n, s"),
        (["training.batch_size=10", "training.accumulate=3"], "not a multiple"),
        (["augmentation.mosaic=1.5"], "augmentation.mosaic"),
        (["model.paired=true", "model.channels=1"], "model.paired needs model.channels=3"),
        (["training.epochs=1", "training.epochs.deep=1"], "not a section"),
    ],
)
def test_wrong_value_names_the_key(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(None, overrides)
    assert expected in str(caught.value)


def test_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        build_recipe({"training": {"epoch": 3}})
    assert "epochs" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "expected sections"),
        ("a: [1,\n", "not valid YAML"),
        ("model: 3\n", "expected a section"),
    ],
)
def test_wrong_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path / "r.yaml", text))
    assert expected in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml does not exist"):
        load_recipe(tmp_path / "absent.yaml")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="can't be read"):
        load_recipe(path)


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path / "r.yaml", "")) == build_recipe({})


def test_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().training.epochs = 3  # type: ignore[misc]


CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    "path", sorted({*CONFIGS.glob("*.yaml")} - {CONFIGS / "decision.yaml"}), ids=lambda p: p.name
)
def test_recipes_of_the_project_are_valid(path: Path) -> None:
    load_recipe(path)
