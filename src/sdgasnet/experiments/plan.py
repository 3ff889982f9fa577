"""The plan of an experiment: ``experiment.yaml``, and the training runs that follow from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdgasnet.config.loading import load_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import ConfigError

PLAN_NAME = "experiment.yaml"
RUN_REFERENCE = re.compile(r"\{runs\}/([^/\s,'\"\]}]+)(/[^\s,'\"\]}]*)?")
"""A file of another run in the text of an override, after ``{seed}`` was replaced."""

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Override = Annotated[str, Field(pattern=r"^[^=\s]+=")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Variant(_Strict):
    """One row of the table: a name and what it changes in the recipe."""

    name: Name
    overrides: list[Override] = []
    """``key=value``; ``{runs}`` is the folder of the runs and ``{seed}`` the seed, so that
    ``distillation.teacher={runs}/teacher-{seed}/last.pt`` names the run of another variant. A ``data.path`` here
    goes before that of the whole experiment."""
    baseline: Name | None = None
    """Variant that this one is compared with; None takes that of the plan."""


class Plan(_Strict):
    """A whole experiment."""

    question: Text
    recipe: Text
    """Base recipe; relative paths start at the experiment's folder, or else at the working folder."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    variants: Annotated[list[Variant], Field(min_length=1)]
    """In the order of running."""
    baseline: Name
    """Variant that the others are compared with."""
    overrides: list[Override] = []
    """For all variants; theirs go before."""
    data: Text | None = None
    """Folder of the data set; relative paths start at the working folder."""

    @model_validator(mode="after")
    def _check_names(self) -> Plan:
        names = [variant.name for variant in self.variants]
        for kind, values in (("variants", names), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"{kind} {values} are not all different")
        for name in (self.baseline, *(variant.baseline for variant in self.variants)):
            if name is not None and name not in names:
                raise ValueError(f"baseline '{name}' is none of the variants {', '.join(names)}")
        for text in (*self.overrides, *(text for variant in self.variants for text in variant.overrides)):
            if text.startswith("training.seed="):
                raise ValueError(f"override '{text}': seeds stand in 'seeds'")
        for text in self.overrides:
            if text.startswith("data.path="):
                raise ValueError(f"override '{text}': the data set of all variants stands in 'data'")
        return self

    def baseline_of(self, variant: Variant) -> str:
        """Name of the variant that it is compared with; itself for a baseline."""
        return variant.baseline or self.baseline


@dataclass(frozen=True, slots=True)
class Folders:
    """Where an experiment lies and works.

    Attributes:
        experiment: Folder of ``experiment.yaml``, results and README.
        runs: Folder of the run folders and of their logs.
        recipe: The base recipe.
        data: Data set named for all runs; None leaves it to the recipe.
    """

    experiment: Path
    runs: Path
    recipe: Path
    data: str | None


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One training: a variant with a seed.

    Attributes:
        variant: Name of the variant.
        seed: The seed.
        path: Run folder.
        recipe_file: The base recipe.
        overrides: All of them, in the order in which they are applied, ``training.seed`` and ``data.path`` too.
        data: ``data.path=...``, for a run that goes on; None leaves it to the recipe.
        needs: Names of runs whose files it reads.
        files: Files below the runs' folder that are of no run of the plan, and that it reads.
    """

    variant: str
    seed: int
    path: Path
    recipe_file: Path
    overrides: tuple[str, ...]
    data: str | None
    needs: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Of the run and its folder."""
        return self.path.name

    @property
    def log(self) -> Path:
        """What the training prints."""
        return self.path.with_name(f"{self.name}.log")

    def recipe(self) -> Recipe:
        """The complete recipe that the plan asks for.

        Raises:
            ConfigError: The recipe or an override is not valid.
        """
        return load_recipe(self.recipe_file, self.overrides)


def read_plan(folder: Path) -> Plan:
    """Read ``experiment.yaml``.

    Args:
        folder: Folder of the experiment.

    Raises:
        ConfigError: It is missing, no YAML mapping, or has an unknown key or a wrong value.
    """
    path = folder / PLAN_NAME
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist. An experiment is a folder with {PLAN_NAME}: question, recipe, seeds, "
            "variants, baseline; see docs/guides/experiments.md."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} can't be read: {error}. Expected a YAML text file.") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds a {type(values).__name__}; expected keys like 'question:' and 'variants:'."
        )
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_describe(error, path)) from None


