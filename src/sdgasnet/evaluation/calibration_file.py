"""What ``sdgasnet calibrate`` left: ``calibration.json``, as far as a report needs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.rules_file import parse_rules
from sdgasnet.errors import ConfigError
from sdgasnet.evaluation.guarantee import RateBound
from sdgasnet.evaluation.thresholds import Costs


class _Costs(BaseModel):
    escape: float
    overkill: float


class CalibrationFile(BaseModel):
    """A calibration.

    Attributes:
        thresholds: Class name -> threshold.
        shared_threshold: Classes that share one.
        costs: What thresholds were chosen by; None if by a rate.
        bad_share: Of the parts at the line; None if chosen by a rate.
        max_escape_rate: The rate; None if chosen by cost.
        guarantee: See :meth:`~sdgasnet.evaluation.calibration.Guarantee.to_json`.
        policies: Costs of the chosen thresholds and others on the held-out half.
        notes: Sentences.
        pictures_chosen_on: SHA-256 of the pictures that thresholds were chosen on.
        rules: With the thresholds.
        model: As it was called.
        data: Where the pictures were.
    """

    model_config = ConfigDict(frozen=True)

    thresholds: dict[str, float]
    shared_threshold: tuple[str, ...]
    costs: _Costs | None
    bad_share: float | None
    max_escape_rate: float | None
    guarantee: dict[str, Any]
    policies: list[dict[str, Any]]
    notes: tuple[str, ...]
    pictures_chosen_on: frozenset[str]
    rules: dict[str, Any]
    model: str
    data: str

    def decision_rules(self, origin: str, class_names: Sequence[str]) -> DecisionRules:
        """The rules, checked against the classes of a model.

        Raises:
            ConfigError: They are not valid.
        """
        return parse_rules(json.dumps(self.rules).encode(), origin, class_names)

    def decision_costs(self) -> Costs | None:
        """What thresholds were chosen by."""
        return None if self.costs is None else Costs(self.costs.escape, self.costs.overkill, self.bad_share)

    def fits(self, escape: RateBound) -> bool:
        """Whether it counted the same misses: the same model and pictures were looked at."""
        stated = self.guarantee["escape"]
        return (stated["events"], stated["trials"]) == (escape.events, escape.trials)


def read_calibration(path: Path) -> CalibrationFile:
    """Read a ``calibration.json``.

    Raises:
        ConfigError: It can't be read or is something else.
    """
    try:
        return CalibrationFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"Calibration {path} can't be read: {error.strerror or error}. Expected the calibration.json that "
            "sdgasnet calibrate writes beside the rules."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole)"
        raise ConfigError(
            f"Calibration {path} is not valid at '{key}': {first['msg']}. Expected the calibration.json that "
            "sdgasnet calibrate writes beside the rules; calibrate again if an older version wrote it."
        ) from None
