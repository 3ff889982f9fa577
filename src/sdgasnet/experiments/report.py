"""``results.json`` of an experiment, and the table of it in ``README.md``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgasnet.errors import DataError, OutputError
from sdgasnet.experiments.comparison import Comparison
from sdgasnet.experiments.plan import Folders, Plan
from sdgasnet.experiments.results import FIGURES, ORIGINS, collect_results, is_measured
from sdgasnet.output import write_text

START, END = "<!-- table -->", "<!-- /table -->"
DASH = "–"


def write_report(plan: Plan, folders: Folders) -> int:
    """Collect the finished runs and write both files; the README around the table is left as it is.

    Seeds that the results have from elsewhere are kept.

    Args:
        plan: The plan.
        folders: Where everything lies.

    Returns:
        Number of seeds in the results; without a finished run nothing is written.

    Raises:
        DataError: A ``result.json`` or the results so far can't be read.
        OutputError: A file can't be written, or the README can't be read, or it has one marker of the table
            without the other.
    """
    file = folders.experiment / "results.json"
    results = collect_results(plan, folders, Comparison(folders.data), read_results(file))
    if results is None:
        return 0
    readme = folders.experiment / "README.md"
    text = _read(readme) if readme.is_file() else build_readme(plan, folders)
    if text.count(START) > 1 or text.count(START) != text.count(END) or text.find(START) > text.find(END):
        raise OutputError(f"{readme}: expected one {START} and one {END} after it, for the table. Put them back.")
    write_text(file, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_text(readme, replace_table(text, build_table(results)))
    return sum(len(variant["seeds"]) for variant in results["variants"])


def _read(readme: Path) -> str:
    try:
        return readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{readme} can't be read: {error}. Expected a text file in UTF-8. Save it so.") from None


def read_results(path: Path) -> dict[str, Any] | None:
    """The results so far; None where there are none.

    Raises:
        DataError: The file is not what this module writes.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        complete = all(key in found for key in ("data", *ORIGINS)) and all(
            {"name", "recipe", "seeds"} <= variant.keys()
            and all(map(_is_row, variant["seeds"]))
            and _is_comparison(variant.get("against_baseline"))
            for variant in found["variants"]
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise _not_results(path, error) from None
    if not complete:
        raise _not_results(path, "keys are missing")
    return found


def _is_row(row: Mapping[str, Any]) -> bool:
    return "seed" in row and all(is_measured(row, key) for key in (*FIGURES, "seconds"))


def _is_comparison(found: Mapping[str, Any] | None) -> bool:
    return found is None or all({"difference", "low", "high"} <= found[name].keys() for name in FIGURES)


def _not_results(path: Path, reason: object) -> DataError:
    return DataError(
        f"{path} can't be read as results of an experiment: {reason!r}. It may hold seeds of runs that are not "
        "here, so it is not written over. Mend it, or remove it."
    )


def build_readme(plan: Plan, folders: Folders) -> str:
    """A README with the question, the command and an empty table."""
    name = folders.experiment.resolve().name
    number = re.match(r"\d+", name)
    data = "" if plan.data is not None else " --data FOLDER"
    return (
        f"# {number[0] if number else name}: {plan.question}\n\n"
        f"**Command:** `sdgasnet experiment run experiments/{name}{data}`\n\n"
        f"{START}\n{END}\n\n"
        "Raw: [results.json](results.json).\n"
    )


def replace_table(text: str, table: str) -> str:
    """The text with another table between the markers; without markers it goes to the end.

    Examples:
        >>> replace_table("a\\n<!-- table -->\\nold\\n<!-- /table -->\\nb\\n", "new")
        'a\\n<!-- table -->\\nnew\\n<!-- /table -->\\nb\\n'
    """
    block = f"{START}\n{table}\n{END}"
    if START not in text:
        return f"{text.rstrip()}\n\n{block}\n"
    before, _, rest = text.partition(START)
    return before + block + rest.partition(END)[2]


def build_table(results: Mapping[str, Any]) -> str:
    """The table in Markdown and a line that says what it shows; AP in percent.

    Args:
        results: The document of ``results.json``.
    """
    head = ("variant", "seeds", "AP50", "AP", "AP against the baseline", "seconds")
    rows = [head, ("---",) * len(head), *(_row(variant, results) for variant in results["variants"])]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", _caption(results), *_notes(results)])


def _row(variant: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[str, ...]:
    count, planned = len(variant["seeds"]), len(results["planned_seeds"])
    seeds = str(count) if count == planned else f"{count} of {planned}"
    seconds = [row["seconds"] for row in variant["seeds"]]
    return (
        variant["name"],
        "one seed" if count == 1 and planned == 1 else seeds,
        _spread(variant, "AP50"),
        _spread(variant, "AP"),
        _difference(variant, results),
        f"{sum(seconds) / count:.0f}" if count else DASH,
    )


def _spread(variant: Mapping[str, Any], name: str) -> str:
    mean, std = variant["mean"][name], variant["std"][name]
    if mean is None:
        return DASH
    return f"{100 * mean:.1f}" + (f" ± {100 * std:.1f}" if std is not None else "")


def _difference(variant: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    compared = variant.get("against_baseline")
    if compared is None:
        return "baseline" if variant["name"] == results["baseline"] else DASH
    figure = compared["AP"]
    if figure["difference"] is None:
        return DASH
    interval = f"[{_signed(figure['low'])}, {_signed(figure['high'])}]" if figure["low"] is not None else DASH
    other = f" (to {compared['baseline']})" if compared["baseline"] != results["baseline"] else ""
    return f"{_signed(figure['difference'])} {interval}{other}"


def _signed(value: float) -> str:
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def _caption(results: Mapping[str, Any]) -> str:
    one = any(len(variant["seeds"]) == 1 for variant in results["variants"])
    spread = "Mean ± standard deviation over seeds" + ("; without ± one seed" if one else "")
    interval = results["interval"]
    return (
        f"{spread}; in percent, split '{_plain(results['split'])}' of {_plain(results['data'])}, last epoch's "
        f"averaged weights. In brackets: {100 * interval['coverage']:.0f} % of {interval['resamples']} paired "
        f"resamples of pictures and seeds. Seconds: mean of a training. Commit {_plain(results['commit'])}; "
        f"{_plain(results['hardware'])}."
    )


def _notes(results: Mapping[str, Any]) -> list[str]:
    """What a reader must know beside the figures."""
    notes: dict[str, list[str]] = {}
    for variant in results["variants"]:
        for row in variant["seeds"]:
            other = row.get("other_than_planned")
            if other:
                text = "Other than planned: " + ", ".join(f"{key}={value}" for key, value in other.items())
                notes.setdefault(text, []).append(f"{variant['name']}-{row['seed']}")
        reason = variant.get("against_baseline", {}).get("no_interval")
        if reason is not None:
            notes.setdefault("No interval (the data or the detections were not there)", []).append(variant["name"])
    return [line for text, names in notes.items() for line in ("", f"{text}: {', '.join(names)}.")]


def _plain(value: Any) -> str:
    """A value of all runs, or the different ones."""
    if isinstance(value, list):
        return " and ".join(_plain(one) for one in value)
    if isinstance(value, Mapping):
        known = [str(value[key]) for key in ("gpu", "processor") if value.get(key)]
        return ", ".join([*known, *([f"{value['cores']} cores"] if value.get("cores") else [])])
    return "unknown" if value is None else str(value)
