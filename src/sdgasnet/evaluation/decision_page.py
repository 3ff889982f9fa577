"""The page that quality assurance signs: the decision, its guarantee, its errors, and what all this is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import sqrt
from typing import Any

import numpy as np

from sdgasnet.data.records import ImageRecord
from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.evaluation.bootstrap import Figure
from sdgasnet.evaluation.decision_errors import DecisionError
from sdgasnet.evaluation.decision_plots import (
    draw_cost,
    draw_escape_by_class,
    draw_escape_by_size,
    draw_rates,
    draw_reliability,
    draw_trade,
)
from sdgasnet.evaluation.decision_report import DecisionReport
from sdgasnet.evaluation.figures import paper_colour
from sdgasnet.evaluation.guarantee import describe_upper
from sdgasnet.evaluation.page import (
    close_up,
    drawing,
    fact_table,
    fill_page,
    number_table,
    panel,
    percent,
)
from sdgasnet.imaging.draw import draw_boxes
from sdgasnet.imaging.image import Channels, read_image

SIGNATURES = ("Prepared by", "Released by")


def build_decision_page(
    report: DecisionReport,
    records: Sequence[ImageRecord],
    channels: Channels,
    lead: str,
    drift: Mapping[str, str],
    facts: Mapping[str, str],
) -> str:
    """The page as text.

    Args:
        report: What decisions do.
        records: Pictures that it is of.
        channels: As pictures are read for people.
        lead: The line below the title.
        drift: What the drift watch knows, by name; empty if there is none.
        facts: What was used: model, data, digests, versions.

    Returns:
        HTML without any outside reference.

    Raises:
        ImageError: A picture of an error can't be read.
        MissingExtraError: matplotlib is not installed.
    """
    curves = report.curves
    return fill_page(
        "decision_page.html",
        lead=escape(lead),
        tiles=_tiles(report),
        promise=_promise(report),
        bounds=_bound_table(report.guarantee),
        source=escape(f"{report.guarantee['source']}."),
        sizes=_describe_sizes(report.curves.size_limits),
        decision=_describe_decision(report),
        rules=_rule_table(report),
        costs=_cost_table(report),
        rates=panel(draw_rates, curves, "escape and overkill by threshold")
        + panel(draw_trade, curves, "escape against overkill"),
        curves=panel(draw_escape_by_class, curves, "escape by class")
        + panel(draw_escape_by_size, curves, "escape by size of the defect")
        + panel(draw_cost, curves, "expected cost by threshold")
        + panel(draw_reliability, report.reliability, "reliability of scores"),
        errors=_error_sheets(report, records, channels),
        accuracy=_describe_accuracy(report),
        classes=_class_table(report),
        drift=fact_table(drift)
        if drift
        else "<p>The model has no baseline: sdgasnet bundle baseline gives it one.</p>",
        facts=fact_table(facts),
        signatures="".join(
            f'<div class="signature"><b>{role}</b><p>Name</p><p>Date</p><p>Signature</p></div>'
            for role in SIGNATURES
        ),
    )


def _tiles(report: DecisionReport) -> str:
    escaped, overkill = report.guarantee["escape"], report.guarantee["overkill"]
    sure = f"{100 * escaped['confidence']:.3g} % confidence"
    ap50 = report.accuracy.AP50
    tiles = (
        (_at_most(escaped), f"escape rate at most, {sure}: {_seen(escaped, 'bad', 'missed')}"),
        (_at_most(overkill), f"overkill rate at most, {sure}: {_seen(overkill, 'good', 'rejected')}"),
        (
            percent(None if ap50 is None else ap50.value, " %"),
            "AP50 of the detector: average precision at IoU 0.5",
        ),
    )
    return "".join(f'<div class="tile"><b>{value}</b><span>{escape(text)}</span></div>' for value, text in tiles)


def _at_most(bound: Mapping[str, Any] | None) -> str:
    if bound is None or not bound["trials"]:
        return "–"
    return describe_upper(bound["upper"]).replace(" ", "\N{NO-BREAK SPACE}")


def _seen(bound: Mapping[str, Any] | None, kind: str, what: str) -> str:
    if bound is None or not bound["trials"]:
        return f"no {kind} parts"
    return f"{bound['events']} of {bound['trials']} {kind} parts {what}"


def _promise(report: DecisionReport) -> str:
    words = "".join(f'<p class="promise">{escape(sentence)}</p>' for sentence in report.guarantee["words"])
    if report.calibration is None:
        words += (
            '<p class="caution">Where the thresholds come from is not known here. The bounds hold only if they '
            "were not chosen on these very pictures.</p>"
        )
    elif report.chosen_on and report.guarantee["method"] == "held-out parts":
        words += (
            f'<p class="note">{report.chosen_on} of the {len(report.parts)} parts are those that thresholds were '
            "chosen on; bounds, curves and errors are of the others.</p>"
        )
    return words


def _bound_table(guarantee: Mapping[str, Any]) -> str:
    bounds = [(escape(name), bound) for name, bound in guarantee["escape_per_class"].items()]
    bounds += [(f"{name} defects", bound) for name, bound in guarantee["escape_per_size"].items()]
    bounds.append(("all bad parts", guarantee["escape"]))
    rows = [
        (name, (str(bound["trials"]), str(bound["events"]), percent(bound["rate"]), _at_most(bound)))
        for name, bound in bounds
    ]
    return number_table(("bad parts that show", "parts", "missed", "seen %", "at most"), rows, sums=True)


def _describe_sizes(limits: tuple[float, float]) -> str:
    low, high = (sqrt(limit) for limit in limits)
    return f"small up to {low:.0f}, medium up to {high:.0f}, large above, in pixels"


def _describe_decision(report: DecisionReport) -> str:
    rules, made = report.rules, report.calibration
    sentences = ["A part is NG if one of its pictures is; a picture is NG if detections of a class pass its rule."]
    if made is None:
        sentences.append("Thresholds are as given.")
    elif made.costs is not None:
        sentences.append(
            f"Thresholds were chosen for the least cost, an escape at {made.costs.escape:g} and an overkill at "
            f"{made.costs.overkill:g}, with {100 * (made.bad_share or 0):.3g} % bad parts at the line."
        )
    else:
        sentences.append(
            f"One threshold was chosen to keep an escape rate of {100 * (made.max_escape_rate or 0):.3g} %."
        )
    if rules.part_pattern is not None:
        sentences.append(f"Pictures are put together to parts by the pattern {rules.part_pattern}.")
    for regions, name in ((rules.regions_of_interest, "of interest"), (rules.ignored_regions, "that are ignored")):
        if regions:
            corners = "; ".join(" ".join(f"({x:g}, {y:g})" for x, y in polygon) for polygon in regions)
            sentences.append(f"Regions {name}, corners in pixels: {corners}.")
    return f"<p>{escape(' '.join(sentences))}</p>"


def _rule_table(report: DecisionReport) -> str:
    shared = () if report.calibration is None else report.calibration.shared_threshold
    rows = []
    for name, threshold in report.thresholds.items():
        told = f"{threshold:g}" + (" (shared)" if name in shared else "")
        rows.append((escape(name), (told, *_describe_limits(report.rules.rule_of(name), report.rules))))
    heads = ("class", "score at least", "longer side at least", "area at least", "allowed in a picture")
    return number_table(heads, rows)


def _describe_limits(rule: ClassRule, rules: DecisionRules) -> tuple[str, str, str]:
    unit = "px" if rules.millimetres_per_pixel is None else "mm"
    length = f"{rule.min_length:g} {unit}" if rule.min_length else "–"
    area = f"{rule.min_area:g} {unit}²" if rule.min_area else "–"
    return length, area, str(rule.max_count)


def _cost_table(report: DecisionReport) -> str:
    if report.calibration is None or not report.calibration.policies:
        return ""
    rows = []
    for policy in report.calibration.policies:
        saved = policy["saved"]
        more = "" if saved is None else f"{saved['low']:+.3g} to {saved['high']:+.3g}"
        cells = (str(policy["escapes"]), str(policy["overkills"]), f"{policy['cost']:.4g}", more)
        rows.append((escape(policy["policy"]), cells))
    notes = "".join(
        f'<p class="caution">{escape(note)}</p>' for note in report.calibration.notes if "no less than" in note
    )
    return (
        "<p>What other ways to decide would cost on the half of the parts that thresholds were not chosen on:</p>"
        + number_table(("policy", "escapes", "overkills", "cost of a part", "more than chosen, 95 %"), rows)
        + notes
    )


def _error_sheets(report: DecisionReport, records: Sequence[ImageRecord], channels: Channels) -> str:
    by_name = {record.name: record for record in records}
    sheets = []
    for kind, title in (("miss", "Bad parts that are passed"), ("false alarm", "Good parts that are rejected")):
        shown = [error for error in report.errors if error.kind == kind]
        bound = report.guarantee["escape" if kind == "miss" else "overkill"]
        total = 0 if bound is None else int(bound["events"])
        if not shown:
            sheets.append(f"<p><b>{title}:</b> none among these parts.</p>")
            continue
        cards = "".join(_card(error, by_name[error.picture], report, channels) for error in shown)
        count = str(total) if total <= len(shown) else f"{total}, the worst {len(shown)} are shown"
        sheets.append(f'<p class="sheet"><b>{title}:</b> {count}.</p><div class="cards">{cards}</div>')
    return "".join(sheets)


def _card(error: DecisionError, record: ImageRecord, report: DecisionReport, channels: Channels) -> str:
    pixels = read_image(record.path, channels)
    names = list(report.thresholds)
    box = np.array([error.box_xyxy], np.float64)
    label = names.index(error.class_name)
    score = f"{error.score:.2f}" if error.score >= 0 else "nothing"
    if error.kind == "miss":
        text = f"labelled {error.class_name}; found with {score}, {error.threshold:g} needed"
    else:
        text = f"{error.class_name} {score} ≥ {error.threshold:g}, where nothing is labelled"
    views = {"the picture": (pixels, box[0])}
    if near := close_up(pixels, box[0]):
        views["close-up"] = near
    figures = [
        drawing(draw_boxes(shown, place[None], [label], [error.class_name]), error.picture, what)
        for what, (shown, place) in views.items()
    ]
    head = f"<p><b>{escape(error.part)}</b><br>{escape(text)}</p>"
    return f'<div class="card">{head}<div class="pair close">{"".join(figures)}</div></div>'


def _describe_accuracy(report: DecisionReport) -> str:
    accuracy = report.accuracy
    return escape(
        f"On {accuracy.pictures} labelled pictures with {sum(accuracy.objects.values())} objects: "
        f"AP50 {_figure(accuracy.AP50)}, AP {_figure(accuracy.AP)}, in percent."
    )


def _class_table(report: DecisionReport) -> str:
    accuracy = report.accuracy
    rows = []
    for label, (name, figure) in enumerate(accuracy.AP50_per_class.items()):
        swatch = f'<span class="swatch" style="background:{paper_colour(label)}"></span>'
        rows.append((swatch + escape(name), (str(accuracy.objects[name]), _figure(figure))))
    return number_table(("class", "objects", "AP50 %"), rows)


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    interval = figure.interval
    told = "" if interval is None else f" [{100 * interval.low:.1f} to {100 * interval.high:.1f}]"
    return f"{100 * figure.value:.1f}{told}"
