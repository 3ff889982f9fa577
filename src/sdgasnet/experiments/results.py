"""Collect the finished runs of an experiment into ``results.json``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
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


def collect_results(plan: Plan, folders: Folders, comparison: Comparison) -> dict[str, Any] | None:
    """Everything that the finished runs came to.

    Args:
        plan: The plan.
        folders: Where everything lies.
        comparison: Compares runs picture by picture.

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
    by_variant = {variant.name: [run for run in runs if run.variant == variant.name] for variant in plan.variants}
    everything = list(results.values())
    return {
        "question": plan.question,
        "data": _same([Path(result["data"]).name for result in everything]),
        "split": _same([result["split"] for result in everything]),
        "metric_of": _same([result["metric_of"] for result in everything]),
        "hardware": _same([result["hardware"] for result in everything]),
        "commit": _same([result.get("commit") for result in everything]),
        "versions": _same([result["versions"] for result in everything]),
        "recipe": plan.recipe,
        "overrides": plan.overrides,
        "planned_seeds": plan.seeds,
        "baseline": plan.baseline,
        "interval": {"coverage": COVERAGE, "resamples": RESAMPLES, "paired_by": ["seed", "picture"]},
        "variants": [
            {
                "name": variant.name,
                "recipe": variant.overrides,
                **_summarise(by_variant[variant.name], results, folders),
                **_compare(plan.baseline_of(variant), by_variant, variant.name, results, comparison),
            }
            for variant in plan.variants
        ],
    }


def read_result(path: Path) -> dict[str, Any]:
    """``result.json`` of a run.

    Raises:
        DataError: It can't be read.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"data", "split", "metric_of", "hardware", "versions", *FIGURES, "seconds"} - result.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path} can't be read: {error}. Remove it; the run then measures again.") from None
    if missing:
        raise DataError(
            f"{path} is no result of a training: it lacks {', '.join(sorted(missing))}. "
            "Remove it; the run then measures again."
        )
    return result


def _summarise(
    runs: Sequence[PlannedRun], results: Mapping[str, Mapping[str, Any]], folders: Folders
) -> dict[str, Any]:
    """Rows of the seeds, their mean and their sample standard deviation."""
    rows = []
    for run in runs:
        result = results[run.name]
        row: dict[str, Any] = {"seed": run.seed, **{key: result[key] for key in RUN_FIGURES if key in result}}
        other = find_differences(run, run.recipe(), folders.runs)
        if other:
            row["other_than_planned"] = {key: there for key, (there, _) in other.items()}
        rows.append(row)
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in FIGURES}
    return {
        "seeds": rows,
        "mean": {name: statistics.fmean(values) if values else None for name, values in columns.items()},
        "std": {name: statistics.stdev(values) if len(values) > 1 else None for name, values in columns.items()},
    }


def _compare(
    baseline: str,
    by_variant: Mapping[str, Sequence[PlannedRun]],
    variant: str,
    results: Mapping[str, Mapping[str, Any]],
    comparison: Comparison,
) -> dict[str, Any]:
    """``against_baseline``: mean difference over the seeds that both have, with its interval."""
    if variant == baseline:
        return {}
    others = {run.seed: run for run in by_variant[baseline]}
    pairs = [(run, others[run.seed]) for run in by_variant[variant] if run.seed in others]
    if not pairs:
        return {}
    try:
        intervals = comparison.intervals([(one.path, other.path) for one, other in pairs])
        reason = None
    except SDGASNetError as error:
        intervals, reason = {}, str(error)
    compared: dict[str, Any] = {"baseline": baseline, "seeds": [run.seed for run, _ in pairs]}
    for name in FIGURES:
        values = [(results[one.name][name], results[other.name][name]) for one, other in pairs]
        known = all(value is not None for pair in values for value in pair)
        interval = intervals.get(name)
        compared[name] = {
            "difference": statistics.fmean(one - other for one, other in values) if known else None,
            "low": interval.low if interval is not None else None,
            "high": interval.high if interval is not None else None,
        }
    if reason is not None:
        compared["no_interval"] = reason
    return {"against_baseline": compared}


def _same(values: Sequence[Any]) -> Any:
    """The one value of all runs, or the list of the different ones."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    return different[0] if len(different) == 1 else different
