"""Drift watch: does the line still look as it did when thresholds were chosen?

Every picture gives a few statistics. Each is compared with a baseline by a cumulative sum, which adds up small
steps in one direction until they can't be chance any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdgasnet.errors import ConfigError, ModelError
from sdgasnet.imaging.appearance import Appearance, describe_appearance
from sdgasnet.imaging.image import Image
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.deployment import Runtime
from sdgasnet.runtime.detector import Inspection
from sdgasnet.runtime.manifest import ComputePrecision

BASELINE_NAME = "drift.json"
"""In bundles that have a baseline."""
STATISTICS = (*Appearance._fields, "best_score", "detections", "novelty")
"""What is watched, in order: how the picture looks; the best raw score; the logarithm of one more than the number
of detections from the model's own threshold on; and the logarithm of how far the embedding lies from where those
of the baseline lie."""
LOGARITHMS = frozenset({*Appearance._fields, "detections", "novelty"})
UPWARDS_ONLY = frozenset({"novelty"})
"""Pictures that are more usual than the baseline are no drift."""
CLIP = 3.0
"""Standard deviations at which the value of one picture is cut, so that one alone is no alarm."""
LEAST_EMBEDDING = 1e-6
"""Added to the squared distance before its logarithm."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Statistic(_Strict):
    """One statistic in the baseline.

    Attributes:
        center: Mean.
        scale: Standard deviation.
        offset: Mean of the clipped standardised values, which is what the sums start from.
    """

    center: Finite
    scale: Positive
    offset: Finite


