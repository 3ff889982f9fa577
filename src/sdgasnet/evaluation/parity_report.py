"""What the parity gate found, what it is held against, and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, isfinite
from typing import Any, Literal

from sdgasnet.config.schema import ParityConfig, Tolerance
from sdgasnet.evaluation.agreement import MatchedDetections, Spread
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.golden import GoldenCheck
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.runtime.deployment import Runtime
from sdgasnet.runtime.manifest import ComputePrecision

REPORT_NAME = "parity.json"
FLOAT_WAY = "onnxruntime fp32"
Verdict = Literal["within", "outside", "not run"]


@dataclass(frozen=True, slots=True)
class DifferingPicture:
    """A picture where one says something at its threshold and the other nothing.

    Attributes:
        name: The picture.
        reference: Number of detections of the reference.
        bundle: Number of detections of the bundle.
    """

    name: str
    reference: int
    bundle: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A bundle in one runtime and precision against the reference.

    Attributes:
        points: Points whose raw outputs were compared.
        boxes: Differences of raw boxes, canvas pixels.
        scores: Differences of raw scores.
        detections: Detections at the thresholds.
        AP: Of the bundle; None without labels.
        AP50: Of the bundle; None without labels.
        AP_difference: Bundle less reference.
        AP50_difference: Bundle less reference.
        differing: Pictures where one says something and the other nothing.
    """

    points: int
    boxes: Spread
    scores: Spread
    detections: MatchedDetections
    AP: float | None
    AP50: float | None
    AP_difference: float | None
    AP50_difference: float | None
    differing: tuple[DifferingPicture, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of one runtime and precision.

    Attributes:
        runtime: The runtime.
        precision: What was computed in.
        verdict: ``not run`` where this processor can't.
        reasons: What is outside the tolerances, or why it was not run.
        figures: None where it was not run, or failed.
    """

    runtime: Runtime
    precision: ComputePrecision
    verdict: Verdict
    reasons: tuple[str, ...]
    figures: Figures | None

    @property
    def name(self) -> str:
        """As in ``Manifest.refused``: ``"openvino bf16"``."""
        return f"{self.runtime} {self.precision}"


@dataclass(frozen=True)
class ParityReport:
    """The whole comparison.

    Attributes:
        reference: What the bundle was compared with.
        precision: The bundle's own.
        pictures: Number of pictures.
        AP: Of the reference; None without labels.
        AP50: Of the reference; None without labels.
        golden: The float graph against golden vectors, where it was the reference.
        comparisons: A value each runtime and precision.
        tolerances: What they were held against.
    """

    reference: str
    precision: ComputePrecision
    pictures: int
    AP: float | None
    AP50: float | None
    golden: GoldenCheck | None
    comparisons: tuple[Comparison, ...]
    tolerances: ParityConfig

    @property
    def passed(self) -> bool:
        """Whether all that decides is within the tolerances, and something does.

        Where the bundle's own float graph is the reference, golden vectors decide about that one.
        """
        deciding = [one.verdict == "within" for one in self.comparisons if self.decides(one)]
        if self.golden is not None:
            deciding.append(self.golden.passed)
        return bool(deciding) and all(deciding)

    def decides(self, one: Comparison) -> bool:
        """Whether a comparison is of the bundle's own precision, or of the float graph that all others come from.

        That one is known to the digit: what is wrong with it is wrong with the others, though their wider
        tolerances may not show it.
        """
        return one.precision == self.precision or one.name == FLOAT_WAY

    @property
    def refused(self) -> tuple[str, ...]:
        """Ways to run that decide nothing and are outside: nothing should choose them."""
        side = (one for one in self.comparisons if not self.decides(one))
        return tuple(one.name for one in side if one.verdict == "outside")

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the machine, the versions and the commit; what is not finite becomes None."""
        facts = {
            "parity": "passed" if self.passed else "failed",
            "refused": list(self.refused),
            **{name: value for name, value in vars(self).items() if name not in ("comparisons", "golden")},
            "golden": asdict(self.golden) if self.golden else None,
            "comparisons": [asdict(one) for one in self.comparisons],
            "tolerances": self.tolerances.model_dump(),
            "hardware": describe_hardware(),
            "versions": describe_versions(),
            "commit": describe_commit(),
        }
        plain: dict[str, Any] = _finite(facts)
        return plain


def list_excesses(figures: Figures, pictures: int, allowed: Tolerance) -> tuple[str, ...]:
    """What is outside a tolerance, in words; a figure that is not a number is outside.

    Args:
        figures: The figures.
        pictures: Number of pictures that they are of.
        allowed: The tolerance.
    """
    found = figures.detections
    limits: list[tuple[str, float | None, float | None]] = [
        ("raw boxes differ by {:.3g} px", figures.boxes.largest, allowed.boxes),
        ("raw scores differ by {:.2g}", figures.scores.largest, allowed.scores),
        ("one raw score in 1000 differs by {:.2g}", figures.scores.p999, allowed.scores_p999),
        ("scores of detections shift by {:.3g}", _size(found.mean_score_shift), allowed.score_shift),
        ("a share of {:.3g} of the detections has no partner", found.unmatched_share, allowed.unmatched),
        ("AP differs by {:.2g}", _size(figures.AP_difference), allowed.AP),
        ("AP50 falls by {:.2g}", _fall(figures.AP50_difference), allowed.AP50),
        ("{:g} pictures differ", len(figures.differing), ceil(allowed.differing_pictures * pictures)),
    ]
    # Not "value > limit": that would let NaN pass.
    reasons = [
        f"{words.format(value)}, {limit:g} allowed"
        for words, value, limit in limits
        if value is not None and limit is not None and not value <= limit
    ]
    if found.mean_iou is not None and not found.mean_iou >= allowed.mean_iou:
        reasons.append(f"mean IoU of detections is {found.mean_iou:.3g}, {allowed.mean_iou:g} needed")
    return tuple(reasons)


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _fall(difference: float | None) -> float | None:
    return None if difference is None else -difference


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
