"""What policies cost beside each other, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.evaluation.bootstrap import COVERAGE, RESAMPLES, SEED, Interval
from sdgasnet.evaluation.labelled_parts import LabelledParts, is_ng
from sdgasnet.evaluation.thresholds import Costs

FIXED_THRESHOLDS = (0.25, 0.5)
"""What is commonly taken without a thought."""


@dataclass(frozen=True, slots=True)
class PolicyCost:
    """What one way to decide costs on labelled parts.

    Attributes:
        policy: Its name.
        escapes: Bad parts that it passes.
        overkills: Good parts that it rejects.
        cost: Expected, of a part at the line.
        saved: Its cost less that of the chosen thresholds, as a percentile interval of the paired bootstrap; over
            0 the chosen ones are cheaper. None for these themselves.
    """

    policy: str
    escapes: int
    overkills: int
    cost: float
    saved: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare_policies(
    parts: LabelledParts, costs: Costs, chosen: NDArray[np.float64], best_f1: float
) -> tuple[PolicyCost, ...]:
    """Costs of chosen thresholds and of what one would do without choosing.

    Args:
        parts: Parts that nothing was chosen on, bad and good ones.
        costs: Of wrong decisions.
        chosen: ``(K,)`` thresholds.
        best_f1: Shared threshold of the best F1 on the parts that thresholds were chosen on.

    Returns:
        The chosen thresholds first.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993; bad and good parts are drawn apart, since
        their shares at the line are given.
    """
    verdicts: Mapping[str, NDArray[np.bool_]] = {
        "chosen thresholds": is_ng(parts.scores, chosen),
        "always OK": np.zeros(len(parts), np.bool_),
        "always NG": np.ones(len(parts), np.bool_),
        **{f"{value:g} for all": is_ng(parts.scores, np.full(len(chosen), value)) for value in FIXED_THRESHOLDS},
        f"best F1, {best_f1:g} for all": is_ng(parts.scores, np.full(len(chosen), best_f1)),
    }
    bad, weights, draws = parts.bad, costs.weights(parts.bad), draw_parts(parts.bad)
    losses = {name: np.where(ng == bad, 0.0, weights) for name, ng in verdicts.items()}
    own = losses["chosen thresholds"]
    return tuple(
        PolicyCost(
            name,
            int((bad & ~ng).sum()),
            int((~bad & ng).sum()),
            float(losses[name].sum()),
            None if losses[name] is own else _interval(draws @ (losses[name] - own)),
        )
        for name, ng in verdicts.items()
    )


def draw_parts(bad: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``(R, P)`` how often each part is drawn with replacement, from the bad and from the good ones apart.

    Args:
        bad: ``(P,)``.
    """
    rng = np.random.default_rng(SEED)
    draws = np.zeros((RESAMPLES, len(bad)), np.int64)
    for kind in (bad, ~bad):
        if number := int(kind.sum()):
            draws[:, kind] = rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES)
    return draws


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]).tolist()
    return Interval(low, high)