class DriftBaseline(_Strict):
    """What the line looked like.

    Attributes:
        pictures: Pictures that it is from.
        runtime: That scores and embeddings are from.
        precision: That they are computed in.
        statistics: By name, those of :data:`STATISTICS`.
        reference: Standard deviations that are taken off every step: drifts below are not looked for.
        limit: Alarm where a sum passes it.
        pictures_per_alarm: Mean number of pictures between two false alarms that the limit was set for.
        usual_rate: Pictures between two false alarms on a line that the baseline is only a sample of: the median
            over such samples, and what 9 of 10 of them exceed.
        embedding_mean: ``(E,)``.
        embedding_axes: ``(N, E)`` orthonormal directions in which embeddings of the baseline differ most.
    """

    pictures: Annotated[int, Field(ge=1)]
    runtime: Runtime
    precision: ComputePrecision
    statistics: dict[str, Statistic]
    reference: Positive
    limit: Positive
    pictures_per_alarm: Positive
    usual_rate: tuple[Positive, Positive]
    embedding_mean: list[Finite]
    embedding_axes: list[list[Finite]]

    @model_validator(mode="after")
    def _fits_together(self) -> DriftBaseline:
        if tuple(self.statistics) != STATISTICS:
            raise ValueError(f"statistics are {', '.join(self.statistics)}; expected {', '.join(STATISTICS)}")
        if any(len(axis) != len(self.embedding_mean) for axis in self.embedding_axes):
            raise ValueError("embedding_axes and embedding_mean differ in length")
        return self

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A statistic that has left its band.

    Attributes:
        statistic: Name.
        direction: Which way.
        picture: Number of the picture, counted from 1, that was one too many.
        since: Number of the picture that the sum began to rise at: the likeliest beginning of the drift.
        baseline: Mean in the baseline.
        now: Mean since the drift began.
    """

    statistic: str
    direction: Literal["higher", "lower"]
    picture: int
    since: int
    baseline: float
    now: float

    def describe(self) -> str:
        """In words.

        Examples:
            >>> Alarm("brightness", "lower", 90, 57, -0.5, -0.6625).describe()
            'brightness is lower since picture 57: by 15 %'
        """
        change = self.now - self.baseline
        told = f"{100 * abs(np.expm1(change)):.0f} %" if self.statistic in LOGARITHMS else f"{abs(change):.2g}"
        return f"{self.statistic.replace('_', ' ')} is {self.direction} since picture {self.since}: by {told}"


class WatchState(_Strict):
    """Where a watch stands: a few numbers, however many pictures it has seen.

    Attributes:
        baseline: Digest of the baseline that it is of; empty before the first picture.
        pictures: Seen so far.
        sums: ``(2, J)`` cumulative sums, upwards and downwards.
        begun: ``(2, J)`` pictures seen when each sum was last zero.
        totals: ``(2, J)`` sum of the statistic since then.
        alarmed: Statistics that have given their alarm.
    """

    baseline: str = ""
    pictures: Annotated[int, Field(ge=0)] = 0
    sums: list[list[Finite]] = [[0.0] * len(STATISTICS)] * 2
    begun: list[list[int]] = [[0] * len(STATISTICS)] * 2
    totals: list[list[Finite]] = [[0.0] * len(STATISTICS)] * 2
    alarmed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> WatchState:
        if any(np.shape(values) != (2, len(STATISTICS)) for values in (self.sums, self.begun, self.totals)):
            raise ValueError(f"expected 2 x {len(STATISTICS)} sums")
        return self


class DriftWatch:
    """Watches a stream of pictures.

    Args:
        baseline: What it is compared with.
        state: To go on where another watch stopped.

    Raises:
        ConfigError: The state is of another baseline.

    Source:
        Page, Continuous Inspection Schemes, Biometrika 41, 1954 (cumulative sums, and the last zero as the place
        of the change); the statistics, the clipping and one common limit: ours [O].

    Example:
        >>> watch = DriftWatch(baseline_of(open_bundle(path)))  # doctest: +SKIP
        >>> for alarm in watch.update(image, detector.inspect(image)):  # doctest: +SKIP
        ...     print(alarm.describe())
    """

    def __init__(self, baseline: DriftBaseline, state: WatchState | None = None) -> None:
        state = state or WatchState()
        if state.baseline not in ("", baseline.digest):
            raise ConfigError(
                "The state of the drift watch is of another baseline, so that its sums mean nothing here. Begin "
                "anew, without it."
            )
        self._baseline = baseline
        self._embedding = EmbeddingSpace(np.array(baseline.embedding_mean), np.array(baseline.embedding_axes))
        known = baseline.statistics.values()
        self._center = np.array([one.center for one in known])
        self._scale = np.array([one.scale for one in known])
        self._offset = np.array([one.offset for one in known])
        self._pictures = state.pictures
        self._sums, self._totals = np.array(state.sums), np.array(state.totals)
        self._begun = np.array(state.begun)
        self._alarmed = list(state.alarmed)

    @property
    def state(self) -> WatchState:
        """To be kept, and given to another watch."""
        return WatchState(
            baseline=self._baseline.digest,
            pictures=self._pictures,
            sums=self._sums.tolist(),
            begun=self._begun.tolist(),
            totals=self._totals.tolist(),
            alarmed=tuple(self._alarmed),
        )

    def update(self, image: Image, inspection: Inspection, model_threshold: float) -> tuple[Alarm, ...]:
        """Look at one more picture.

        Args:
            image: ``(H, W, C)``, as it was inspected.
            inspection: Of this picture.
            model_threshold: ``detector.spec.detection.score_threshold``.

        Returns:
            Statistics that have just left their band; each gives one alarm, until :meth:`restart`.
        """
        return self.update_values(measure_picture(image, inspection, model_threshold, self._embedding))

    def update_values(self, values: NDArray[np.float64]) -> tuple[Alarm, ...]:
        """The same from the ``(J,)`` statistics of a picture."""
        steps = standardise(values, self._center, self._scale, self._offset)
        self._pictures += 1
        self._sums += steps * [[1.0], [-1.0]] - self._baseline.reference
        self._totals += values
        ended = self._sums <= 0
        self._sums[ended], self._totals[ended], self._begun[ended] = 0.0, 0.0, self._pictures
        return tuple(self._new_alarms())

    def restart(self) -> None:
        """Forget all sums and alarms: after the line was mended."""
        self._sums[:], self._totals[:], self._begun[:] = 0.0, 0.0, self._pictures
        self._alarmed.clear()

    def _new_alarms(self) -> Iterator[Alarm]:
        for side, number in np.argwhere(self._sums > self._baseline.limit).tolist():
            name = STATISTICS[number]
            if name in self._alarmed or (side == 1 and name in UPWARDS_ONLY):
                continue
            self._alarmed.append(name)
            begun = int(self._begun[side, number])
            yield Alarm(
                statistic=name,
                direction="higher" if side == 0 else "lower",
                picture=self._pictures,
                since=begun + 1,
                baseline=float(self._center[number]),
                now=float(self._totals[side, number] / (self._pictures - begun)),
            )


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingSpace:
    """Where embeddings of the baseline lie.

    Attributes:
        mean: ``(E,)``.
        axes: ``(N, E)`` orthonormal rows.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    def novelty(self, embedding: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Logarithm of the squared distance from the space that the axes span.

        Args:
            embedding: ``(..., E)``.
        """
        apart = embedding.astype(np.float64) - self.mean
        if len(self.axes):
            apart = apart - (apart @ self.axes.T) @ self.axes
        return np.asarray(np.log(np.square(apart).sum(axis=-1) + LEAST_EMBEDDING))


def measure_picture(
    image: Image, inspection: Inspection, model_threshold: float, space: EmbeddingSpace | None
) -> NDArray[np.float64]:
    """``(J,)`` statistics of a picture, in the order of :data:`STATISTICS`.

    Args:
        image: As it was inspected.
        inspection: Of this picture.
        model_threshold: Detections below are not counted, whatever the rules show.
        space: Where embeddings usually lie; None leaves the novelty 0.
    """
    counted = int((inspection.detections.scores >= np.float32(model_threshold)).sum())
    novelty = 0.0 if space is None else float(space.novelty(inspection.embedding))
    return np.array([*describe_appearance(image), inspection.best_score, np.log1p(counted), novelty])


def standardise(
    values: NDArray[np.float64],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    offset: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """Clipped standard deviations from the baseline, with its mean taken off."""
    return np.asarray(np.clip((values - center) / scale, -CLIP, CLIP) - offset)


def baseline_of(bundle: Bundle) -> DriftBaseline | None:
    """The baseline in a bundle; None if it has none.

    Raises:
        ModelError: It is not valid.
    """
    if BASELINE_NAME not in bundle.files:
        return None
    try:
        return DriftBaseline.model_validate_json(bundle.files[BASELINE_NAME])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole)"
        raise ModelError(
            f"Bundle {bundle.path}: {BASELINE_NAME} is not valid at '{key}': {first['msg']}. Make the baseline "
            "again: sdgasnet bundle baseline"
        ) from None


def parse_state(content: bytes, origin: str) -> WatchState:
    """The state of a watch, as JSON.

    Raises:
        ConfigError: It is something else.
    """
    try:
        return WatchState.model_validate_json(content)
    except ValidationError as error:
        raise ConfigError(
            f"{origin} is no state of a drift watch: {error.errors()[0]['msg']}. Remove it to begin anew."
        ) from None
