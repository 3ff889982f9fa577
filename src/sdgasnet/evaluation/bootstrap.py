"""Paired bootstrap of average precision: how sure a difference between two detectors is.

Matching is done once. A resample is then a weight for each picture (how often it was drawn), and AP follows from
weighted sums over the detections in the order of their scores: thousands of times faster than measuring again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.matching import GroundTruth
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import pairwise_iou

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps over which AP is the mean; AP50 is of the first."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which the COCO protocol reads the precision."""
COUNTED = 100
"""Detections that count, of each class in each picture, best first."""
RESAMPLES = 1000
COVERAGE = 0.95
"""Share of the resamples that lies in the interval."""
SEED = 0
"""Of the resamples: the same runs always give the same interval."""
BLOCK = 100
"""Resamples computed at once; changes memory, not results."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassMatches:
    """What the detections of one class are, over all pictures, best score first.

    Attributes:
        pictures: ``(N,)`` picture of each detection.
        true_positives: A threshold of :data:`IOU_THRESHOLDS` each: places in ``pictures`` that found an object.
        ignored: The same for places that lie in a crowd region and are neither right nor wrong.
        objects: ``(I,)`` labelled objects of each picture, crowd regions not counted.
    """

    pictures: NDArray[np.int64]
    true_positives: tuple[NDArray[np.int64], ...]
    ignored: tuple[NDArray[np.int64], ...]
    objects: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SampledPrecision:
    """Figures of one detector on resamples of the pictures; NaN where a resample holds no labelled object.

    Attributes:
        AP: ``(R,)`` mean over IoU 0.50:0.95 and classes, in [0, 1].
        AP50: ``(R,)`` at IoU 0.50.
    """

    AP: NDArray[np.float64]
    AP50: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a difference, in the unit of the figure."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in [0, 1] and the interval that holds 95 % of its resamples; None where it is not defined."""

    value: float
    interval: Interval | None


def match_classes(
    detections: Sequence[Detections], ground_truth: Sequence[Sequence[ObjectRecord]], num_classes: int
) -> tuple[ClassMatches, ...]:
    """Match detections with labels as the COCO protocol does, at every overlap.

    Args:
        detections: One value a picture, down to the score floor.
        ground_truth: Labelled objects of the same pictures, in the same order.
        num_classes: K.

    Returns:
        One value a class.

    Source:
        Lin et al., Microsoft COCO, ECCV 2014; checked against faster-coco-eval by a test.
    """
    truths = [GroundTruth.of(things) for things in ground_truth]
    return tuple(_match_class(detections, truths, label) for label in range(num_classes))


def sample_average_precision(classes: Sequence[ClassMatches], weights: NDArray[np.int64]) -> SampledPrecision:
    """AP of every resample.

    Args:
        classes: From :func:`match_classes`.
        weights: ``(R, I)`` how often each picture was drawn.

    Returns:
        AP and AP50. Where every weight is 1 they equal those of
        :func:`~sdgasnet.evaluation.average_precision.compute_average_precision`.
    """
    blocks = [_sample_block(classes, weights[first : first + BLOCK]) for first in range(0, len(weights), BLOCK)]
    stacked = np.concatenate(blocks, axis=2)
    valid = ~np.isnan(stacked)
    sums, counts = np.where(valid, stacked, 0.0).sum(axis=0), valid.sum(axis=0)
    by_threshold = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return SampledPrecision(AP=by_threshold.mean(axis=0), AP50=by_threshold[0])


def draw_pictures(pictures: int) -> NDArray[np.int64]:
    """How often each picture is drawn, in each of :data:`RESAMPLES` drawings with replacement.

    Args:
        pictures: I, >= 1.

    Returns:
        ``(R, I)``; rows sum to I. Always the same for the same I: detectors are compared on equal drawings.
    """
    rng = np.random.default_rng(SEED)
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=RESAMPLES)


def measure_figures(classes: Sequence[ClassMatches], members: NDArray[np.int64]) -> SampledPrecision:
    """AP of some pictures, first as they are and then of every resample of them.

    Args:
        classes: From :func:`match_classes`.
        members: Numbers of the pictures, at least one.

    Returns:
        ``(1 + R,)`` each, for :func:`describe_figure`.
    """
    pictures = len(classes[0].objects)
    weights = np.zeros((1 + RESAMPLES, pictures), dtype=np.int64)
    weights[0, members] = 1
    weights[1:, members] = draw_pictures(len(members))
    return sample_average_precision(classes, weights)


def describe_figure(values: NDArray[np.float64]) -> Figure:
    """A figure with its percentile interval; resamples in which it is not defined are left out.

    Args:
        values: ``(1 + R,)``: the figure itself, then the resamples.

    Examples:
        >>> describe_figure(np.array([0.5, 0.4, 0.4, 0.6, 0.6]))
        Figure(value=0.5, interval=Interval(low=0.4, high=0.6))
    """
    drawn = values[1:][~np.isnan(values[1:])]
    if len(drawn) < len(values) / 2:
        return Figure(float(values[0]), None)
    low, high = np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]).tolist()
    return Figure(float(values[0]), Interval(low, high))


