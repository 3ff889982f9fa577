"""Choose score thresholds for the least expected cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdgasnet.decision.verdict import NEVER
from sdgasnet.evaluation.labelled_parts import LabelledParts, is_ng

DECIMALS = range(2, 9)
"""Of a threshold: the fewest that lie between the scores that it parts."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What wrong decisions cost, in any unit.

    Attributes:
        escape: A bad part that is passed.
        overkill: A good part that is rejected.
        bad_share: Of the parts at the line, in (0, 1); None takes that of the labelled parts.
    """

    escape: float
    overkill: float
    bad_share: float | None = None

    def weights(self, bad: NDArray[np.bool_]) -> NDArray[np.float64]:
        """``(P,)`` what a wrong decision on each part adds to the expected cost of a part at the line.

        Args:
            bad: ``(P,)``; at least one part is bad and one good.
        """
        share = float(bad.mean()) if self.bad_share is None else self.bad_share
        escape, overkill = share * self.escape / bad.sum(), (1 - share) * self.overkill / (~bad).sum()
        return np.asarray(np.where(bad, escape, overkill), np.float64)

    def expect(self, parts: LabelledParts, thresholds: Sequence[float] | NDArray[np.float64]) -> float:
        """Expected cost of a part at the line, with these thresholds."""
        return self.of_verdicts(parts.bad, is_ng(parts.scores, thresholds))

    def of_verdicts(self, bad: NDArray[np.bool_], ng: NDArray[np.bool_]) -> float:
        """Expected cost of a part at the line, with these verdicts ``(P,)``."""
        return float(self.weights(bad)[bad != ng].sum())


def choose_thresholds(parts: LabelledParts, costs: Costs, own_threshold_parts: int) -> NDArray[np.float64]:
    """Thresholds of the least expected cost on labelled parts.

    First the best threshold that all classes share. Then one class after the other gets the threshold that is best
    beside those of the others, until none gets better. Classes that too few bad parts show go on sharing one. The
    cost is a step function of the thresholds, and each step is looked at; what is found is the best along each
    class, which needn't be the best of all combinations.

    Args:
        parts: At least one bad and one good part.
        costs: Of wrong decisions.
        own_threshold_parts: Bad parts that show a class, from which on it gets a threshold of its own.

    Returns:
        ``(K,)`` thresholds in [0, 1]. Of equal costs the lowest thresholds, which miss the fewest; between two
        scores a number of few digits near their middle.
    """
    columns = share_columns(parts, own_threshold_parts)
    scores = np.stack([parts.scores[:, column].max(axis=1) for column in columns], axis=1)
    weights, bad = costs.weights(parts.bad), parts.bad
    first, cost = _best_threshold(parts.best_scores, bad, weights, parts.floor)
    chosen = np.full(len(columns), first)
    while True:
        before = cost
        for number in range(len(columns)):
            others = np.arange(len(columns)) != number
            open_to = ~is_ng(scores[:, others], chosen[others])
            fixed = float(weights[~open_to & ~bad].sum())
            threshold, rest = _best_threshold(scores[open_to, number], bad[open_to], weights[open_to], parts.floor)
            if fixed + rest < cost - 1e-12:
                chosen[number], cost = threshold, fixed + rest
        if cost >= before:
            break
    thresholds = np.zeros(len(parts.class_names))
    for column, threshold in zip(columns, chosen.tolist(), strict=True):
        thresholds[column] = threshold
    return thresholds


def share_columns(parts: LabelledParts, own_threshold_parts: int) -> list[list[int]]:
    """Which classes have a threshold in common: each of enough bad parts is alone, the others are together."""
    shown = (parts.present & parts.bad[:, None]).sum(axis=0)
    alone = [[label] for label in np.flatnonzero(shown >= own_threshold_parts).tolist()]
    together: list[int] = np.flatnonzero(shown < own_threshold_parts).tolist()
    return [*alone, together] if together else alone


def choose_best_f1(parts: LabelledParts) -> float:
    """The shared threshold of the best F1 of verdicts: NG is positive."""
    thresholds = candidates(parts.best_scores, parts.floor)
    found = parts.best_scores[None, :].astype(np.float32) >= thresholds[:, None].astype(np.float32)
    right = (found & parts.bad).sum(axis=1)
    return float(thresholds[(2 * right / np.maximum(found.sum(axis=1) + parts.bad.sum(), 1)).argmax()])


def candidates(scores: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """One threshold for each way to part scores ``(P,)``, rising: from all of them NG to none.

    Args:
        scores: NG scores; no threshold makes those NG that are :data:`~sdgasnet.decision.verdict.NEVER`.
        floor: No threshold is lower.

    Examples:
        >>> candidates(np.array([0.25, 0.75, NEVER]), floor=0.05).tolist()
        [0.15, 0.5, 0.88]
    """
    distinct = np.unique(scores[scores > NEVER])
    lower = np.concatenate([[floor], distinct])
    upper = np.concatenate([distinct, [1.0]])
    steps = [_between(low, high) for low, high in zip(lower.tolist(), upper.tolist(), strict=True)]
    return np.array(steps)


def _best_threshold(
    scores: NDArray[np.float64], bad: NDArray[np.bool_], weights: NDArray[np.float64], floor: float
) -> tuple[float, float]:
    """The threshold of the least cost, and the cost."""
    thresholds = candidates(scores, floor)
    order = np.argsort(scores, kind="stable")
    below = np.searchsorted(scores[order].astype(np.float32), thresholds.astype(np.float32), side="left")
    escapes = np.concatenate([[0.0], np.cumsum(np.where(bad, weights, 0.0)[order])])
    kept = np.concatenate([[0.0], np.cumsum(np.where(bad, 0.0, weights)[order])])
    costs = escapes[below] + (kept[-1] - kept[below])
    best = int(np.flatnonzero(costs <= costs.min() + 1e-12)[0])
    return float(thresholds[best]), float(costs[best])


def _between(low: float, high: float) -> float:
    """A threshold that ``high`` reaches and ``low`` does not, of few digits."""
    for digits in DECIMALS:
        middle = round((low + high) / 2, digits)
        if np.float32(low) < np.float32(middle) <= np.float32(high):
            return middle
    return high
