"""The worst misses and false alarms of a decision, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from sdgasnet.data.records import ImageRecord
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.verdict import counting, ng_scores
from sdgasnet.evaluation.labelled_parts import LabelledParts, as_detections, is_ng
from sdgasnet.imaging.detections import Detections


@dataclass(frozen=True, slots=True)
class DecisionError:
    """A part that was decided wrongly.

    Attributes:
        kind: ``miss``: a bad part is passed; ``false alarm``: a good one is rejected.
        part: Its name.
        picture: The picture of it that shows why, by its name in the index.
        class_name: Of the labelled defect that counts most by area, or of the detection that rejects the part.
        score: NG score of the part for this class; below 0: nothing was found.
        threshold: Of this class.
        box_xyxy: The labelled defect, or the detection; pixels.
    """

    kind: Literal["miss", "false alarm"]
    part: str
    picture: str
    class_name: str
    score: float
    threshold: float
    box_xyxy: tuple[float, float, float, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def list_errors(
    records: Sequence[ImageRecord],
    detections: Sequence[Detections],
    parts: LabelledParts,
    rules: DecisionRules,
    thresholds: Sequence[float],
    most: int,
) -> tuple[DecisionError, ...]:
    """Parts that are decided wrongly.

    Args:
        records: Pictures, as the parts were made from.
        detections: Of the same pictures.
        parts: The parts to judge; pictures of others are passed over.
        rules: What the parts were made with.
        thresholds: ``(K,)`` of the decision.
        most: So many misses and so many false alarms.

    Returns:
        Misses, the one that is farthest from being found first; then false alarms, the surest first.
    """
    margins = (parts.scores - np.asarray(thresholds)).max(axis=1)
    ng = is_ng(parts.scores, thresholds)
    misses = [n for n in np.argsort(margins, kind="stable").tolist() if parts.bad[n] and not ng[n]]
    alarms = [n for n in np.argsort(-margins, kind="stable").tolist() if ng[n] and not parts.bad[n]]
    pictures: dict[str, list[tuple[ImageRecord, Detections]]] = {}
    for record, found in zip(records, detections, strict=True):
        pictures.setdefault(rules.part_of(record.name), []).append((record, found))
    return (
        *(_miss(parts, n, pictures[parts.names[n]], rules, thresholds) for n in misses[:most]),
        *(_alarm(parts, n, pictures[parts.names[n]], rules, thresholds) for n in alarms[:most]),
    )


def _miss(
    parts: LabelledParts,
    number: int,
    pictures: Sequence[tuple[ImageRecord, Detections]],
    rules: DecisionRules,
    thresholds: Sequence[float],
) -> DecisionError:
    """Shown at its largest labelled defect among those that count."""
    best, chosen = -1.0, None
    for record, found in pictures:
        truth = as_detections(record, found.source_size)
        truth = truth.where(counting(truth, parts.class_names, rules) & parts.present[number, truth.labels])
        areas = (truth.boxes_xyxy[:, 2:] - truth.boxes_xyxy[:, :2]).prod(axis=1)
        if len(areas) and areas.max() > best:
            best, chosen = float(areas.max()), (record, truth, int(areas.argmax()))
    assert chosen is not None
    return _error("miss", parts, number, *chosen, thresholds)


def _alarm(
    parts: LabelledParts,
    number: int,
    pictures: Sequence[tuple[ImageRecord, Detections]],
    rules: DecisionRules,
    thresholds: Sequence[float],
) -> DecisionError:
    """Shown at the best detection of the class that is farthest over its threshold."""
    label = int((parts.scores[number] - np.asarray(thresholds)).argmax())
    scores = [float(ng_scores(found, parts.class_names, rules)[label]) for _, found in pictures]
    record, found = pictures[int(np.argmax(scores))]
    shown = found.where(counting(found, parts.class_names, rules) & (found.labels == label))
    return _error("false alarm", parts, number, record, shown, 0, thresholds)


def _error(
    kind: Literal["miss", "false alarm"],
    parts: LabelledParts,
    number: int,
    record: ImageRecord,
    things: Detections,
    place: int,
    thresholds: Sequence[float],
) -> DecisionError:
    label = int(things.labels[place])
    x1, y1, x2, y2 = (round(float(side), 2) for side in things.boxes_xyxy[place])
    score = round(float(parts.scores[number, label]), 5)
    name = parts.class_names[label]
    return DecisionError(
        kind, parts.names[number], record.name, name, score, float(thresholds[label]), (x1, y1, x2, y2)
    )
