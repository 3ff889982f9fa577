"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sdgasnet
from sdgasnet.config.schema import Recipe

PACKAGE = Path(sdgasnet.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HOMES_OF_DEFAULTS = {"schema.py", "presets.py"}
ABOVE_THE_WALL = ("config", "imaging", "data", "decision", "runtime", "evaluation", "experiments")


def recipe_fields() -> set[str]:
    sections = [field.annotation for field in Recipe.model_fields.values()]
    return {name for section in sections for name in getattr(section, "model_fields", {})}


def parameters_with_default(tree: ast.AST) -> Iterator[tuple[str, ast.expr, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            positional = [*node.args.posonlyargs, *node.args.args]
            defaults = node.args.defaults
            for argument, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
                yield argument.arg, default, default.lineno
            for argument, keyword_default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if keyword_default is not None:
                    yield argument.arg, keyword_default, keyword_default.lineno


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if path.name not in HOMES_OF_DEFAULTS],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_product_defaults_stand_in_the_schema_alone(module: Path) -> None:
    names = recipe_fields()
    second_homes = [
        f"{module.name}:{line} {name}"
        for name, default, line in parameters_with_default(ast.parse(module.read_text(encoding="utf-8")))
        if name in names
        and isinstance(default, ast.Constant)
        and isinstance(default.value, int | float)
        and not isinstance(default.value, bool)
    ]
    assert not second_homes, f"default of a recipe field outside config/schema.py: {second_homes}"


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_file_holds_one_subject(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_room_without_a_name() -> None:
    assert not [p for p in MODULES if p.stem in {"utils", "util", "helpers", "common", "misc"}]


@pytest.mark.parametrize("room", ABOVE_THE_WALL)
def test_room_above_the_wall_imports_without_torch(room: str) -> None:
    modules = [
        ".".join(("sdgasnet", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in sorted((PACKAGE / room).rglob("*.py"))
    ]
    code = (
        "import sys, importlib\n"
        "sys.modules['torch'] = None\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_command_starts_without_torch() -> None:
    code = "import sys\nsys.modules['torch'] = None\nimport sdgasnet.cli.main\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_full_scale_of_a_pixel_stands_in_one_place() -> None:
    homes = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in (65535, 65535.0)
    ]
    assert set(homes) <= {"imaging/image.py"}, homes
