"""Labelled parts as a decision sees them: bad or good, and the thresholds up to which each is NG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ImageRecord
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.verdict import NEVER, ng_scores
from sdgasnet.evaluation.matching import GroundTruth
from sdgasnet.imaging.detections import Detections

SIZES = ("small", "medium", "large")
"""Thirds of the bad parts, by the largest labelled box of each."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledParts:
    """Parts with labels and scores.

    Attributes:
        names: Name of each of the P parts.
        class_names: Names of the K classes.
        scores: ``(P, K)`` the highest threshold of each class at which the part is NG because of it;
            :data:`~sdgasnet.decision.verdict.NEVER` where there is none.
        present: ``(P, K)`` bool: the rules make the part NG for this class if all that is labelled is found.
        largest: ``(P,)`` area of the largest labelled box, square pixels; 0 where nothing is labelled.
        pictures: ``(P,)`` how many pictures show the part.
        floor: Lowest score that is known; no threshold may be lower.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    scores: NDArray[np.float64]
    present: NDArray[np.bool_]
    largest: NDArray[np.float64]
    pictures: NDArray[np.int64]
    floor: float

    def __len__(self) -> int:
        return len(self.names)

    @property
    def bad(self) -> NDArray[np.bool_]:
        """``(P,)`` bool: the part should be NG."""
        return np.asarray(self.present.any(axis=1))

    @property
    def best_scores(self) -> NDArray[np.float64]:
        """``(P,)`` the highest threshold, the same for all classes, at which the part is NG."""
        return np.asarray(self.scores.max(axis=1))

    def where(self, keep: NDArray[np.bool_]) -> LabelledParts:
        """The parts that are marked, ``(P,)``."""
        names = tuple(name for name, kept in zip(self.names, keep.tolist(), strict=True) if kept)
        kept = {name: getattr(self, name)[keep] for name in ("scores", "present", "largest", "pictures")}
        return replace(self, names=names, **kept)

    def sizes(self) -> tuple[NDArray[np.int64], tuple[float, float]]:
        """Which third of the bad parts each belongs to, by its largest labelled box.

        A part escapes only if all of its defects do, so its largest one stands for it.

        Returns:
            ``(P,)`` place in :data:`SIZES`, -1 for good parts; and the areas between the thirds, square pixels.
        """
        if not self.bad.any():
            return np.full(len(self), -1), (0.0, 0.0)
        low, high = np.quantile(self.largest[self.bad], [1 / 3, 2 / 3]).tolist()
        third = np.searchsorted([low, high], self.largest, side="left")
        return np.where(self.bad, third, -1), (low, high)


def is_ng(scores: NDArray[np.float64], thresholds: Sequence[float] | NDArray[np.floating]) -> NDArray[np.bool_]:
    """``(P,)`` bool: a class reaches its threshold.

    Args:
        scores: ``(P, K)`` NG scores.
        thresholds: ``(K,)``, in [0, 1]; compared as float32, as the decision does.

    Examples:
        >>> is_ng(np.array([[0.4, NEVER], [0.3, 0.9]]), [0.4, 0.95]).tolist()
        [True, False]
    """
    return np.asarray((scores.astype(np.float32) >= np.asarray(thresholds, np.float32)).any(axis=1))


def label_parts(
    records: Sequence[ImageRecord],
    detections: Sequence[Detections],
    class_names: Sequence[str],
    rules: DecisionRules,
    floor: float,
) -> LabelledParts:
    """Put pictures together to parts.

    A part is bad if the rules, given its labels as detections that are quite sure, would call one of its pictures
    NG: what they allow (three pores, or what is smaller than 2 mm) makes no part bad. Its scores are the best of
    its pictures', since a part is NG if one of them is.

    Args:
        records: Pictures with labels.
        detections: Of the same pictures, down to ``floor``.
        class_names: Names of the labels.
        rules: They say what counts and which pictures are one part; their score thresholds are not used.
        floor: Lowest score of the detections.

    Returns:
        The parts, in the order of their first pictures.

    Raises:
        ConfigError: It can't be said which part a picture shows.
    """
    numbers: dict[str, int] = {}
    part_of = np.array([numbers.setdefault(rules.part_of(record.name), len(numbers)) for record in records], int)
    scores = np.full((len(numbers), len(class_names)), NEVER)
    present = np.zeros((len(numbers), len(class_names)), np.bool_)
    largest = np.zeros(len(numbers))
    for part, record, found in zip(part_of, records, detections, strict=True):
        truth = as_detections(record, found.source_size)
        scores[part] = np.maximum(scores[part], ng_scores(found, class_names, rules))
        present[part] |= ng_scores(truth, class_names, rules) > NEVER
        areas = (truth.boxes_xyxy[:, 2:] - truth.boxes_xyxy[:, :2]).prod(axis=1)
        largest[part] = max(largest[part], float(areas.max(initial=0.0)))
    pictures = np.bincount(part_of, minlength=len(numbers))
    return LabelledParts(tuple(numbers), tuple(class_names), scores, present, largest, pictures, floor)


def as_detections(record: ImageRecord, source_size: tuple[int, int]) -> Detections:
    """The labels of a picture as detections of score 1."""
    truth = GroundTruth.of(record.objects)
    return Detections(
        truth.boxes_xyxy.astype(np.float32), np.ones(len(truth.labels), np.float32), truth.labels, source_size
    )
