"""Collect the finished runs of an experiment into ``results.json``."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from sdgasnet.errors import DataError, SDGASNetError
from sdgasnet.evaluation.bootstrap import COVERAGE, RESAMPLES
from sdgasnet.experiments.comparison import Comparison
from sdgasnet.experiments.plan import Folders, Plan, PlannedRun, plan_runs
from sdgasnet.experiments.progress import find_differences, read_state

FIGURES = ("AP", "AP50")
RUN_FIGURES = ("AP", "AP50", "AP75", "seconds", "epochs", "per_class")
"""What is taken from ``result.json`` of a run."""
ORIGINS = ("split", "metric_of", "hardware", "commit", "versions")
"""What is said once where it is the same for all runs."""


def collect_results(
    plan: Plan, folders: Folders, comparison: Comparison, earlier: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Everything that the finished runs came to, and what is known of runs that are elsewhere.

    Args:
        plan: The plan.
        folders: Where everything lies.
        comparison: Compares runs picture by picture.
        earlier: The document so far; seeds of it that have no run here are kept if recipe, overrides and the name
            of the data set are still the same.

    Returns:
        The document of ``results.json``, see docs/guides/experiments.md; None without a finished run.

    Raises:
        ConfigError: The recipe or an override is not valid.
        DataError: A ``result.json`` can't be read.
    """
    runs = [run for run in plan_runs(plan, folders) if read_state(run.path) == "finished"]
    results = {run.name: read_result(run.path / "result.json") for run in runs}
    if not results:
        return None
    here: dict[str, list[Any]] = {
        "data": [Path(result["data"]).name for result in results.values()],
        **{key: [result.get(key) for result in results.values()] for key in ORIGINS},
    }
    unnamed = {Path(results[run.name]["data"]).name for run in runs if not _names_data(plan, run.variant)}
    kept = find_kept(plan, earlier, unnamed)
    rows = {
        variant.name: _rows([run for run in runs if run.variant == variant.name], results, folders)
        for variant in plan.variants
    }
    before = sum(map(len, rows.values()))
    for name, known in kept.items():
        seeds = {row["seed"] for row in rows[name]}
        rows[name] += [row for row in known.get("seeds", ()) if row["seed"] not in seeds]
        rows[name].sort(key=lambda row: plan.seeds.index(row["seed"]))
    if earlier is not None and sum(map(len, rows.values())) > before:
        here = {key: [*_as_list(earlier[key]), *values] for key, values in here.items()}
    paths = {(run.variant, run.seed): run.path for run in runs}
    return {
        "question": plan.question,
        **{key: _same(values) for key, values in here.items()},
        "recipe": plan.recipe,
        "overrides": plan.overrides,
        "planned_seeds": plan.seeds,
        "baseline": plan.baseline,
        "interval": {"coverage": COVERAGE, "resamples": RESAMPLES, "paired_by": ["seed", "picture"]},
        "variants": [
            {
                "name": variant.name,
                "recipe": variant.overrides,
                **_summarise(rows[variant.name]),
                **_compare(plan.baseline_of(variant), variant.name, rows, paths, comparison, kept[variant.name]),
            }
            for variant in plan.variants
        ],
    }


def find_kept(plan: Plan, earlier: Mapping[str, Any] | None, data: Set[str]) -> dict[str, Mapping[str, Any]]:
    """What an earlier document knows of each variant; nothing where it was of another recipe or data set.

    Args:
        plan: The plan.
        earlier: The document so far.
        data: Names of the data sets of those runs here whose set the plan does not name.
    """
    asked = {"recipe": plan.recipe, "overrides": plan.overrides}
    same = earlier is not None and all(earlier.get(key) == value for key, value in asked.items())
    known = {variant["name"]: variant for variant in earlier["variants"]} if earlier is not None and same else {}
    same_data = earlier is not None and data <= set(_as_list(earlier.get("data")))
    kept: dict[str, Mapping[str, Any]] = {}
    for variant in plan.variants:
        found = known.get(variant.name, {})
        kept[variant.name] = {}
        if found.get("recipe") == variant.overrides and (same_data or _names_data(plan, variant.name)):
            rows = [row for row in found["seeds"] if row["seed"] in plan.seeds]
            kept[variant.name] = {**found, "seeds": rows} if rows else {}
    return kept


