"""Everything that quality assurance is asked to sign: the decision, what it promises, and where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import CalibrationConfig
from sdgasnet.data.records import ImageRecord
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.errors import ConfigError
from sdgasnet.evaluation.bootstrap import Figure, describe_figure, match_classes, measure_figures
from sdgasnet.evaluation.calibration import bound_decision
from sdgasnet.evaluation.calibration_file import CalibrationFile
from sdgasnet.evaluation.decision_curves import (
    DecisionCurves,
    Reliability,
    compute_decision_curves,
    compute_reliability,
)
from sdgasnet.evaluation.decision_errors import DecisionError, list_errors
from sdgasnet.evaluation.labelled_parts import LabelledParts, label_parts
from sdgasnet.imaging.detections import Detections
from sdgasnet.runtime.session import ModelSpec


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Average precision on the labelled pictures.

    Attributes:
        pictures: How many.
        objects: Labelled objects by class.
        AP: Mean over IoU 0.50:0.95 and classes.
        AP50: At IoU 0.50.
        AP50_per_class: The same by class; None where nothing is labelled.
    """

    pictures: int
    objects: dict[str, int]
    AP: Figure | None
    AP50: Figure | None
    AP50_per_class: dict[str, Figure | None]


@dataclass(frozen=True, slots=True, eq=False)
class DecisionReport:
    """What decisions do on labelled parts.

    Attributes:
        rules: What decides.
        thresholds: Class name -> lowest score that counts.
        parts: All parts that were looked at.
        judged: Those that curves, errors and bounds are of.
        chosen_on: Parts that thresholds were chosen on; they are in ``judged`` only if the guarantee is that of a
            calibration on the same parts.
        guarantee: See :meth:`~sdgasnet.evaluation.calibration.Guarantee.to_json`.
        curves: By threshold.
        reliability: Of the scores.
        errors: The worst.
        accuracy: Of the detections.
        calibration: Where thresholds come from; None if that is not known.
    """

    rules: DecisionRules
    thresholds: dict[str, float]
    parts: LabelledParts
    judged: LabelledParts
    chosen_on: int
    guarantee: dict[str, Any]
    curves: DecisionCurves
    reliability: Reliability
    errors: tuple[DecisionError, ...]
    accuracy: Accuracy
    calibration: CalibrationFile | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rules": self.rules.model_dump(mode="json", exclude_defaults=True),
            "thresholds": self.thresholds,
            "parts": {"all": len(self.parts), "judged": len(self.judged), "thresholds_chosen_on": self.chosen_on},
            "guarantee": self.guarantee,
            "accuracy": asdict(self.accuracy),
            "errors": [error.to_json() for error in self.errors],
            "reliability": self.reliability.to_json(),
            "curves": self.curves.to_json(),
        }


