"""Thresholds of OK and NG from labelled parts, with what may be promised of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import CalibrationConfig
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.verdict import NEVER
from sdgasnet.errors import DataError
from sdgasnet.evaluation.bootstrap import Interval
from sdgasnet.evaluation.guarantee import (
    RateBound,
    bound_chosen_rate,
    bound_rate,
    describe_escapes,
    describe_overkill,
    learn_then_test,
)
from sdgasnet.evaluation.labelled_parts import SIZES, LabelledParts, is_ng
from sdgasnet.evaluation.policies import PolicyCost, compare_policies
from sdgasnet.evaluation.thresholds import Costs, choose_best_f1, choose_thresholds, share_columns

Method = Literal["held-out half", "held-out parts", "learn then test"]
SOURCES: dict[Method, str] = {
    "held-out parts": "Exact bounds on parts that no threshold was chosen on: Clopper, Pearson, Biometrika 26, "
    "1934",
    "held-out half": "Thresholds chosen on one half of the parts, exact bounds on the other: Clopper, Pearson, "
    "Biometrika 26, 1934",
    "learn then test": "Threshold chosen and guaranteed on the same bad parts: Angelopoulos et al., Learn then "
    "Test, 2021, fixed-sequence testing with binomial p-values; bounds of classes and sizes hold at all "
    "thresholds at once: Massart, Annals of Probability 18, 1990; overkill exact on the good parts, which chose "
    "nothing",
}


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What may be said of the decisions to come, if parts go on coming as the labelled ones did.

    Attributes:
        method: How.
        escape: Of bad parts, the share that is passed.
        overkill: Of good parts, the share that is rejected; None without a good part.
        escape_per_class: Of bad parts that show the class, the share that is passed.
        escape_per_size: Of bad parts whose largest labelled box is of that size, the share that is passed.
        size_limits: Areas between the sizes, square pixels: thirds of the bad parts.
        words: The same in sentences.
    """

    method: Method
    escape: RateBound
    overkill: RateBound | None
    escape_per_class: dict[str, RateBound]
    escape_per_size: dict[str, RateBound]
    size_limits: tuple[float, float]
    words: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "method": self.method,
            "source": SOURCES[self.method],
            "escape": self.escape.to_json(),
            "overkill": None if self.overkill is None else self.overkill.to_json(),
            "escape_per_class": {name: bound.to_json() for name, bound in self.escape_per_class.items()},
            "escape_per_size": {name: bound.to_json() for name, bound in self.escape_per_size.items()},
            "size_limits_square_pixels": list(self.size_limits),
            "words": list(self.words),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Chosen thresholds.

    Attributes:
        rules: With the thresholds in them.
        thresholds: Class name -> threshold.
        shared: Classes that share one threshold.
        chosen_on: ``(P,)`` bool over all parts: thresholds were chosen on it.
        bounded_on: ``(P,)`` bool: the guarantee is from it.
        guarantee: What may be promised.
        costs: What thresholds were chosen by; None if by a rate.
        max_escape_rate: The rate; None if chosen by cost.
        policies: Costs of the chosen thresholds and others on ``bounded_on``; empty without costs.
        notes: What one must know besides, in sentences.
    """

    rules: DecisionRules
    thresholds: dict[str, float]
    shared: tuple[str, ...]
    chosen_on: NDArray[np.bool_]
    bounded_on: NDArray[np.bool_]
    guarantee: Guarantee
    costs: Costs | None
    max_escape_rate: float | None
    policies: tuple[PolicyCost, ...]
    notes: tuple[str, ...]

    def to_json(self, parts: LabelledParts) -> dict[str, Any]:
        """Plain values.

        Args:
            parts: All parts that it was made from.
        """

        def count(members: NDArray[np.bool_]) -> dict[str, int]:
            return {"bad": int((parts.bad & members).sum()), "good": int((~parts.bad & members).sum())}

        costs = self.costs
        return {
            "thresholds": self.thresholds,
            "shared_threshold": list(self.shared),
            "costs": None if costs is None else {"escape": costs.escape, "overkill": costs.overkill},
            "bad_share": None if costs is None else costs.bad_share,
            "max_escape_rate": self.max_escape_rate,
            "parts": {"chosen_on": count(self.chosen_on), "guarantee_from": count(self.bounded_on)},
            "guarantee": self.guarantee.to_json(),
            "policies": [policy.to_json() for policy in self.policies],
            "notes": list(self.notes),
            "rules": self.rules.model_dump(mode="json", exclude_defaults=True),
        }


def calibrate_by_cost(
    parts: LabelledParts,
    rules: DecisionRules,
    costs: Costs,
    settings: CalibrationConfig,
    groups: Sequence[str] | None = None,
) -> Calibration:
    """Thresholds of the least expected cost on one half of the parts, bounded on the other.

    Args:
        parts: Bad and good parts, two of each or more.
        rules: Their other limits are kept.
        costs: Of wrong decisions; without a share of bad parts that of ``parts`` is taken.
        settings: Confidence and limits.
        groups: ``(P,)`` names; parts of one group come into one half. None: every part by itself.

    Raises:
        DataError: There are too few bad or good parts; the message says what is missing.
    """
    _require(parts, "bad", 2)
    _require(parts, "good", 2)
    costs = replace(costs, bad_share=float(parts.bad.mean()) if costs.bad_share is None else costs.bad_share)
    held_out = hold_out_half(parts.bad, groups, settings.seed)
    learning, bounding = parts.where(~held_out), parts.where(held_out)
    for half, name in ((learning, "choose on"), (bounding, "compute bounds on")):
        if not half.bad.any() or half.bad.all():
            raise DataError(
                f"With whole groups kept together, the half of the parts to {name} has {int(half.bad.sum())} bad "
                f"and {int((~half.bad).sum())} good parts; expected both. Group in a finer way, or label more."
            )
    thresholds = choose_thresholds(learning, costs, settings.own_threshold_parts)
    shared = next((c for c in share_columns(learning, settings.own_threshold_parts) if len(c) > 1), [])
    policies = compare_policies(bounding, costs, thresholds, choose_best_f1(learning))
    notes = [*_notes(parts, learning, settings), *_cost_notes(policies)]
    return _finish(
        parts,
        rules,
        thresholds,
        shared,
        ~held_out,
        held_out,
        settings,
        "held-out half",
        costs,
        None,
        policies,
        notes,
    )


def calibrate_by_rate(
    parts: LabelledParts, rules: DecisionRules, max_escape_rate: float, settings: CalibrationConfig
) -> Calibration:
    """The highest threshold, the same for all classes, that keeps an escape rate at the confidence.

    All parts serve twice, to choose and to guarantee (see
    :func:`~sdgasnet.evaluation.guarantee.learn_then_test`).

    Args:
        parts: With bad ones; good ones are only counted.
        rules: Their other limits are kept.
        max_escape_rate: In (0, 1).
        settings: Confidence and limits.

    Raises:
        DataError: There is no bad part, or too few are found to state the rate; the message says what is missing.
    """
    _require(parts, "bad", 1)
    bad = parts.where(parts.bad)
    threshold = learn_then_test(bad.best_scores, max_escape_rate, settings.confidence, parts.floor)
    if threshold is None:
        missed = int((~is_ng(bad.scores, np.full(len(parts.class_names), parts.floor))).sum())
        least = bound_rate(missed, len(bad), settings.confidence)
        raise DataError(
            f"An escape rate of {100 * max_escape_rate:.3g} % can't be shown with these parts: even at the lowest "
            f"threshold, {parts.floor:g}, {describe_escapes(least, max_escape_rate)} Take more bad parts, a "
            "higher rate or a lower confidence."
            + (" A better detector is needed where defects are missed at the lowest threshold." if missed else "")
        )
    thresholds = np.full(len(parts.class_names), threshold)
    everything = np.ones(len(parts), np.bool_)
    shared = list(range(len(parts.class_names)))
    return _finish(
        parts, rules, thresholds, shared, everything, everything, settings, "learn then test", None,
        max_escape_rate, (), _notes(parts, parts, settings),
    )  # fmt: skip


def bound_decision(
    parts: LabelledParts, thresholds: NDArray[np.floating], settings: CalibrationConfig
) -> Guarantee:
    """What may be said of thresholds that were given beforehand.

    Args:
        parts: Parts that no threshold was chosen on.
        thresholds: ``(K,)``.
        settings: Confidence.
    """
    return _guarantee(parts, thresholds, "held-out parts", None, settings)


def hold_out_half(bad: NDArray[np.bool_], groups: Sequence[str] | None, seed: int) -> NDArray[np.bool_]:
    """``(P,)`` bool: half of the bad and half of the good parts, drawn at random.

    Args:
        bad: ``(P,)``.
        groups: ``(P,)`` names; a group is not divided. None: every part by itself.
        seed: Of the drawing.
    """
    names = np.arange(len(bad)) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = np.stack([np.bincount(names, weights=kind, minlength=int(names.max()) + 1) for kind in (bad, ~bad)], 1)
    shuffled = np.random.default_rng(seed).permutation(len(units))
    loads, held_out = np.zeros((2, 2)), np.zeros(len(units), np.bool_)
    # The largest first, each to the half that has fewer of its kind.
    for unit in shuffled[np.argsort(-units[shuffled].sum(axis=1), kind="stable")]:
        half = int(np.argmin(loads @ units[unit]))
        held_out[unit] = half == 1
        loads[half] += units[unit]
    return held_out[names]


def _finish(
    parts: LabelledParts,
    rules: DecisionRules,
    thresholds: NDArray[np.float64],
    shared: Sequence[int],
    chosen_on: NDArray[np.bool_],
    bounded_on: NDArray[np.bool_],
    settings: CalibrationConfig,
    method: Method,
    costs: Costs | None,
    max_escape_rate: float | None,
    policies: tuple[PolicyCost, ...],
    notes: Sequence[str],
) -> Calibration:
    by_class = dict(zip(parts.class_names, thresholds.tolist(), strict=True))
    return Calibration(
        rules=rules.with_thresholds(by_class),
        thresholds=by_class,
        shared=tuple(parts.class_names[label] for label in shared),
        chosen_on=chosen_on,
        bounded_on=bounded_on,
        guarantee=_guarantee(parts.where(bounded_on), thresholds, method, max_escape_rate, settings),
        costs=costs,
        max_escape_rate=max_escape_rate,
        policies=policies,
        notes=tuple(notes),
    )


def _guarantee(
    parts: LabelledParts,
    thresholds: NDArray[np.floating],
    method: Method,
    max_escape_rate: float | None,
    settings: CalibrationConfig,
) -> Guarantee:
    ng, bad, confidence = is_ng(parts.scores, thresholds), parts.bad, settings.confidence
    bound = bound_rate if max_escape_rate is None else bound_chosen_rate

    def escapes(members: NDArray[np.bool_]) -> tuple[int, int]:
        return int((members & ~ng).sum()), int(members.sum())

    escape = (
        bound_rate(*escapes(bad), confidence)
        if max_escape_rate is None
        else RateBound(*escapes(bad), confidence, max_escape_rate, Interval(0.0, max_escape_rate))
    )
    overkill = bound_rate(int((~bad & ng).sum()), int((~bad).sum()), confidence) if (~bad).any() else None
    third, limits = parts.sizes()
    words = [describe_escapes(escape, max_escape_rate or settings.stated_escape_rate)]
    words.append(
        "No good parts: the overkill rate is not known." if overkill is None else describe_overkill(overkill)
    )
    return Guarantee(
        method=method,
        escape=escape,
        overkill=overkill,
        escape_per_class={
            name: bound(*escapes(parts.present[:, label] & bad), confidence)
            for label, name in enumerate(parts.class_names)
        },
        escape_per_size={name: bound(*escapes(third == number), confidence) for number, name in enumerate(SIZES)},
        size_limits=limits,
        words=tuple(words),
    )


def _require(parts: LabelledParts, kind: Literal["bad", "good"], least: int) -> None:
    found = int((parts.bad if kind == "bad" else ~parts.bad).sum())
    if found >= least:
        return
    rate = "escape" if kind == "bad" else "overkill"
    advice = "Label pictures with defects." if kind == "bad" else "Give a folder of good pictures: --good FOLDER."
    raise DataError(
        f"{found} of the {len(parts)} parts are {kind}; expected {least} or more, since without them nothing is "
        f"known of the {rate} rate. {advice}"
    )


def _notes(parts: LabelledParts, learning: LabelledParts, settings: CalibrationConfig) -> list[str]:
    """What data is missing, and what the bounds take for granted."""
    shown = (learning.present & learning.bad[:, None]).sum(axis=0)
    notes = []
    if unseen := [name for name, number in zip(parts.class_names, shown.tolist(), strict=True) if not number]:
        notes.append(
            f"No bad part that thresholds were chosen on shows {', '.join(unseen)}: it has the shared "
            "threshold, and nothing is known of how it is found."
        )
    if len(np.unique(learning.best_scores[learning.best_scores > NEVER])) <= 1:
        notes.append("All parts that score at all score the same: no threshold tells bad from good.")
    if settings.own_threshold_parts > int(shown.max(initial=0)):
        notes.append(f"No class is shown by {settings.own_threshold_parts} bad parts: all share one threshold.")
    notes.append(
        "Bounds are of parts, and take them for independent of each other and for a fair sample of those to come. "
        "Several pictures of one board, coil or lot are not independent: the true uncertainty is larger then."
    )
    return notes


def _cost_notes(policies: Sequence[PolicyCost]) -> list[str]:
    chosen, *others = policies
    return [
        f"The chosen thresholds cost {chosen.cost:.4g} a part on the held-out half, no less than "
        f"'{other.policy}' ({other.cost:.4g})."
        for other in others
        if other.cost <= chosen.cost
    ]
