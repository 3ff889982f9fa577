"""Escape against overkill, cost against threshold, and how far scores can be taken for probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.bootstrap import COVERAGE
from sdgasnet.evaluation.labelled_parts import SIZES, LabelledParts, is_ng
from sdgasnet.evaluation.matching import match_detections
from sdgasnet.evaluation.operating_point import THRESHOLDS
from sdgasnet.evaluation.policies import draw_parts
from sdgasnet.evaluation.thresholds import Costs
from sdgasnet.imaging.detections import Detections

BIN_EDGES = np.linspace(0.1, 1.0, 10)
"""Of scores, for reliability."""
LEAST_SCORE = float(BIN_EDGES[0])
"""Detections below say little, and are so many that they would hide the others."""
DIGITS = 6
"""Of shares and costs in JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class RateCurve:
    """A rate by threshold.

    Attributes:
        rate: ``(T,)`` share of the parts; NaN where there is none.
        low: ``(T,)`` lower end of the band that holds 95 % of the resamples, threshold by threshold.
        high: ``(T,)`` its upper end.
        parts: How many it is a share of.
    """

    rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    parts: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where the rate is not defined."""
        return {
            "rate": _plain(self.rate),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "parts": self.parts,
        }


@dataclass(frozen=True, slots=True, eq=False)
class DecisionCurves:
    """What each threshold, the same for all classes, gives at the level of parts.

    Attributes:
        thresholds: ``(T,)`` rising.
        escape: Of bad parts, the share that is passed.
        overkill: Of good parts, the share that is rejected.
        escape_per_class: Of bad parts that show the class.
        escape_per_size: Of bad parts by their largest labelled box.
        size_limits: Areas between the sizes, square pixels.
        cost: ``(T,)`` expected cost of a part; None without costs, or without bad or good parts.
        chosen: (escape rate, overkill rate, cost) of the chosen thresholds; None where not defined.
    """

    thresholds: NDArray[np.float64]
    escape: RateCurve
    overkill: RateCurve
    escape_per_class: dict[str, RateCurve]
    escape_per_size: dict[str, RateCurve]
    size_limits: tuple[float, float]
    cost: NDArray[np.float64] | None
    chosen: tuple[float | None, float | None, float | None]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "thresholds": _plain(self.thresholds),
            "escape": self.escape.to_json(),
            "overkill": self.overkill.to_json(),
            "escape_per_class": {name: curve.to_json() for name, curve in self.escape_per_class.items()},
            "escape_per_size": {name: curve.to_json() for name, curve in self.escape_per_size.items()},
            "size_limits_square_pixels": list(self.size_limits),
            "cost": None if self.cost is None else _plain(self.cost),
            "chosen": dict(zip(("escape", "overkill", "cost"), self.chosen, strict=True)),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How often detections of a score are right, at IoU 0.5.

    Attributes:
        edges: ``(N + 1,)`` of the bins of scores.
        mean_scores: ``(N,)`` mean score in the bin; NaN in an empty one.
        precision: ``(N,)`` share that is right; NaN in an empty bin.
        counts: ``(N,)`` detections in the bin.
        calibration_error: Mean distance of score and precision, weighted by detections; None without any.
    """

    edges: NDArray[np.float64]
    mean_scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    counts: NDArray[np.int64]
    calibration_error: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "edges": _plain(self.edges),
            "mean_scores": _plain(self.mean_scores),
            "precision": _plain(self.precision),
            "counts": self.counts.tolist(),
            "expected_calibration_error": self.calibration_error,
        }


def compute_decision_curves(
    parts: LabelledParts, chosen: NDArray[np.float64], costs: Costs | None
) -> DecisionCurves:
    """Curves over a threshold that all classes share, with bootstrap bands over parts.

    Args:
        parts: Labelled parts; nothing chosen on them, if the chosen thresholds are to be judged.
        chosen: ``(K,)`` thresholds that were chosen.
        costs: Of wrong decisions.

    Source:
        Bands: percentiles of resampled parts, Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    thresholds = np.maximum(THRESHOLDS, parts.floor)
    ng = parts.best_scores.astype(np.float32)[:, None] >= thresholds.astype(np.float32)
    bad, draws = parts.bad, draw_parts(parts.bad)
    third, limits = parts.sizes()
    decided = is_ng(parts.scores, chosen)
    both = bad.any() and not bad.all()
    return DecisionCurves(
        thresholds=thresholds,
        escape=_rate_curve(~ng, bad, draws),
        overkill=_rate_curve(ng, ~bad, draws),
        escape_per_class={
            name: _rate_curve(~ng, bad & parts.present[:, label], draws)
            for label, name in enumerate(parts.class_names)
        },
        escape_per_size={name: _rate_curve(~ng, third == number, draws) for number, name in enumerate(SIZES)},
        size_limits=limits,
        cost=costs.weights(bad) @ (ng != bad[:, None]) if costs is not None and both else None,
        chosen=(
            float((~decided[bad]).mean()) if bad.any() else None,
            float(decided[~bad].mean()) if not bad.all() else None,
            costs.of_verdicts(bad, decided) if costs is not None and both else None,
        ),
    )


def compute_reliability(
    detections: Sequence[Detections], ground_truth: Sequence[Sequence[ObjectRecord]]
) -> Reliability:
    """How often detections of a score are right.

    Args:
        detections: One value a picture; those under :data:`LEAST_SCORE` are left out.
        ground_truth: Labelled objects of the same pictures.

    Source:
        Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    """
    scores, right = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for found, objects in zip(detections, ground_truth, strict=True):
        matches = match_detections(found, objects)
        counted = ~matches.ignored & (found.scores >= LEAST_SCORE)
        scores.append(found.scores[counted].astype(np.float64))
        right.append(matches.true_positive[counted])
    score, hit = np.concatenate(scores), np.concatenate(right)
    places = np.clip(np.searchsorted(BIN_EDGES, score, side="right") - 1, 0, len(BIN_EDGES) - 2)
    counts = np.bincount(places, minlength=len(BIN_EDGES) - 1)
    with np.errstate(invalid="ignore"):
        mean_scores = np.bincount(places, weights=score, minlength=len(counts)) / counts
        precision = np.bincount(places, weights=hit, minlength=len(counts)) / counts
    apart = np.nan_to_num(np.abs(mean_scores - precision))
    error = float((apart * counts).sum() / len(score)) if len(score) else None
    return Reliability(BIN_EDGES, mean_scores, precision, counts, error)


def _rate_curve(wrong: NDArray[np.bool_], members: NDArray[np.bool_], draws: NDArray[np.int64]) -> RateCurve:
    """Share of the members, of ``(P, T)`` bool; with bands from ``(R, P)`` draws."""
    number = int(members.sum())
    if not number:
        nothing = np.full(wrong.shape[1], np.nan)
        return RateCurve(nothing, nothing, nothing, 0)
    of_members, drawn = wrong[members].astype(np.float64), draws[:, members].astype(np.float64)
    totals = drawn.sum(axis=1)
    sampled = (drawn @ of_members)[totals > 0] / totals[totals > 0, None]
    low, high = np.quantile(sampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
    return RateCurve(of_members.mean(axis=0), low, high, number)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else round(value, DIGITS) for value in values.tolist()]
