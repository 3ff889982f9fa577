"""Labels that a detector contradicts which never saw them: suspicions of label errors, ranked.

The detections of a picture have to come from a training without that picture (out of fold), or the detector has
learnt the errors along with the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.matching import MATCH_IOU, GroundTruth, match_detections
from sdgasnet.evaluation.neighbours import Neighbours
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou

ErrorKind = Literal["missing", "class", "extent", "extra", "unlike"]
Thing = tuple[int, tuple[float, float, float, float]]
"""Label and box, x1 y1 x2 y2 in pixels."""

TOUCHING_IOU = 0.1
"""Overlap from which a detection and a labelled box may mean the same thing."""
SAME_THING_IOU = 0.3
"""Overlap from which a detection speaks for the class of a labelled box."""
GOOD_EXTENT_IOU = 0.65
"""Overlap from which a box is not doubted."""
LEAST_CONFIDENCE = 0.2
"""Detections that are right less often than that contradict nothing."""
LEAST_AGREEMENT = 0.5
"""Share of places labelled alike in near-duplicates, below which copies differ on purpose: one board with other
defects drawn in."""
WEIGHT: Mapping[ErrorKind, float] = {"missing": 1.0, "class": 1.0, "extent": 0.5, "extra": 0.5, "unlike": 1.0}
"""Detectors overlook defects and place boxes loosely more often than they invent or confuse them."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One label that may be wrong.

    Attributes:
        picture: Name of the picture, as in the index.
        kind: ``missing``: something was found where nothing is labelled; ``class``: something of another class was
            found; ``extent``: it was found in another box; ``extra``: nothing was found at a labelled box;
            ``unlike``: near-duplicates that show the same place are labelled otherwise.
        strength: In [0, 1]; the ranking goes by it. Not a probability.
        labelled: What is labelled; None for ``missing``, and where only near-duplicates have a label.
        found: What was found, or is labelled in near-duplicates; None for ``extra``, and where they have nothing.
        unlike: Names of the near-duplicates, for ``unlike``.
    """

    picture: str
    kind: ErrorKind
    strength: float
    labelled: Thing | None
    found: Thing | None
    unlike: tuple[str, ...] = ()

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """A mapping for JSON, with class names; boxes in pixels.

        Examples:
            >>> Suspicion("a.png", "missing", 0.9, None, (0, (1.0, 2.0, 3.0, 4.0))).to_json(["pit"])["found"]
            {'class': 'pit', 'box_xyxy': [1.0, 2.0, 3.0, 4.0]}
        """

        def describe(thing: Thing | None) -> dict[str, Any] | None:
            return None if thing is None else {"class": class_names[thing[0]], "box_xyxy": list(thing[1])}

        return {
            "picture": self.picture,
            "kind": self.kind,
            "strength": round(self.strength, 4),
            "labelled": describe(self.labelled),
            "found": describe(self.found),
            **({"unlike": list(self.unlike)} if self.unlike else {}),
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """Labels and detections of one picture.

    Attributes:
        name: Its name.
        truth: M labelled objects, without crowd regions.
        found: N detections.
        confidence: ``(N,)`` share of the detections of such a class and score that are right in this data set.
        overlaps: ``(N, M)`` IoU.
        same: ``(N, M)`` bool: of one class.
    """

    name: str
    truth: GroundTruth
    found: Detections
    confidence: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    same: NDArray[np.bool_]

    def evidence(self) -> NDArray[np.float64]:
        """``(M,)`` how well the best detection of its class speaks for each labelled box."""
        speaks = np.where(self.same, self.overlaps * self.confidence[:, None], 0.0)
        return np.asarray(speaks.max(axis=0, initial=0.0))

    def finds(self, label: int, place: NDArray[np.float64]) -> bool:
        """Whether something of a class was found at a place."""
        there = pairwise_iou(self.found.boxes_xyxy.astype(np.float64), place[None])[:, 0] >= SAME_THING_IOU
        return bool((there & (self.found.labels == label) & (self.confidence >= LEAST_CONFIDENCE)).any())

    def labelled(self, column: int) -> Thing:
        return int(self.truth.labels[column]), _box(self.truth.boxes_xyxy[column])

    def detected(self, row: int) -> Thing:
        return int(self.found.labels[row]), _box(self.found.boxes_xyxy[row])


def suspect_labels(
    records: Sequence[ImageRecord],
    detections: Mapping[str, Detections],
    num_classes: int,
    neighbours: Neighbours | None = None,
) -> list[Suspicion]:
    """Hold labels against out-of-fold detections, and against those of near-duplicates.

    What is found at one place of several near-duplicates and labelled in none of them is rather a part of the
    pattern than forgotten in all of them: such suspicions are weakened.

    Args:
        records: Pictures with their labels; those without detections are held against near-duplicates alone.
        detections: Name of a picture -> what was found in it, down to a low score.
        num_classes: K.
        neighbours: Of the same pictures, in the same order; None leaves near-duplicates out.

    Returns:
        Suspicions, strongest first.

    Source:
        Ours [O]; that a given label is held against out-of-fold confidences, each class with its own scale,
        follows confident learning: Northcutt, Jiang, Chuang, Confident Learning, JAIR 2021.
    """
    seen = [record for record in records if record.name in detections]
    confidences = estimate_confidences(seen, [detections[record.name] for record in seen], num_classes)
    pictures = [
        _compare(record, detections[record.name], sure) for record, sure in zip(seen, confidences, strict=True)
    ]
    evidence = [np.zeros(0) for _ in range(num_classes)]
    extents = [np.zeros(0) for _ in range(num_classes)]
    for label in range(num_classes):
        of_class = [(picture, picture.truth.labels == label) for picture in pictures]
        evidence[label] = np.sort(np.concatenate([picture.evidence()[mask] for picture, mask in of_class] or [[]]))
        extents[label] = np.sort(np.concatenate([_extents(picture)[mask] for picture, mask in of_class] or [[]]))
    found = [
        suspicion
        for picture in pictures
        for suspicions in (
            _missing(picture),
            _class(picture),
            _extent(picture, extents),
            _extra(picture, evidence),
        )
        for suspicion in suspicions
    ]
    if neighbours is not None:
        by_name = {picture.name: picture for picture in pictures}
        found = [*_discount_pattern(found, by_name, neighbours), *suspect_unlike(neighbours)]
    weighted = (replace(entry, strength=entry.strength * WEIGHT[entry.kind]) for entry in found)
    return sorted(
        (entry for entry in weighted if entry.strength > 0),
        key=lambda entry: (-entry.strength, entry.picture, entry.kind, str(entry.labelled), str(entry.found)),
    )


def suspect_unlike(neighbours: Neighbours) -> list[Suspicion]:
    """Pictures that are labelled otherwise than their near-duplicates, at places that look the same.

    Args:
        neighbours: The pictures that have near-duplicates.

    Returns:
        One a place, in no order; none if near-duplicates of this set mostly differ. The strength is the share of
        the pictures that show the place, the picture itself among them, that are labelled otherwise.
    """
    if neighbours.agreement() < LEAST_AGREEMENT:
        return []
    found: list[Suspicion] = []
    for record in neighbours:
        truth, name = neighbours.truth(record), neighbours.name(record)
        for label, box in zip(truth.labels.tolist(), truth.boxes_xyxy, strict=True):
            opinions = neighbours.opinions(record, box)
            against = [one for one in opinions if label not in one.labels]
            if against:
                other = next(((one.labels[0], _box(box)) for one in against if one.labels), None)
                names = tuple(neighbours.name(one.record) for one in against)
                strength = len(against) / (len(opinions) + 1)
                found.append(Suspicion(name, "unlike", strength, (label, _box(box)), other, names))
        taken = truth.boxes_xyxy
        for label, box in neighbours.labelled_around(record):
            if pairwise_iou(box[None], taken).max(initial=0.0) >= TOUCHING_IOU:
                continue
            taken = np.concatenate([taken, box[None]])
            opinions = neighbours.opinions(record, box)
            against = [one for one in opinions if label in one.labels]
            if against:
                names = tuple(neighbours.name(one.record) for one in against)
                strength = len(against) / (len(opinions) + 1)
                found.append(Suspicion(name, "unlike", strength, None, (label, _box(box)), names))
    return found


def _discount_pattern(
    suspicions: Iterable[Suspicion], pictures: Mapping[str, _Picture], neighbours: Neighbours
) -> Iterator[Suspicion]:
    """The same suspicions; missing boxes weaker if the same is found, and not labelled, in near-duplicates."""
    numbers = {neighbours.name(record): record for record in neighbours}
    for entry in suspicions:
        if entry.kind != "missing" or entry.picture not in numbers or entry.found is None:
            yield entry
            continue
        label, box = entry.found
        labelled = pattern = 0
        for other, place in neighbours.places(numbers[entry.picture], np.array(box)):
            seen = pictures.get(neighbours.name(other))
            if seen is not None and seen.finds(label, place):
                labels = neighbours.labels_at(other, place)
                labelled, pattern = labelled + bool(labels), pattern + (not labels)
        yield replace(entry, strength=entry.strength * (1 + labelled) / (1 + labelled + pattern))


def estimate_confidences(
    records: Sequence[ImageRecord], detections: Sequence[Detections], num_classes: int
) -> list[NDArray[np.float64]]:
    """How often detections of a class and score are right, as isotonic regression on the labels says.

    Args:
        records: Pictures with their labels.
        detections: Of the same pictures.
        num_classes: K.

    Returns:
        One ``(N,)`` array a picture, values in [0, 1], not decreasing with the score within a class.

    Source:
        Zadrozny, Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002.
    """
    if not detections:
        return []
    from scipy.optimize import isotonic_regression

    right = np.concatenate(
        [
            match_detections(found, record.objects).true_positive
            for record, found in zip(records, detections, strict=True)
        ]
    )
    scores = np.concatenate([found.scores for found in detections])
    labels = np.concatenate([found.labels for found in detections])
    confidence = np.zeros(len(scores))
    for label in range(num_classes):
        of_class = np.flatnonzero(labels == label)
        if len(of_class):
            order = of_class[np.argsort(scores[of_class], kind="stable")]
            confidence[order] = isotonic_regression(right[order].astype(np.float64)).x
    return np.split(confidence, np.cumsum([len(found) for found in detections])[:-1])


def _compare(record: ImageRecord, found: Detections, confidence: NDArray[np.float64]) -> _Picture:
    truth = GroundTruth.of([thing for thing in record.objects if not thing.crowd])
    overlaps = pairwise_iou(found.boxes_xyxy.astype(np.float64), truth.boxes_xyxy)
    same = found.labels[:, None] == truth.labels[None, :]
    return _Picture(record.name, truth, found, confidence, overlaps, same)


def _extents(picture: _Picture) -> NDArray[np.float64]:
    """``(M,)`` overlap of each labelled box with the detection that speaks best for it; 1 where none does."""
    speaks = np.where(
        picture.same & (picture.overlaps >= TOUCHING_IOU), picture.overlaps * picture.confidence[:, None], 0.0
    )
    if not len(picture.found):
        return np.ones(len(picture.truth.labels))
    best = speaks.argmax(axis=0)
    columns = np.arange(len(best))
    return np.where(speaks[best, columns] > 0, picture.overlaps[best, columns], 1.0)


def _missing(picture: _Picture) -> Iterator[Suspicion]:
    """Detections that touch no labelled box of any class; of those that touch each other the surest."""
    nearest = picture.overlaps.max(axis=1, initial=0.0)
    rows = np.flatnonzero((nearest < TOUCHING_IOU) & (picture.confidence >= LEAST_CONFIDENCE))
    boxes = picture.found.boxes_xyxy.astype(np.float64)
    taken: list[int] = []
    for row in sorted(rows.tolist(), key=lambda row: -picture.confidence[row]):
        if taken and pairwise_iou(boxes[row][None], boxes[taken]).max() >= SAME_THING_IOU:
            continue
        taken.append(row)
        strength = picture.confidence[row] * (1 - nearest[row])
        yield Suspicion(picture.name, "missing", float(strength), None, picture.detected(row))


def _class(picture: _Picture) -> Iterator[Suspicion]:
    """Labelled boxes where another class was found, and not the labelled one."""
    belongs = (picture.same & (picture.overlaps >= MATCH_IOU)).any(axis=1)
    for column in range(len(picture.truth.labels)):
        overlaps, same = picture.overlaps[:, column], picture.same[:, column]
        own = picture.confidence[same & (overlaps >= SAME_THING_IOU)].max(initial=0.0)
        others = np.flatnonzero(~same & (overlaps >= MATCH_IOU) & ~belongs)
        if len(others):
            row = int(others[picture.confidence[others].argmax()])
            strength = picture.confidence[row] * (1 - own)
            yield Suspicion(
                picture.name, "class", float(strength), picture.labelled(column), picture.detected(row)
            )


def _extent(picture: _Picture, extents: Sequence[NDArray[np.float64]]) -> Iterator[Suspicion]:
    """Labelled boxes that were found in another place or size, and not as they are."""
    fit = np.where(picture.same, picture.overlaps, 0.0)
    for column, label in enumerate(picture.truth.labels.tolist()):
        good = (fit[:, column] >= GOOD_EXTENT_IOU) & (picture.confidence >= LEAST_CONFIDENCE)
        # A detection speaks of the labelled box that it fits best.
        rows = np.flatnonzero((fit[:, column] >= TOUCHING_IOU) & (fit[:, column] >= fit.max(axis=1, initial=0.0)))
        if good.any() or not len(rows):
            continue
        row = int(rows[picture.confidence[rows].argmax()])
        strength = picture.confidence[row] * _share_above(extents[label], fit[row, column])
        yield Suspicion(picture.name, "extent", float(strength), picture.labelled(column), picture.detected(row))


def _extra(picture: _Picture, evidence: Sequence[NDArray[np.float64]]) -> Iterator[Suspicion]:
    """Labelled boxes that nothing speaks for, where most of their class have something."""
    own = picture.evidence()
    for column, label in enumerate(picture.truth.labels.tolist()):
        touching = picture.confidence[picture.overlaps[:, column] >= TOUCHING_IOU].max(initial=0.0)
        strength = _share_above(evidence[label], own[column]) * (1 - touching)
        yield Suspicion(picture.name, "extra", float(strength), picture.labelled(column), None)


def _share_above(values: NDArray[np.float64], value: float) -> float:
    """Share of sorted values that are larger."""
    return 1.0 - float(np.searchsorted(values, value, side="right")) / max(1, len(values))


def _box(values: NDArray[np.floating]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(value), 2) for value in values)
    return x1, y1, x2, y2