def _names_data(plan: Plan, name: str) -> bool:
    """Whether the plan itself says which data set a variant is trained on."""
    own = next(variant.overrides for variant in plan.variants if variant.name == name)
    return any(text.startswith("data.path=") for text in own)


def read_result(path: Path) -> dict[str, Any]:
    """``result.json`` of a run.

    Raises:
        DataError: It can't be read.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        wrong = {"data", "split", "metric_of", "hardware", "versions"} - result.keys()
        wrong |= {"data"} if not isinstance(result.get("data"), str) else set()
        wrong |= {key for key in (*FIGURES, "seconds") if not is_measured(result, key)}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path} can't be read: {error}. Remove it; the run then measures again.") from None
    if wrong:
        raise DataError(
            f"{path} is no result of a training: it lacks a valid {', '.join(sorted(wrong))}. "
            "Remove it; the run then measures again."
        )
    return result


def is_measured(row: Mapping[str, Any], key: str) -> bool:
    """Whether a figure is there as a number, or as None where there was nothing to measure it on."""
    value = row.get(key, "")
    return isinstance(value, int | float) or (value is None and key in FIGURES)


def _rows(
    runs: Sequence[PlannedRun], results: Mapping[str, Mapping[str, Any]], folders: Folders
) -> list[dict[str, Any]]:
    """What is kept of each run."""
    rows = []
    for run in runs:
        result = results[run.name]
        row: dict[str, Any] = {"seed": run.seed, **{key: result[key] for key in RUN_FIGURES if key in result}}
        other = find_differences(run, run.recipe(), folders.runs)
        if other:
            row["other_than_planned"] = {key: there for key, (there, _) in other.items()}
        rows.append(row)
    return rows


def _summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of the seeds, their mean and their sample standard deviation."""
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in FIGURES}
    return {
        "seeds": rows,
        "mean": {name: statistics.fmean(values) if values else None for name, values in columns.items()},
        "std": {name: statistics.stdev(values) if len(values) > 1 else None for name, values in columns.items()},
    }


def _compare(
    baseline: str,
    variant: str,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    paths: Mapping[tuple[str, int], Path],
    comparison: Comparison,
    kept: Mapping[str, Any],
) -> dict[str, Any]:
    """``against_baseline``: mean difference over the seeds that both have, with its interval.

    The interval needs the detections of all these runs; it is kept from before where it was of the same seeds, and
    of runs that came to the same.
    """
    if variant == baseline:
        return {}
    others = {row["seed"]: row for row in rows[baseline]}
    pairs = [(row, others[row["seed"]]) for row in rows[variant] if row["seed"] in others]
    seeds = [row["seed"] for row, _ in pairs]
    if not pairs:
        return {}
    differences = {name: _difference([(one[name], other[name]) for one, other in pairs]) for name in FIGURES}
    known = kept.get("against_baseline", {})
    elsewhere = [seed for seed in seeds if (variant, seed) not in paths or (baseline, seed) not in paths]
    is_known = (known.get("baseline"), known.get("seeds")) == (baseline, seeds) and all(
        _is_same(known[name]["difference"], differences[name]) for name in FIGURES
    )
    if elsewhere and is_known:
        return {"against_baseline": known}
    intervals, reason = {}, f"runs of seed {', '.join(map(str, elsewhere))} are not here" if elsewhere else None
    if not elsewhere:
        try:
            intervals = comparison.intervals([(paths[variant, seed], paths[baseline, seed]) for seed in seeds])
        except SDGASNetError as error:
            reason = str(error)
    compared: dict[str, Any] = {"baseline": baseline, "seeds": seeds}
    for name in FIGURES:
        interval = intervals.get(name)
        compared[name] = {
            "difference": differences[name],
            "low": interval.low if interval is not None else None,
            "high": interval.high if interval is not None else None,
        }
    if reason is not None:
        compared["no_interval"] = reason
    return {"against_baseline": compared}


def _difference(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    """Mean of the differences; None where a figure was not measured."""
    measured = [one - other for one, other in pairs if one is not None and other is not None]
    return statistics.fmean(measured) if len(measured) == len(pairs) else None


def _is_same(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else math.isclose(one, other, abs_tol=1e-9)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _same(values: Sequence[Any]) -> Any:
    """The one value of all runs, or the list of the different ones."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    return different[0] if len(different) == 1 else different
