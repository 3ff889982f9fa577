"""How far the runs of an experiment are, read from their folders."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sdgasnet.config.loading import load_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import ConfigError
from sdgasnet.experiments.plan import PlannedRun

State = Literal["new", "interrupted", "finished"]


def read_state(path: Path) -> State:
    """``finished`` with ``result.json``, ``interrupted`` with a checkpoint to go on from, else ``new``."""
    if (path / "result.json").is_file():
        return "finished"
    return "interrupted" if (path / "last.pt").is_file() else "new"


def find_differences(run: PlannedRun, asked: Recipe, runs_folder: Path) -> dict[str, tuple[Any, Any]]:
    """Keys in which the recipe of a run folder is another than the one asked for.

    Where the data lie may differ, and where the folder of the runs lies.

    Args:
        run: The run; its folder holds ``recipe.yaml``.
        asked: The recipe of the plan.
        runs_folder: Folder of the runs.

    Returns:
        Key -> (value in the run folder, value asked for).
    """
    there, here = (
        flatten(recipe.model_dump(mode="json")) for recipe in (load_recipe(run.path / "recipe.yaml"), asked)
    )
    return {
        key: (there.get(key), here.get(key))
        for key in sorted(there.keys() | here.keys())
        if key != "data.path"
        and there.get(key) != here.get(key)
        and not _same_file_of_a_run(there.get(key), here.get(key), runs_folder)
    }


def require_same_recipes(runs: Sequence[PlannedRun], runs_folder: Path) -> None:
    """Refuse to go on with, or to count, runs that were started with another recipe.

    Raises:
        ConfigError: The message names runs, keys and values; or a recipe is not valid.
    """
    found = []
    for run in runs:
        asked = run.recipe()
        if read_state(run.path) == "new":
            continue
        for key, (there, here) in find_differences(run, asked, runs_folder).items():
            found.append(f"{run.path}: {key} is {there!r}, now asked for: {here!r}")
    if found:
        raise ConfigError(
            "Runs were started with another recipe:\n  "
            + "\n  ".join(found)
            + "\nRemove these run folders, choose another --runs-dir, or ask for what they were started with."
        )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as one mapping.

    Examples:
        >>> flatten({"weights": None, "data": {"path": "a"}})
        {'weights': None, 'data.path': 'a'}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def read_epochs(path: Path) -> list[float]:
    """Seconds of each finished epoch of a run, training and validation; empty where none is recorded."""
    try:
        with (path / "metrics.csv").open(newline="", encoding="utf-8") as stream:
            return [
                float(row["train_seconds"]) + float(row.get("validate_seconds") or 0.0)
                for row in csv.DictReader(stream)
            ]
    except (OSError, KeyError, TypeError, ValueError):
        return []


def estimate_seconds(runs: Sequence[PlannedRun], epochs: Mapping[str, int], parallel: int) -> float | None:
    """Time that the unfinished runs will take, from the epochs that all runs have recorded.

    An epoch takes what it took in the same run, else in the same variant, else in all of them.

    Args:
        runs: All runs.
        epochs: Name of a run -> epochs that it is to have.
        parallel: Runs side by side.

    Returns:
        Seconds; None as long as no epoch is recorded.
    """
    recorded = {run.name: read_epochs(run.path) for run in runs}
    everything = [seconds for one in recorded.values() for seconds in one]
    if not everything:
        return None
    total = 0.0
    for run in runs:
        if read_state(run.path) == "finished":
            continue
        alike = [seconds for other in runs if other.variant == run.variant for seconds in recorded[other.name]]
        known = recorded[run.name] or alike or everything
        total += max(0, epochs[run.name] - len(recorded[run.name])) * sum(known) / len(known)
    return total / parallel


def _same_file_of_a_run(there: Any, here: Any, runs_folder: Path) -> bool:
    if isinstance(there, list) and isinstance(here, list):
        return len(there) == len(here) and all(
            _same_file_of_a_run(*pair, runs_folder) for pair in zip(there, here, strict=True)
        )
    if not isinstance(there, str) or not isinstance(here, str) or not here.startswith(f"{runs_folder}/"):
        return False
    return there.endswith(here.removeprefix(str(runs_folder)))
