"""``sdgasnet calibrate``: choose the thresholds of OK and NG, and say what they promise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdgasnet.cli.data import DEFAULT_FORMAT, FormatOption
from sdgasnet.cli.judged_pictures import GoodOption, join_pictures, list_good, refuse_training_pictures
from sdgasnet.cli.opening import (
    PrecisionOption,
    PublicKeyOption,
    RuntimeOption,
    ThreadsOption,
    align_classes,
    describe_way,
    model_digest,
    open_detector,
)
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import CalibrationConfig
from sdgasnet.data.fingerprint import image_hashes
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.split import group_names
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.rules_file import dump_rules, read_rules
from sdgasnet.errors import ConfigError
from sdgasnet.evaluation.calibration import Calibration, calibrate_by_cost, calibrate_by_rate
from sdgasnet.evaluation.decision_curves import compute_decision_curves, compute_reliability
from sdgasnet.evaluation.decision_errors import list_errors
from sdgasnet.evaluation.decision_plots import plot_decision
from sdgasnet.evaluation.environment import describe_versions
from sdgasnet.evaluation.figures import require_plotting, save_figure
from sdgasnet.evaluation.guarantee import RateBound, describe_upper, require_statistics
from sdgasnet.evaluation.labelled_parts import LabelledParts, label_parts
from sdgasnet.evaluation.measure import detect_records
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.evaluation.thresholds import Costs
from sdgasnet.output import write_text
from sdgasnet.runtime.bundle import digest
from sdgasnet.runtime.deployment import ANY_THREADS
from sdgasnet.runtime.training_pictures import list_digests

DEFAULTS = CalibrationConfig()
JSON_NAME = "calibration.json"
LISTED_ERRORS = 20
"""Misses, and as many false alarms, that the numbers list."""


def calibrate(
    model: Annotated[Path, typer.Argument(help="Bundle, model file (.pt), run folder or packaged name.")],
    data: Annotated[Path, typer.Argument(help="Labelled data set that the model was not trained on.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Rules (YAML); calibration.json is written beside it.")],
    good: GoodOption = None,
    escape_cost: Annotated[
        float | None, typer.Option("--escape-cost", min=0.0, help="Of a bad part that is passed.")
    ] = None,
    overkill_cost: Annotated[
        float | None, typer.Option("--overkill-cost", min=0.0, help="Of a good part that is rejected.")
    ] = None,
    bad_share: Annotated[
        float | None,
        typer.Option(
            "--bad-share", help="Of the parts at the line, between 0 and 1; left out: as in the labelled ones."
        ),
    ] = None,
    max_escape_rate: Annotated[
        float | None, typer.Option("--max-escape-rate", help="Instead of costs: the rate to keep, such as 0.01.")
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Of every bound, 0.5 to below 1.")
    ] = DEFAULTS.confidence,
    split: Annotated[str, typer.Option("--split", help="Which split of the data set.")] = DEFAULTS.split,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Regular expression on the file name: parts with an equal first capture group (or match), such "
            "as a coil or lot, come into one half. Only with costs.",
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="YAML with sizes, regions, counts, parts; else the bundle's own."),
    ] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Write a picture of the curves, PNG.")] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Choose the thresholds of OK and NG, by cost or for an escape rate, and bound what they let through.

    By cost: thresholds are chosen on one half of the parts, and bounds are from the other. For a rate: one
    threshold for all classes, chosen and guaranteed on all parts. Pictures of the model's training are refused.
    """
    costs = _require_aim(escape_cost, overkill_cost, bad_share, max_escape_rate, group)
    if not 0.5 <= confidence < 1:
        raise ConfigError(f"--confidence {confidence:g}; expected a number from 0.5 to below 1, such as 0.95.")
    require_statistics()
    if plots is not None:
        require_plotting()
    settings = DEFAULTS.model_copy(update={"confidence": confidence})
    detector = open_detector(model, "throughput", runtime, precision, threads, public_key)
    spec = detector.spec
    base = spec.rules or DecisionRules() if rules is None else read_rules(rules, spec.class_names)
    index = align_classes(load_dataset(data, format), spec.class_names, spec.name)
    added = list_good(good)
    records = join_pictures(require_split(index, split), added, out)
    hashes = image_hashes(records)
    checked = refuse_training_pictures(model, records, hashes)
    for record in records:
        base.part_of(record.name)
    with counting_bar("detecting") as advance:
        detections = detect_records(detector, records, advance)
    parts = label_parts(records, detections, spec.class_names, base, spec.detection.score_floor)
    if costs is not None:
        made = calibrate_by_cost(parts, base, costs, settings, _groups_of_parts(records, base, group))
    else:
        assert max_escape_rate is not None
        made = calibrate_by_rate(parts, base, max_escape_rate, settings)
    head = {
        "model": str(model),
        "model_digest": model_digest(model),
        "data": str(data),
        "split": split,
        "good": None if good is None else str(good),
        "good_pictures_digest": digest(list_digests(hashes[-len(added) :])) if added else None,
        "group": group,
        "data_content_hash": index.content_hash,
        "pictures": len(records),
        "checked_against_training": checked,
        "confidence": confidence,
        "seed": settings.seed,
        "computed_in": describe_way(model, "throughput", runtime, precision, threads),
        "commit": describe_commit(),
        "versions": describe_versions(),
    }
    chosen_on = {name for name, chosen in zip(parts.names, made.chosen_on.tolist(), strict=True) if chosen}
    thresholds = list(made.thresholds.values())
    judged = parts.where(made.bounded_on)
    curves = compute_decision_curves(judged, np.array(thresholds), made.costs)
    reliability = compute_reliability(detections, [record.objects for record in records])
    errors = list_errors(records, detections, judged, base, thresholds, LISTED_ERRORS)
    if plots is not None:
        save_figure(plot_decision(curves, reliability), plots)
    write_text(out, _comment(head, made) + dump_rules(made.rules))
    document = {
        **head,
        **made.to_json(parts),
        "pictures_chosen_on": sorted(
            seen for record, seen in zip(records, hashes, strict=True) if base.part_of(record.name) in chosen_on
        ),
        "errors": [error.to_json() for error in errors],
        "reliability": reliability.to_json(),
        "curves": curves.to_json(),
    }
    write_text(out.with_name(JSON_NAME), json.dumps(document, ensure_ascii=False) + "\n")
    _print(made, parts)
    say(f"rules: {out}; all numbers: {out.with_name(JSON_NAME)}")