def make_decision_report(
    spec: ModelSpec,
    rules: DecisionRules,
    records: Sequence[ImageRecord],
    hashes: Sequence[str],
    detections: Sequence[Detections],
    labelled: int,
    calibration: CalibrationFile | None,
    settings: CalibrationConfig,
    most_errors: int,
) -> DecisionReport:
    """Judge decisions on labelled parts.

    Parts that thresholds were chosen on bound nothing and are left out. If there are no others, the guarantee is
    that of the calibration, which chose and bounded on the same parts by Learn-then-Test.

    Args:
        spec: The model.
        rules: What decides.
        records: Pictures, labelled ones first.
        hashes: SHA-256 of each picture.
        detections: Of each picture, down to the score floor.
        labelled: How many of the records are of the labelled set; average precision is of these.
        calibration: Where the thresholds come from; None if that is not known.
        settings: Confidence.
        most_errors: So many misses and so many false alarms.

    Raises:
        ConfigError: The calibration is of other thresholds, or can't bound the parts that it chose on.
    """
    names = spec.class_names
    thresholds = rules.score_thresholds(names, spec.detection.score_threshold)
    if calibration is not None:
        _require_same_thresholds(calibration, names, thresholds)
    parts = label_parts(records, detections, names, rules, spec.detection.score_floor)
    seen = frozenset() if calibration is None else calibration.pictures_chosen_on
    taken = {rules.part_of(record.name) for record, digest in zip(records, hashes, strict=True) if digest in seen}
    fresh = np.array([name not in taken for name in parts.names], np.bool_)
    if fresh.any():
        judged = parts.where(fresh)
        guarantee = bound_decision(judged, thresholds, settings).to_json()
    else:
        assert calibration is not None
        judged = parts
        guarantee = _stated_guarantee(calibration, judged, thresholds, settings)
    costs = None if calibration is None else calibration.decision_costs()
    return DecisionReport(
        rules=rules,
        thresholds=dict(zip(names, [round(value, 6) for value in thresholds.tolist()], strict=True)),
        parts=parts,
        judged=judged,
        chosen_on=int((~fresh).sum()),
        guarantee=guarantee,
        curves=compute_decision_curves(judged, thresholds.astype(np.float64), costs),
        reliability=compute_reliability(detections, [record.objects for record in records]),
        errors=list_errors(records, detections, judged, rules, thresholds.tolist(), most_errors),
        accuracy=measure_accuracy(records[:labelled], detections[:labelled], names),
        calibration=calibration,
    )


def measure_accuracy(
    records: Sequence[ImageRecord], detections: Sequence[Detections], class_names: Sequence[str]
) -> Accuracy:
    """Average precision with intervals over pictures drawn anew.

    Args:
        records: Labelled pictures, at least one.
        detections: Of each, down to the score floor.
        class_names: Names of the labels.
    """
    matches = match_classes(detections, [record.objects for record in records], len(class_names))
    everything = np.arange(len(records))
    shown = [one for one in matches if one.objects.any()]
    sampled = measure_figures(shown, everything) if shown else None
    return Accuracy(
        pictures=len(records),
        objects={name: int(one.objects.sum()) for name, one in zip(class_names, matches, strict=True)},
        AP=None if sampled is None else describe_figure(sampled.AP),
        AP50=None if sampled is None else describe_figure(sampled.AP50),
        AP50_per_class={
            name: describe_figure(measure_figures([one], everything).AP50) if one.objects.any() else None
            for name, one in zip(class_names, matches, strict=True)
        },
    )


def _require_same_thresholds(
    calibration: CalibrationFile, class_names: Sequence[str], thresholds: NDArray[np.float32]
) -> None:
    for name, threshold in zip(class_names, thresholds.tolist(), strict=True):
        chosen = calibration.thresholds.get(name)
        if chosen is None or np.float32(chosen) != np.float32(threshold):
            raise ConfigError(
                f"The calibration chose {'no threshold' if chosen is None else f'{chosen:g}'} for {name}; the "
                f"rules have {threshold:g}. Expected the calibration that the rules come from: put its rules into "
                "the bundle (sdgasnet bundle decide), or leave --calibration out."
            )


def _stated_guarantee(
    calibration: CalibrationFile,
    parts: LabelledParts,
    thresholds: NDArray[np.float32],
    settings: CalibrationConfig,
) -> dict[str, Any]:
    if calibration.max_escape_rate is None:
        raise ConfigError(
            "Thresholds were chosen on all of these pictures, so that they say nothing of the escape rate. Give "
            "the whole split that was calibrated on, of which one half chose nothing, or other pictures."
        )
    counted = bound_decision(parts, thresholds, settings).escape
    if not calibration.fits(counted):
        stated = calibration.guarantee["escape"]
        raise ConfigError(
            f"The calibration counted {stated['events']} of {stated['trials']} bad parts missed; here it is "
            f"{counted.events} of {counted.trials}. Expected the same model, precision, rules and pictures; "
            "calibrate again."
        )
    return calibration.guarantee
