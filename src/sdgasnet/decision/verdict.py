"""The verdict on one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.imaging.detections import Detections

NEVER = -1.0
"""NG score of a class whose rule no threshold could break."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """OK or NG, and why.

    Attributes:
        ng: Whether the picture is NG.
        reasons: In words, one for each class that makes it NG; empty if it is OK.
        counted: ``(N,)`` bool: the detection reaches the threshold of its class and all its limits.
    """

    ng: bool
    reasons: tuple[str, ...]
    counted: NDArray[np.bool_]

    @property
    def word(self) -> str:
        """``"NG"`` or ``"OK"``."""
        return "NG" if self.ng else "OK"


UNREADABLE = Verdict(True, ("can't be read",), np.zeros(0, np.bool_))
"""Of a picture that nobody could look at: nothing is OK without having been looked at."""


def decide_picture(
    detections: Detections, class_names: Sequence[str], rules: DecisionRules, model_threshold: float
) -> Verdict:
    """The verdict on one picture: NG if a class has more counting detections than its rule allows.

    Args:
        detections: Of one picture, down to the lowest threshold or below it.
        class_names: Names of the labels.
        rules: The rules.
        model_threshold: Score threshold of classes whose rule has none.

    Returns:
        NG exactly if an :func:`NG score <ng_scores>` reaches the threshold of its class, compared as float32.

    Examples:
        >>> found = Detections(np.array([[0, 0, 31, 4]], np.float32), np.array([0.71], np.float32),
        ...                    np.array([0]), (64, 64))
        >>> rules = DecisionRules(default=ClassRule(min_length=2.0), millimetres_per_pixel=0.1)
        >>> decide_picture(found, ["scratches"], rules, 0.42).reasons
        ('scratches 0.71 >= 0.42, 3.1 mm >= 2.0 mm',)
    """
    thresholds = rules.score_thresholds(class_names, model_threshold)
    counted = detections.scores >= thresholds[detections.labels]
    counted[counted] = counting(detections.where(counted), class_names, rules)
    found = np.bincount(detections.labels[counted], minlength=len(class_names))
    reasons = []
    for label in np.flatnonzero(found).tolist():
        rule = rules.rule_of(class_names[label])
        if found[label] > rule.max_count:
            first = int(np.flatnonzero(counted & (detections.labels == label))[0])
            passed = _passed_limits(detections, first, float(thresholds[label]), rule, rules.millimetres_per_pixel)
            reasons.append(_reason(class_names[label], int(found[label]), rule.max_count, passed))
    return Verdict(bool(reasons), tuple(reasons), counted)


def _passed_limits(
    detections: Detections, number: int, threshold: float, rule: ClassRule, scale: float | None
) -> list[tuple[str, str]]:
    """(value, limit) of each limit that a detection passed, in words."""
    width, height = (_sides(detections) * (scale or 1.0))[number]
    unit = "px" if scale is None else "mm"
    limits = [(float(detections.scores[number]), threshold, "", 2)]
    if rule.min_length > 0:
        limits.append((max(width, height), rule.min_length, f" {unit}", 1))
    if rule.min_area > 0:
        limits.append((width * height, rule.min_area, f" sq {unit}", 1))
    # As many decimals for both as the limit needs: rounding keeps their order.
    return [
        (f"{value:.{(digits := _decimals(limit, least))}f}{words}", f"{limit:.{digits}f}{words}")
        for value, limit, words, least in limits
    ]


def _decimals(limit: float, least: int) -> int:
    """Decimals that show two digits of a limit."""
    return max(least, 1 - math.floor(math.log10(limit))) if limit > 0 else least


def _reason(name: str, found: int, allowed: int, passed: list[tuple[str, str]]) -> str:
    if allowed:
        limits = ", ".join(f">= {limit}" for _, limit in passed)
        return f"{found} {name} {limits}; {allowed} {'is' if allowed == 1 else 'are'} allowed"
    best = f"{name} " + ", ".join(f"{value} >= {limit}" for value, limit in passed)
    return best if found == 1 else f"{best}, and {found - 1} more"


def ng_scores(detections: Detections, class_names: Sequence[str], rules: DecisionRules) -> NDArray[np.float64]:
    """The highest score threshold of each class at which the picture is still NG because of it.

    A picture is NG exactly if a class's NG score reaches its threshold, compared as float32 (see
    :meth:`~sdgasnet.decision.rules.DecisionRules.score_thresholds`). This is what thresholds are chosen from: it
    follows from sizes, regions and counts alone, whatever the thresholds are.

    Args:
        detections: Of one picture, down to a low score.
        class_names: Names of the labels.
        rules: The rules; their score thresholds are not used.

    Returns:
        ``(K,)`` scores in [0, 1]: of the ``max_count + 1``-th best detection that passes the class's limits, or
        :data:`NEVER` where there are fewer.
    """
    counted = counting(detections, class_names, rules)
    scores = np.full(len(class_names), NEVER)
    for label, name in enumerate(class_names):
        of_class = detections.scores[counted & (detections.labels == label)]
        allowed = rules.rule_of(name).max_count
        if len(of_class) > allowed:
            scores[label] = of_class[allowed]
    return scores


def counting(detections: Detections, class_names: Sequence[str], rules: DecisionRules) -> NDArray[np.bool_]:
    """``(N,)`` bool: the detection passes the size limits of its class and lies where it counts."""
    scale = rules.millimetres_per_pixel or 1.0
    sides = _sides(detections) * scale
    per_class = [rules.rule_of(name) for name in class_names]
    min_area = np.array([rule.min_area for rule in per_class])[detections.labels]
    min_length = np.array([rule.min_length for rule in per_class])[detections.labels]
    large = (sides.prod(axis=1) >= min_area) & (sides.max(axis=1, initial=0.0) >= min_length)
    counted: NDArray[np.bool_] = large
    counted[large] = _in_place(detections.where(large), rules)
    return counted


def _sides(detections: Detections) -> NDArray[np.float64]:
    """``(N, 2)`` width and height, pixels."""
    return (detections.boxes_xyxy[:, 2:] - detections.boxes_xyxy[:, :2]).astype(np.float64)


def _in_place(detections: Detections, rules: DecisionRules) -> NDArray[np.bool_]:
    centres = (detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]) / 2

    def inside(polygons: Sequence[Sequence[tuple[float, float]]]) -> NDArray[np.bool_]:
        corners = [np.array(polygon, np.float32) for polygon in polygons]
        found = [
            any(cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0 for polygon in corners)
            for x, y in centres
        ]
        return np.array(found, dtype=np.bool_)

    allowed = (
        inside(rules.regions_of_interest) if rules.regions_of_interest else np.ones(len(detections), np.bool_)
    )
    return allowed & ~inside(rules.ignored_regions) if rules.ignored_regions else allowed
