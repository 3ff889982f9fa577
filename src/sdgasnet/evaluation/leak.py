"""What near-duplicates in the training pictures are worth on the evaluation pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.errors import DataError
from sdgasnet.evaluation.bootstrap import Figure, describe_figure, match_classes, measure_figures
from sdgasnet.imaging.detections import Detections


@dataclass(frozen=True, slots=True)
class Part:
    """Evaluation pictures of one kind.

    Attributes:
        pictures: How many.
        objects: Labelled objects of the compared classes in them.
        AP: Mean over IoU 0.50:0.95 and the compared classes.
        AP50: At IoU 0.50.
    """

    pictures: int
    objects: int
    AP: Figure
    AP50: Figure


@dataclass(frozen=True, slots=True)
class Leak:
    """AP with and without a near-duplicate in training.

    Attributes:
        classes: Labels that have objects in both parts; only they are compared.
        known: Evaluation pictures with a near-duplicate among the training pictures.
        new: The others: what the model will meet.
        AP_gain: ``known`` less ``new``.
        AP50_gain: The same at IoU 0.50.
    """

    classes: tuple[int, ...]
    known: Part
    new: Part
    AP_gain: Figure
    AP50_gain: Figure

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure_leak(
    detections: Sequence[Detections],
    ground_truth: Sequence[Sequence[ObjectRecord]],
    is_known: NDArray[np.bool_],
    num_classes: int,
) -> Leak:
    """Compare AP on evaluation pictures with and without a near-duplicate in training.

    The two parts hold different pictures, so a gain says how much easier the known ones are for this model; part
    of it may be that they are easier anyway. Training on a split without the leak tells these apart.

    Args:
        detections: Of the evaluation pictures, down to the score floor.
        ground_truth: Their labels.
        is_known: ``(I,)`` has a near-duplicate in training.
        num_classes: K.

    Returns:
        Figures with percentile intervals over pictures drawn anew within each part.

    Raises:
        DataError: A part is empty, or no class has objects in both.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8.2 (two samples), 13 (percentiles).
    """
    parts = {"with": np.flatnonzero(is_known), "without": np.flatnonzero(~is_known)}
    for name, members in parts.items():
        if not len(members):
            raise DataError(
                f"No evaluation picture is {name} a near-duplicate in training, so there is nothing to compare."
            )
    matches = match_classes(detections, ground_truth, num_classes)
    classes = tuple(
        label for label, one in enumerate(matches) if all(one.objects[members].any() for members in parts.values())
    )
    if not classes:
        raise DataError("No class has objects in evaluation pictures both with and without a near-duplicate.")
    compared = [matches[label] for label in classes]
    sampled = {name: measure_figures(compared, members) for name, members in parts.items()}
    objects = {name: int(sum(one.objects[members].sum() for one in compared)) for name, members in parts.items()}
    known, new = (
        Part(
            len(parts[name]), objects[name], describe_figure(sampled[name].AP), describe_figure(sampled[name].AP50)
        )
        for name in ("with", "without")
    )
    return Leak(
        classes,
        known,
        new,
        describe_figure(sampled["with"].AP - sampled["without"].AP),
        describe_figure(sampled["with"].AP50 - sampled["without"].AP50),
    )
