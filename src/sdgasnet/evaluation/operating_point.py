"""Precision, recall and F1 against the score threshold, at IoU 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import match_detections
from sdgasnet.imaging.detections import Detections

THRESHOLDS = np.linspace(0.0, 1.0, 201)
"""Thresholds that are looked at for the best one, and drawn."""


class OperatingPoint(TypedDict):
    """What one threshold gives; None where it is not defined: nothing detected, or nothing labelled."""

    threshold: float
    precision: float | None
    recall: float | None
    F1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class OperatingCurve:
    """What each threshold gives.

    Attributes:
        scores: ``(D,)`` float32 scores of the detections that count, not increasing.
        hits: ``(D + 1,)`` how many of the best 0, 1, ... D detections found an object.
        objects: Number of labelled objects.

    Examples:
        >>> curve = OperatingCurve(np.array([0.9, 0.5], np.float32), np.array([0, 1, 1]), objects=2)
        >>> curve.at(0.8)
        {'threshold': 0.8, 'precision': 1.0, 'recall': 0.5, 'F1': 0.666...}
    """

    scores: NDArray[np.float32]
    hits: NDArray[np.int64]
    objects: int

    def at(self, threshold: float) -> OperatingPoint:
        """Figures where detections that score at least ``threshold`` are shown."""
        shown = int(self._shown(np.array([threshold]))[0])
        right = int(self.hits[shown])
        return {
            "threshold": float(threshold),
            "precision": right / shown if shown else None,
            "recall": right / self.objects if self.objects else None,
            "F1": 2 * right / (shown + self.objects) if self.objects else None,
        }

    def best(self) -> OperatingPoint | None:
        """The point of the best F1 over :data:`THRESHOLDS`; None where no detection is right."""
        scores = np.nan_to_num(self.f1(THRESHOLDS))
        return self.at(float(THRESHOLDS[scores.argmax()])) if scores.any() else None

    def precision(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the shown detections that are right; NaN where nothing is shown."""
        shown = self._shown(thresholds)
        return _ratio(self.hits[shown], shown)

    def recall(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the objects that are found; NaN where nothing is labelled."""
        return _ratio(self.hits[self._shown(thresholds)], np.full(len(thresholds), self.objects))

    def f1(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Harmonic mean of both; NaN where nothing is labelled."""
        shown = self._shown(thresholds)
        return _ratio(2 * self.hits[shown], np.where(self.objects, shown + self.objects, 0))

    def precision_by_recall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Recall and precision ``(D,)`` after each detection, best score first."""
        counts = np.arange(1, len(self.scores) + 1)
        return _ratio(self.hits[1:], np.full(len(counts), self.objects)), _ratio(self.hits[1:], counts)

    def _shown(self, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many detections each threshold shows; compared as float32, as :meth:`Detections.above` does."""
        below = np.searchsorted(self.scores[::-1], thresholds.astype(np.float32), side="left")
        return len(self.scores) - below


@dataclass(frozen=True, slots=True, eq=False)
class OperatingCurves:
    """Curves of a set of pictures.

    Attributes:
        overall: Over all objects and detections, each with the same weight.
        per_class: One curve a class, by label.
    """

    overall: OperatingCurve
    per_class: tuple[OperatingCurve, ...]


def compute_operating_curves(
    detections: Sequence[Detections], ground_truth: Sequence[Sequence[ObjectRecord]], num_classes: int
) -> OperatingCurves:
    """Precision, recall and F1 by threshold, over all objects and for each class.

    Args:
        detections: One value a picture, down to the score floor.
        ground_truth: Labelled objects of the same pictures.
        num_classes: K.

    Returns:
        The curves; crowd regions and what is detected in them are left out.
    """
    scores, labels, hits = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    for found, things in zip(detections, ground_truth, strict=True):
        matches = match_detections(found, things)
        scores.append(found.scores[~matches.ignored])
        labels.append(found.labels[~matches.ignored])
        hits.append(matches.true_positive[~matches.ignored])
    objects = np.array(
        [thing.label for things in ground_truth for thing in things if not thing.crowd], dtype=np.int64
    )
    joined = np.concatenate(scores), np.concatenate(hits)
    label_of = np.concatenate(labels)
    per_class = tuple(
        _curve(joined[0][label_of == label], joined[1][label_of == label], int((objects == label).sum()))
        for label in range(num_classes)
    )
    return OperatingCurves(_curve(*joined, len(objects)), per_class)


def _curve(scores: NDArray[np.float32], hits: NDArray[np.bool_], objects: int) -> OperatingCurve:
    order = np.argsort(-scores, kind="stable")
    return OperatingCurve(scores[order], np.concatenate([[0], np.cumsum(hits[order])]).astype(np.int64), objects)


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    """NaN where ``below`` is 0."""
    ratio: NDArray[np.float64] = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return ratio
