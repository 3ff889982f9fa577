"""What may be stated of a rate after so many parts: exact bounds, and thresholds that keep a stated rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdgasnet.errors import MissingExtraError
from sdgasnet.evaluation.bootstrap import Interval

LEARN_GRID = np.round(np.arange(1, 1000) / 1000, 3)
"""Thresholds that :func:`learn_then_test` tries; fixed before any data is seen, or it would guarantee nothing."""


def require_statistics() -> None:
    """Make sure that bounds can be computed, before the work that they are for.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    if find_spec("scipy") is None:
        raise MissingExtraError("eval", "Computing bounds")


@dataclass(frozen=True, slots=True)
class RateBound:
    """A rate of independent parts, and what may be said of it.

    Attributes:
        events: Parts that went wrong.
        trials: Parts looked at.
        confidence: With which each of the statements below holds.
        upper: The rate is at most this (one-sided); 1 without a part.
        interval: The rate lies in it (two-sided).
    """

    events: int
    trials: int
    confidence: float
    upper: float
    interval: Interval

    @property
    def rate(self) -> float | None:
        """The share that was seen; None without a part."""
        return self.events / self.trials if self.trials else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "events": self.events,
            "trials": self.trials,
            "rate": self.rate,
            "confidence": self.confidence,
            "upper": self.upper,
            "low": self.interval.low,
            "high": self.interval.high,
        }


def bound_rate(events: int, trials: int, confidence: float) -> RateBound:
    """Exact bounds of a rate.

    Args:
        events: Parts that went wrong, 0 to ``trials``.
        trials: Parts looked at, chosen and judged independently of each other.
        confidence: In (0, 1).

    Source:
        Clopper, Pearson, The use of confidence or fiducial limits, Biometrika 26, 1934.

    Examples:
        >>> round(bound_rate(0, 60, 0.95).upper, 3)
        0.049
    """
    tail = (1 + confidence) / 2
    low = 1.0 - float(upper_bounds(trials - events, trials, tail))
    interval = Interval(low, float(upper_bounds(events, trials, tail)))
    return RateBound(events, trials, confidence, float(upper_bounds(events, trials, confidence)), interval)


def bound_chosen_rate(events: int, trials: int, confidence: float) -> RateBound:
    """Bounds of a rate at a threshold that was chosen on the same parts.

    They hold at all thresholds at once, and so at whichever was chosen; they are wider than :func:`bound_rate`.

    Args:
        events: Parts that went wrong, 0 to ``trials``.
        trials: Parts looked at.
        confidence: In [0.5, 1).

    Source:
        Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Annals of Probability 18, 1990.

    Examples:
        >>> round(bound_chosen_rate(0, 60, 0.95).upper, 3)
        0.158
    """

    def reach(failing: float) -> float:
        return math.sqrt(math.log(1 / failing) / (2 * trials)) if trials else 1.0

    seen, tail = events / max(1, trials), reach((1 - confidence) / 2)
    interval = Interval(max(0.0, seen - tail), min(1.0, seen + tail))
    return RateBound(events, trials, confidence, min(1.0, seen + reach(1 - confidence)), interval)