def compute_paired_interval(
    variant: Sequence[NDArray[np.float64]], baseline: Sequence[NDArray[np.float64]]
) -> Interval | None:
    """Percentile interval of the mean difference between pairs of runs.

    In every resample the pictures are drawn anew, the same for all runs, and the pairs (seeds) as well. Of few
    pairs it knows little of how much seeds vary: with one pair it speaks of the pictures alone.

    Args:
        variant: A run each: ``(R,)`` figure by resample.
        baseline: The run of the same seed, each.

    Returns:
        The interval that holds :data:`COVERAGE` of the differences; None without a pair, or where a figure is
        not defined.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).

    Examples:
        >>> figure = np.linspace(0.4, 0.6, RESAMPLES)
        >>> compute_paired_interval([figure], [figure])
        Interval(low=0.0, high=0.0)
    """
    if not variant:
        return None
    differences = np.stack([one - other for one, other in zip(variant, baseline, strict=True)])
    pairs, resamples = differences.shape
    drawn = np.random.default_rng([SEED, 1]).multinomial(pairs, np.full(pairs, 1 / pairs), size=resamples)
    means = (drawn.T * differences).sum(axis=0) / pairs
    if np.isnan(means).any():
        return None
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]).tolist()
    return Interval(low, high)


def _match_class(detections: Sequence[Detections], truths: Sequence[GroundTruth], label: int) -> ClassMatches:
    scores, pictures, right, ignored = [], [], [], []
    objects = np.zeros(len(truths), dtype=np.int64)
    for number, (found, truth) in enumerate(zip(detections, truths, strict=True)):
        rows = np.flatnonzero(found.labels == label)
        rows = rows[np.argsort(-found.scores[rows], kind="stable")[:COUNTED]]
        columns = np.flatnonzero(truth.labels == label)
        # Crowd regions last: they are asked only by what found no object.
        columns = columns[np.argsort(truth.crowd[columns], kind="stable")]
        objects[number] = np.count_nonzero(~truth.crowd[columns])
        boxes = found.boxes_xyxy[rows].astype(np.float64)
        overlaps = _overlaps(boxes, truth.boxes_xyxy[columns], truth.crowd[columns])
        one_right, one_ignored = _match_picture(overlaps, truth.crowd[columns])
        scores.append(found.scores[rows])
        pictures.append(np.full(len(rows), number))
        right.append(one_right)
        ignored.append(one_ignored)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    all_right, all_ignored = (np.concatenate(parts, axis=1)[:, order] for parts in (right, ignored))
    return ClassMatches(
        pictures=np.concatenate(pictures)[order],
        true_positives=tuple(np.flatnonzero(row) for row in all_right),
        ignored=tuple(np.flatnonzero(row) for row in all_ignored),
        objects=objects,
    )


def _overlaps(
    boxes: NDArray[np.float64], truth: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """IoU; with a crowd region the share of the detection that lies in it."""
    overlaps = pairwise_iou(boxes, truth)
    if crowd.any():
        regions = truth[crowd][None]
        sides = np.minimum(boxes[:, None, 2:], regions[..., 2:]) - np.maximum(boxes[:, None, :2], regions[..., :2])
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None]
        inside = np.clip(sides, 0, None).prod(axis=2)
        overlaps[:, crowd] = np.divide(inside, areas, out=np.zeros_like(inside), where=areas > 0)
    return overlaps


def _match_picture(
    overlaps: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Greedy matching, best score first, of ``(N, M)`` overlaps; ``(T, N)`` right and ignored."""
    right = np.zeros((len(IOU_THRESHOLDS), len(overlaps)), dtype=np.bool_)
    ignored = np.zeros_like(right)
    near = np.flatnonzero((overlaps >= IOU_THRESHOLDS[0]).any(axis=1))
    rows = [(int(row), overlaps[row].tolist()) for row in near]
    regions = crowd.tolist()
    for level, threshold in enumerate(IOU_THRESHOLDS.tolist()):
        taken = [False] * len(regions)
        for row, row_overlaps in rows:
            best, chosen = threshold, -1
            for column, overlap in enumerate(row_overlaps):
                if taken[column] and not regions[column]:
                    continue
                if chosen >= 0 and regions[column] and not regions[chosen]:
                    break
                if overlap >= best:
                    best, chosen = overlap, column
            if chosen >= 0:
                taken[chosen] = True
                (ignored if regions[chosen] else right)[level, row] = True
    return right, ignored


def _sample_block(classes: Sequence[ClassMatches], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(K, T, R)`` average precision of each class and overlap; NaN where a resample has no object of it."""
    result = np.full((len(classes), len(IOU_THRESHOLDS), len(weights)), np.nan)
    for number, one in enumerate(classes):
        objects = weights @ one.objects
        has_objects = objects > 0
        drawn = weights[:, one.pictures]
        counted = drawn.cumsum(axis=1)
        for level, (right, ignored) in enumerate(zip(one.true_positives, one.ignored, strict=True)):
            found = drawn[:, right].cumsum(axis=1)
            shown = counted[:, right]
            if len(ignored):
                out_of_count = np.zeros_like(drawn)
                out_of_count[:, ignored] = drawn[:, ignored]
                shown = shown - out_of_count.cumsum(axis=1)[:, right]
            figures = _interpolated_precision(found, shown, objects)
            result[number, level, has_objects] = figures[has_objects]
    return result


def _interpolated_precision(
    found: NDArray[np.int64], shown: NDArray[np.int64], objects: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over :data:`RECALLS` of the best precision at that recall or a higher one.

    Precision only falls between true positives, so their places are enough.

    Args:
        found: ``(R, T)`` objects found up to each true positive.
        shown: ``(R, T)`` detections up to there.
        objects: ``(R,)`` labelled objects.
    """
    if not found.shape[1]:
        return np.zeros(len(found))
    precision = np.divide(found, shown, out=np.zeros(found.shape), where=found > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = found / np.maximum(objects, 1)[:, None]
    reached = np.searchsorted(RECALLS, recall, side="right")
    gained: NDArray[np.int64] = np.diff(reached, axis=1, prepend=0)
    figures: NDArray[np.float64] = (envelope * gained).sum(axis=1) / len(RECALLS)
    return figures