def locate(plan: Plan, experiment: Path, runs: Path | None, data: Path | None) -> Folders:
    """Settle where everything lies.

    Args:
        plan: The plan.
        experiment: Its folder.
        runs: Folder of the run folders; None is ``runs/`` and the experiment's name in the working folder.
        data: Data set, before that of the plan.

    Raises:
        ConfigError: The base recipe is nowhere.
    """
    candidates = (experiment / plan.recipe, Path(plan.recipe))
    recipe = next((path for path in candidates if path.is_file()), None)
    if recipe is None:
        raise ConfigError(
            f"{experiment / PLAN_NAME}: recipe {plan.recipe} is neither at {candidates[0]} nor at "
            f"{candidates[1].absolute()}. Correct 'recipe', or start in the folder that the path begins at."
        )
    return Folders(
        experiment,
        runs if runs is not None else Path("runs") / experiment.resolve().name,
        recipe,
        str(data) if data is not None else plan.data,
    )


def plan_runs(plan: Plan, folders: Folders, extra: Sequence[str] = ()) -> list[PlannedRun]:
    """All runs of a plan, variant by variant.

    Args:
        plan: The plan.
        folders: Where everything lies.
        extra: Overrides for all runs, after those of the plan.

    Raises:
        ConfigError: A run needs one that comes later, or an override names a seed.
    """
    for text in extra:
        if text.startswith("training.seed="):
            raise ConfigError(
                f"Override '{text}': the seeds stand in {PLAN_NAME}. Choose among them with --seeds."
            )
    names = [f"{variant.name}-{seed}" for variant in plan.variants for seed in plan.seeds]
    runs = [
        _plan_run(plan, variant, seed, folders, extra, names) for variant in plan.variants for seed in plan.seeds
    ]
    for place, run in enumerate(runs):
        later = [name for name in run.needs if name in names[place:]]
        if later:
            raise ConfigError(
                f"{folders.experiment / PLAN_NAME}: {run.name} needs {', '.join(later)}, which comes later. "
                "Put variants behind those whose runs they read."
            )
    return runs


def _plan_run(
    plan: Plan, variant: Variant, seed: int, folders: Folders, extra: Sequence[str], names: Sequence[str]
) -> PlannedRun:
    texts = [text.replace("{seed}", str(seed)) for text in (*plan.overrides, *variant.overrides, *extra)]
    references = [(match[1], match[2] or "") for text in texts for match in RUN_REFERENCE.finditer(text)]
    overrides = [text.replace("{runs}", str(folders.runs)) for text in texts]
    named = [f"data.path={folders.data}"] if folders.data is not None else []
    data = [*named, *(text for text in overrides if text.startswith("data.path="))][-1:]
    return PlannedRun(
        variant=variant.name,
        seed=seed,
        path=folders.runs / f"{variant.name}-{seed}",
        recipe_file=folders.recipe,
        overrides=(*overrides, f"training.seed={seed}", *data),
        data=data[0] if data else None,
        needs=tuple(dict.fromkeys(name for name, _ in references if name in names)),
        files=tuple(folders.runs / (name + rest) for name, rest in references if name not in names),
    )


def select_runs(
    runs: Sequence[PlannedRun], variants: Sequence[str] | None, seeds: Sequence[int] | None
) -> list[PlannedRun]:
    """Those of some variants and seeds; None stands for all.

    Raises:
        ConfigError: There is no such variant or seed in the plan.
    """
    known_variants = list(dict.fromkeys(run.variant for run in runs))
    known_seeds = list(dict.fromkeys(run.seed for run in runs))
    for asked, known, what in ((variants, known_variants, "variant"), (seeds, known_seeds, "seed")):
        wrong = [str(one) for one in asked or () if one not in known]
        if wrong:
            raise ConfigError(
                f"The plan has no {what} {', '.join(wrong)}; it has: {', '.join(map(str, known))}. "
                f"Choose from these, or add it to {PLAN_NAME}."
            )
    return [
        run
        for run in runs
        if (variants is None or run.variant in variants) and (seeds is None or run.seed in seeds)
    ]


def _describe(error: ValidationError, path: Path) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole plan)"
        if item["type"] == "extra_forbidden":
            fields = Variant.model_fields if item["loc"][0] == "variants" else Plan.model_fields
            lines.append(f"unknown key '{key}'; known here: {', '.join(sorted(fields))}")
        elif item["type"] in ("missing", "value_error"):
            lines.append(f"{key}: {item['msg']}")
        else:
            lines.append(f"{key}: {item['msg']} (found {item['input']!r})")
    return f"{path} is not a valid plan:\n  " + "\n  ".join(lines)
