"""``sdgasnet report``: the page that quality assurance signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.data import DEFAULT_FORMAT, FormatOption
from sdgasnet.cli.judged_pictures import GoodOption, join_pictures, list_good, refuse_training_pictures
from sdgasnet.cli.model_facts import describe_drift, describe_model
from sdgasnet.cli.opening import (
    PrecisionOption,
    PublicKeyOption,
    RuntimeOption,
    ThreadsOption,
    align_classes,
    describe_way,
    open_detector,
)
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import CalibrationConfig
from sdgasnet.data.fingerprint import image_hashes
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.rules_file import read_rules
from sdgasnet.errors import ConfigError
from sdgasnet.evaluation.calibration_file import CalibrationFile, read_calibration
from sdgasnet.evaluation.decision_page import build_decision_page
from sdgasnet.evaluation.decision_report import make_decision_report
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.figures import require_plotting
from sdgasnet.evaluation.guarantee import require_statistics
from sdgasnet.evaluation.measure import detect_records
from sdgasnet.imaging.template import shown_channels
from sdgasnet.output import write_text
from sdgasnet.runtime.bundle import digest
from sdgasnet.runtime.deployment import ANY_THREADS
from sdgasnet.runtime.session import ModelSpec
from sdgasnet.runtime.training_pictures import list_digests

DEFAULTS = CalibrationConfig()
SHOWN_ERRORS = 12
"""Misses, and as many false alarms, whose pictures are shown."""


def report(
    model: Annotated[Path, typer.Argument(help="Bundle, model file (.pt), run folder or packaged name.")],
    data: Annotated[Path, typer.Argument(help="Labelled data set that the model was not trained on.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, one self-contained HTML file.")],
    good: GoodOption = None,
    split: Annotated[str, typer.Option("--split", help="Which split of the data set.")] = DEFAULTS.split,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="The calibration.json that the thresholds come from."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="YAML; else the bundle's own, or the calibration's.")
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Of every bound, 0.5 to below 1.")
    ] = DEFAULTS.confidence,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all numbers as JSON, too.")] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Write the page that quality assurance signs: the decision, what may be promised of it, and its errors.

    Pictures of the model's training are refused; those that thresholds were chosen on bound nothing.
    """
    if not 0.5 <= confidence < 1:
        raise ConfigError(f"--confidence {confidence:g}; expected a number from 0.5 to below 1, such as 0.95.")
    require_statistics()
    require_plotting()
    chosen = None if calibration is None else read_calibration(calibration)
    detector = open_detector(model, "throughput", runtime, precision, threads, public_key)
    spec = detector.spec
    decided = _find_rules(spec, rules, calibration, chosen)
    index = align_classes(load_dataset(data, format), spec.class_names, spec.name)
    labelled, added = require_split(index, split), list_good(good)
    records = join_pictures(labelled, added, out)
    hashes = image_hashes(records)
    checked = refuse_training_pictures(model, records, hashes)
    for record in records:
        decided.part_of(record.name)
    with counting_bar("detecting") as advance:
        detections = detect_records(detector, records, advance)
    settings = DEFAULTS.model_copy(update={"confidence": confidence})
    made = make_decision_report(
        spec, decided, records, hashes, detections, len(labelled), chosen, settings, SHOWN_ERRORS
    )
    hardware = describe_hardware()
    facts = {
        **describe_model(model),
        "Computed in": describe_way(model, "throughput", runtime, precision, threads),
        "Data": f"{data}, split '{split}': {len(labelled)} pictures"
        + (f"; good parts from {good}: {len(added)} pictures" if added else ""),
        "Pictures, SHA-256": digest(list_digests(hashes)),
        "Of the training": "none of these pictures"
        if checked
        else "not known: the model does not know its pictures",
        "Calibration": "none given" if calibration is None else f"SHA-256 {digest(calibration.read_bytes())}",
        "Machine": f"{hardware['processor']}, {hardware['cores']} cores",
        "Versions": ", ".join(f"{name} {number}" for name, number in describe_versions().items()),
    }
    bad, every = int(made.parts.bad.sum()), len(made.parts)
    lead = f"{Path(spec.name).name} on {every} parts of {data.name}: {bad} bad, {every - bad} good"
    shown = shown_channels(spec.channels, spec.paired)
    page = build_decision_page(made, records, shown, lead, describe_drift(model), facts)
    write_text(out, page)
    if as_json is not None:
        write_text(as_json, json.dumps({"facts": facts, **made.to_json()}, ensure_ascii=False) + "\n")
    for sentence in made.guarantee["words"]:
        say(sentence)
    say(f"report: {out}")


def _find_rules(
    spec: ModelSpec, rules: Path | None, calibration: Path | None, chosen: CalibrationFile | None
) -> DecisionRules:
    if rules is not None:
        return read_rules(rules, spec.class_names)
    if spec.rules is not None:
        return spec.rules
    if chosen is not None:
        return chosen.decision_rules(f"in {calibration}", spec.class_names)
    say("no rules: whatever the model shows makes a part NG; sdgasnet calibrate chooses thresholds")
    return DecisionRules()
