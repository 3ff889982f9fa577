"""Precision, recall and F1 against the score threshold, at IoU 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import match_detections
from sdgasnet.imaging.detections import Detections

THRESHOLDS = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True, slots=True, eq=False)
class OperatingCurve:
    """What each threshold gives.

    Attributes:
        thresholds: ``(T,)`` in [0, 1].
        precision: ``(T,)``; 1 where nothing is detected.
        recall: ``(T,)``.
        f1: ``(T,)``.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]

    def best(self) -> dict[str, float]:
        """The threshold of the best F1, with its figures."""
        row = int(self.f1.argmax())
        return {
            "threshold": float(self.thresholds[row]),
            "precision": float(self.precision[row]),
            "recall": float(self.recall[row]),
            "F1": float(self.f1[row]),
        }

    def at(self, threshold: float) -> dict[str, float]:
        """Figures at the nearest threshold of the curve."""
        row = int(np.abs(self.thresholds - threshold).argmin())
        return {
            "threshold": float(self.thresholds[row]),
            "precision": float(self.precision[row]),
            "recall": float(self.recall[row]),
            "F1": float(self.f1[row]),
        }


def compute_operating_curve(
    detections: Sequence[Detections], ground_truth: Sequence[Sequence[ObjectRecord]], label: int | None = None
) -> OperatingCurve:
    """Precision, recall and F1 by threshold, over all objects or those of one class.

    Args:
        detections: One value a picture, down to the score floor.
        ground_truth: Labelled objects of the same pictures.
        label: Class, or None for all together.

    Returns:
        The curve; crowd regions are left out.
    """
    scores, hits = [np.zeros(0, np.float32)], [np.zeros(0, np.bool_)]
    objects = 0
    for found, things in zip(detections, ground_truth, strict=True):
        matches = match_detections(found, things)
        counted = ~matches.ignored
        if label is not None:
            counted &= found.labels == label
        scores.append(found.scores[counted])
        hits.append(matches.true_positive[counted])
        objects += sum(not thing.crowd and label in (None, thing.label) for thing in things)
    return _curve(np.concatenate(scores), np.concatenate(hits), objects)


def _curve(scores: NDArray[np.float32], hits: NDArray[np.bool_], objects: int) -> OperatingCurve:
    order = np.argsort(scores, kind="stable")
    scores, hits = scores[order], hits[order]
    first = np.searchsorted(scores, THRESHOLDS.astype(np.float32), side="left")
    right = np.concatenate([np.cumsum(hits[::-1])[::-1], [0]])[first].astype(np.float64)
    shown = (len(scores) - first).astype(np.float64)
    precision = np.divide(right, shown, out=np.ones_like(right), where=shown > 0)
    recall = right / objects if objects else np.zeros_like(right)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return OperatingCurve(THRESHOLDS, precision, recall, f1)