def upper_bounds(events: ArrayLike, trials: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """One-sided upper bounds of Clopper and Pearson, for arrays that fit together.

    Args:
        events: Counts, 0 to ``trials``.
        trials: Counts; 0 gives the bound 1.
        confidence: In (0, 1).
    """
    from scipy.stats import beta

    wrong, seen = np.broadcast_arrays(np.asarray(events, np.float64), np.asarray(trials, np.float64))
    bounds = np.ones(wrong.shape)
    known = wrong < seen
    bounds[known] = beta.ppf(confidence, wrong[known] + 1, seen[known] - wrong[known])
    return bounds


def parts_needed(rate: float, confidence: float) -> int:
    """Bad parts, none of them missed, after which a rate may be stated.

    Args:
        rate: To be stated, in (0, 1).
        confidence: In (0, 1).

    Examples:
        >>> parts_needed(0.01, 0.95)
        299
    """
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


def describe_escapes(bound: RateBound, stated: float) -> str:
    """The escape rate in words.

    Args:
        bound: Of bad parts that were passed.
        stated: Rate that one would like to state.

    Examples:
        >>> describe_escapes(bound_rate(0, 60, 0.95), 0.01)
        '0 of 60 bad parts missed: at 95 % confidence the escape rate is below 4.9 %; to state 1 % you need 299 bad
        parts without a miss.'
    """
    if not bound.trials:
        return "No bad parts: nothing can be said of the escape rate."
    told = f"{bound.events} of {bound.trials} bad parts missed: {_below('escape', bound)}"
    if bound.upper <= stated:
        return f"{told}."
    needed = parts_needed(stated, bound.confidence)
    return f"{told}; to state {100 * stated:.3g} % you need {needed} bad parts without a miss."


def describe_overkill(bound: RateBound) -> str:
    """The overkill rate in words.

    Examples:
        >>> describe_overkill(bound_rate(3, 100, 0.95))
        '3 of 100 good parts rejected: at 95 % confidence the overkill rate is below 7.6 %.'
    """
    if not bound.trials:
        return "No good parts: nothing can be said of the overkill rate."
    return f"{bound.events} of {bound.trials} good parts rejected: {_below('overkill', bound)}."


def _below(name: str, bound: RateBound) -> str:
    confidence = f"at {100 * bound.confidence:.3g} % confidence"
    if bound.upper >= 1:
        return f"{confidence} nothing can be said of the {name} rate"
    return f"{confidence} the {name} rate is below {describe_upper(bound.upper)}"


def describe_upper(rate: float) -> str:
    """An upper bound in percent, rounded up: what is stated must hold.

    Args:
        rate: In [0, 1].

    Examples:
        >>> describe_upper(0.04875), describe_upper(0.0002996)
        ('4.9 %', '0.030 %')
    """
    digits = 1 if rate >= 0.001 else 3
    return f"{math.ceil(100 * rate * 10**digits - 1e-9) / 10**digits:.{digits}f} %"


def learn_then_test(bad_scores: ArrayLike, max_rate: float, confidence: float, floor: float) -> float | None:
    """The highest threshold at which the escape rate is kept, chosen and guaranteed on the same parts.

    Thresholds of :data:`LEARN_GRID` are tested from the safest, the lowest, upwards: is the hypothesis that the
    escape rate is over ``max_rate`` refuted by a binomial test at level ``1 - confidence``? The first that is not
    ends the sequence. Since the order was fixed before, no correction for many tests is needed.

    Args:
        bad_scores: ``(N,)`` NG score of each bad part: the threshold up to which it is NG.
        max_rate: Escape rate to be kept, in (0, 1).
        confidence: Probability, over the draw of the parts, with which it is kept.
        floor: Lowest threshold, below which scores are not known.

    Returns:
        The threshold; None if no threshold can be shown to keep the rate with these parts.

    Source:
        Angelopoulos, Bates, Candès, Jordan, Lei, Learn then Test: Calibrating Predictive Algorithms to Achieve
        Risk Control, 2021, fixed-sequence testing; the binomial p-value is exact for a rate.

    Examples:
        >>> learn_then_test([0.5] * 300, 0.01, 0.95, floor=0.001)
        0.5
        >>> learn_then_test([0.5] * 298, 0.01, 0.95, floor=0.001) is None
        True
    """
    from scipy.stats import binom

    scores = np.sort(np.asarray(bad_scores, np.float32))
    grid = LEARN_GRID[floor <= LEARN_GRID]
    missed = np.searchsorted(scores, grid.astype(np.float32), side="left")
    kept = np.logical_and.accumulate(binom.cdf(missed, len(scores), max_rate) <= 1 - confidence)
    return float(grid[np.flatnonzero(kept)[-1]]) if len(scores) and kept.any() else None