def _require_aim(
    escape: float | None, overkill: float | None, bad_share: float | None, rate: float | None, group: str | None
) -> Costs | None:
    """Either costs or a rate; None for a rate."""
    if rate is not None:
        if any(value is not None for value in (escape, overkill, bad_share, group)):
            raise ConfigError(
                "--max-escape-rate goes without --escape-cost, --overkill-cost, --bad-share and --group: "
                "thresholds are chosen by costs or for a rate."
            )
        _require_share("--max-escape-rate", rate)
        return None
    if escape is None or overkill is None:
        raise ConfigError(
            "What are thresholds to be chosen by? Give --escape-cost and --overkill-cost (only their ratio "
            "matters: 100 and 1), or --max-escape-rate 0.01."
        )
    if not escape + overkill > 0 or max(escape, overkill) == float("inf"):
        raise ConfigError("--escape-cost and --overkill-cost: expected finite numbers, one of them over 0.")
    if bad_share is not None:
        _require_share("--bad-share", bad_share)
    return Costs(escape, overkill, bad_share)


def _require_share(option: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{option} {value:g}; expected a number between 0 and 1, such as 0.01.")


def _groups_of_parts(records: Sequence[ImageRecord], rules: DecisionRules, group: str | None) -> list[str] | None:
    if group is None:
        return None
    first: dict[str, str] = {}
    for record, name in zip(records, group_names(records, group), strict=True):
        first.setdefault(rules.part_of(record.name), name)
    return list(first.values())


def _comment(head: dict[str, Any], made: Calibration) -> str:
    aim = (
        f"escape cost {made.costs.escape:g}, overkill cost {made.costs.overkill:g}, {made.costs.bad_share:.2%} bad"
        if made.costs is not None
        else f"escape rate {made.max_escape_rate:g}"
    )
    lines = (
        f"Thresholds chosen by sdgasnet calibrate for {head['model']} on {head['data']}, split {head['split']}.",
        f"Aim: {aim}. Method: {made.guarantee.method}.",
        *made.guarantee.words,
    )
    return "".join(f"# {line}\n" for line in lines)


def _print(made: Calibration, parts: LabelledParts) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table()
    for heading in ("class", "threshold", "bad parts", "missed", "escape rate, at most"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    guarantee = made.guarantee
    for name, threshold in made.thresholds.items():
        shared = " (shared)" if name in made.shared else ""
        table.add_row(Text(name), f"{threshold:g}{shared}", *_cells(guarantee.escape_per_class[name]))
    table.add_section()
    for name, bound in guarantee.escape_per_size.items():
        table.add_row(f"{name} defects", "", *_cells(bound))
    table.add_section()
    table.add_row("all", "", *_cells(guarantee.escape))
    console.print(table)
    for line in (*guarantee.words, *made.notes):
        console.print(line, markup=False)
    if made.policies:
        _print_policies(console, made)


def _cells(bound: RateBound) -> tuple[str, str, str]:
    return str(bound.trials), str(bound.events), describe_upper(bound.upper) if bound.trials else "–"


def _print_policies(console: Console, made: Calibration) -> None:
    table = Table(title="on the held-out half", title_justify="left")
    for heading in ("policy", "escapes", "overkills", "cost a part", "more than chosen (95 %)"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for one in made.policies:
        saved = "" if one.saved is None else f"{one.saved.low:.3g} to {one.saved.high:.3g}"
        table.add_row(one.policy, str(one.escapes), str(one.overkills), f"{one.cost:.4g}", saved)
    console.print(table)
