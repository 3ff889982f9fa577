"""Plots of a decision: what thresholds let through, reject and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdgasnet.evaluation.decision_curves import DecisionCurves, RateCurve, Reliability
from sdgasnet.evaluation.figures import COLOURS, LINES, class_line, finish_axes, panels, paper_colour
from sdgasnet.evaluation.plots import SHOWN_CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_decision(curves: DecisionCurves, reliability: Reliability) -> Figure:
    """Escape against overkill, escape by class and size, cost by threshold, and reliability of scores."""
    with panels(3, 2) as (figure, (rates, trade, classes, sizes, cost, scores)):
        draw_rates(rates, curves)
        draw_trade(trade, curves)
        draw_escape_by_class(classes, curves)
        draw_escape_by_size(sizes, curves)
        draw_cost(cost, curves)
        draw_reliability(scores, reliability)
    return figure


def draw_rates(axes: Axes, curves: DecisionCurves) -> None:
    """Escape and overkill rate by threshold, with bands."""
    named = (("escape, of bad parts", curves.escape), ("overkill, of good parts", curves.overkill))
    for (name, curve), line, colour in zip(named, LINES, COLOURS, strict=False):
        axes.plot(curves.thresholds, 100 * curve.rate, line, color=colour, label=f"{name} ({curve.parts})")
        _draw_band(axes, curves, curve, colour)
    axes.set(xlim=(0, 1), ylim=(0, 102))
    axes.legend()
    finish_axes(axes, "Rates, with 95 % bands", "score threshold of all classes", "% of the parts")


def draw_trade(axes: Axes, curves: DecisionCurves) -> None:
    """Escape against overkill, with the band of the escape rate, and the chosen thresholds."""
    overkill, escape = 100 * curves.overkill.rate, 100 * curves.escape.rate
    axes.plot(overkill, escape, color=COLOURS[0], label="one threshold for all classes")
    axes.fill_between(
        overkill, 100 * curves.escape.low, 100 * curves.escape.high, color=COLOURS[0], alpha=0.2, linewidth=0
    )
    chosen_escape, chosen_overkill, _ = curves.chosen
    if chosen_escape is not None and chosen_overkill is not None:
        caption = f"chosen: {100 * chosen_escape:.1f} % and {100 * chosen_overkill:.1f} %"
        axes.plot(100 * chosen_overkill, 100 * chosen_escape, "D", color=COLOURS[1], label=caption)
    axes.set(xlim=(-2, 102), ylim=(-2, 102))
    axes.legend()
    finish_axes(axes, "Escape against overkill", "overkill, % of good parts", "escape, % of bad parts")


def draw_escape_by_class(axes: Axes, curves: DecisionCurves) -> None:
    """Escape rate by threshold, a line a class."""
    for label, (name, curve) in enumerate(curves.escape_per_class.items()):
        if curve.parts:
            caption = f"{name} ({curve.parts})" if label < SHOWN_CLASSES else None
            axes.plot(
                curves.thresholds, 100 * curve.rate, class_line(label), color=paper_colour(label), label=caption
            )
    _finish_escape(axes, "Escape of parts that show the class")


def draw_escape_by_size(axes: Axes, curves: DecisionCurves) -> None:
    """Escape rate by threshold, for parts of small, medium and large defects."""
    low, high = (np.sqrt(limit) for limit in curves.size_limits)
    limits = (f"up to {low:.0f} px", f"up to {high:.0f} px", f"over {high:.0f} px")
    for (name, curve), limit, line, colour in zip(
        curves.escape_per_size.items(), limits, LINES, COLOURS, strict=False
    ):
        if curve.parts:
            caption = f"{name}, {limit} ({curve.parts})"
            axes.plot(curves.thresholds, 100 * curve.rate, line, color=colour, label=caption)
            _draw_band(axes, curves, curve, colour)
    _finish_escape(axes, "Escape by the part's largest defect (root of its area)")


def draw_cost(axes: Axes, curves: DecisionCurves) -> None:
    """Expected cost by threshold, and that of the chosen thresholds."""
    if curves.cost is None:
        axes.text(0.5, 0.5, "no costs given", ha="center", transform=axes.transAxes)
    else:
        axes.plot(curves.thresholds, curves.cost, color=COLOURS[0], label="one threshold for all classes")
        if (cost := curves.chosen[2]) is not None:
            axes.axhline(cost, color=COLOURS[1], linestyle=LINES[1], label=f"chosen thresholds: {cost:.3g}")
        axes.set(xlim=(0, 1))
        axes.set_ylim(bottom=0)
        axes.legend()
    finish_axes(axes, "Expected cost", "score threshold", "cost of a part")


def draw_reliability(axes: Axes, reliability: Reliability) -> None:
    """Share of right detections by their score."""
    axes.plot([0, 100], [0, 100], color="#555555", linewidth=1, label="score is the share that is right")
    error = reliability.calibration_error
    caption = "detections" if error is None else f"detections; expected calibration error {100 * error:.1f} %"
    axes.plot(
        100 * reliability.mean_scores,
        100 * reliability.precision,
        "o-",
        color=COLOURS[0],
        markersize=4,
        label=caption,
    )
    for score, right, count in zip(
        reliability.mean_scores, reliability.precision, reliability.counts, strict=True
    ):
        if count:
            axes.annotate(str(count), (100 * score, 100 * right), (4, -10), textcoords="offset points", fontsize=7)
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.legend(loc="upper left")
    finish_axes(axes, "Reliability of scores, IoU 0.5", "mean score, %", "right, %")


def _draw_band(axes: Axes, curves: DecisionCurves, curve: RateCurve, colour: str) -> None:
    axes.fill_between(curves.thresholds, 100 * curve.low, 100 * curve.high, color=colour, alpha=0.15, linewidth=0)


def _finish_escape(axes: Axes, title: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 102))
    if axes.get_legend_handles_labels()[1]:
        axes.legend()
    finish_axes(axes, title, "score threshold of all classes", "escape, % of bad parts")
