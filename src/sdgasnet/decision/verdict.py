"""The verdict on one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.decision.rules import DecisionRules
from sdgasnet.imaging.detections import Detections

NEVER = -1.0
"""NG score of a class whose rule no threshold could break."""


def ng_scores(detections: Detections, class_names: Sequence[str], rules: DecisionRules) -> NDArray[np.float64]:
    """The highest score threshold of each class at which the picture is still NG because of it.

    A picture is NG exactly if a class's NG score reaches its threshold. This is what thresholds are chosen from:
    it follows from sizes, regions and counts alone, whatever the thresholds are.

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
    sides = (detections.boxes_xyxy[:, 2:] - detections.boxes_xyxy[:, :2]).astype(np.float64) * scale
    per_class = [rules.rule_of(name) for name in class_names]
    min_area = np.array([rule.min_area for rule in per_class])[detections.labels]
    min_length = np.array([rule.min_length for rule in per_class])[detections.labels]
    large = (sides.prod(axis=1) >= min_area) & (sides.max(axis=1, initial=0.0) >= min_length)
    return np.asarray(large & _in_place(detections, rules))


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
