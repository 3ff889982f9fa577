"""The baseline of a drift watch, with a limit that gives false alarms as rarely as was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DriftConfig
from sdgasnet.errors import DataError
from sdgasnet.runtime.deployment import Runtime
from sdgasnet.runtime.drift import (
    STATISTICS,
    UPWARDS_ONLY,
    DriftBaseline,
    EmbeddingSpace,
    Statistic,
    standardise,
)
from sdgasnet.runtime.manifest import ComputePrecision

NOVELTY = STATISTICS.index("novelty")
FOLDS = 5
"""The novelty of a picture is measured in a space that others span."""
LEAST_SCALE = 0.01
"""Standard deviation of a statistic that hardly varies: 1 % of light, or a hundredth of a score."""
STREAMS, STEPS = 500, 5000
"""Drawn to set the limit: 2.5 million pictures."""
RESAMPLES, RATE_STEPS = 20, 1000
"""Baselines drawn anew, and how long the streams of each are, to say how much the rate depends on the pictures."""
TWO_SIDED = np.array([[1.0], [-1.0]])
COUNTED = np.array([[True] * len(STATISTICS), [name not in UPWARDS_ONLY for name in STATISTICS]])
"""``(2, J)`` sums that can give an alarm."""


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Cumulative sums over statistics of pictures.

    Attributes:
        center: ``(J,)`` mean.
        scale: ``(J,)`` standard deviation.
        offset: ``(J,)`` mean of the clipped standardised values.
        reference: Taken off every step, standard deviations.
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    reference: float

    @classmethod
    def of(cls, values: NDArray[np.float64], reference: float) -> Chart:
        """From ``(N, J)`` statistics."""
        center, scale = values.mean(axis=0), np.maximum(values.std(axis=0, ddof=1), LEAST_SCALE)
        return cls(center, scale, standardise(values, center, scale, 0.0).mean(axis=0), reference)

    def steps(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What ``(N, J)`` statistics add to the sums, ``(N, 2, J)``."""
        standard = standardise(values, self.center, self.scale, self.offset)
        return np.asarray(standard[:, None, :] * TWO_SIDED - self.reference)


def fit_baseline(
    values: NDArray[np.float64],
    embeddings: NDArray[np.float32],
    computed_in: tuple[Runtime, ComputePrecision],
    settings: DriftConfig,
) -> DriftBaseline:
    """A baseline from pictures as they should be.

    The limit is set by drawing pictures from them at random, all statistics of a picture together: streams of what
    the baseline knows, in which every alarm is false.

    Args:
        values: ``(N, J)`` statistics of the pictures; their novelty is measured here.
        embeddings: ``(N, E)``.
        computed_in: Runtime and precision.
        settings: Rate of false alarms.

    Raises:
        DataError: There are too few pictures.

    Source:
        Page 1954. The limit from resampled pictures, and how the rate depends on the baseline: Gandy, Kvaløy,
        Guaranteed Conditional Performance of Control Charts via Bootstrap Methods, Scandinavian Journal of
        Statistics 40, 2013.
    """
    pictures = len(values)
    if pictures < settings.least_pictures:
        raise DataError(
            f"A baseline from {pictures} pictures knows too little of how pictures vary; expected "
            f"{settings.least_pictures} or more, and better 1000."
        )
    rng = np.random.default_rng(settings.seed)
    values = values.copy()
    values[:, NOVELTY] = measure_novelty(embeddings, settings.embedding_axes, rng)
    # The mean of N pictures is known to 1 / sqrt(N) standard deviations; so much less is looked for.
    reference = settings.least_drift / 2 + 1 / np.sqrt(pictures)
    chart = Chart.of(values, reference)
    limit = find_limit(chart.steps(values), settings.pictures_per_alarm, rng)
    rates = []
    for _ in range(RESAMPLES):
        other = Chart.of(values[rng.integers(pictures, size=pictures)], reference)
        alarms = count_alarms(other.steps(values), limit, RATE_STEPS, rng)
        rates.append(STREAMS * RATE_STEPS / max(1, alarms))
    space = span(embeddings, settings.embedding_axes)
    return DriftBaseline(
        pictures=pictures,
        runtime=computed_in[0],
        precision=computed_in[1],
        statistics={
            name: Statistic(center=center, scale=scale, offset=offset)
            for name, center, scale, offset in zip(
                STATISTICS, chart.center.tolist(), chart.scale.tolist(), chart.offset.tolist(), strict=True
            )
        },
        reference=reference,
        limit=limit,
        pictures_per_alarm=settings.pictures_per_alarm,
        usual_rate=(float(np.median(rates)), float(np.quantile(rates, 0.1))),
        embedding_mean=space.mean.tolist(),
        embedding_axes=space.axes.tolist(),
    )


def span(embeddings: NDArray[np.float32], axes: int) -> EmbeddingSpace:
    """Mean and main directions of ``(N, E)`` embeddings."""
    mean = embeddings.mean(axis=0, dtype=np.float64)
    directions = np.linalg.svd(embeddings - mean, full_matrices=False)[2]
    return EmbeddingSpace(mean, directions[: min(axes, len(embeddings) // 4)])


def measure_novelty(embeddings: NDArray[np.float32], axes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(N,)`` novelty of each picture among the others."""
    fold = rng.permutation(len(embeddings)) % FOLDS
    novelty = np.zeros(len(embeddings))
    for number in range(FOLDS):
        novelty[fold == number] = span(embeddings[fold != number], axes).novelty(embeddings[fold == number])
    return novelty


def find_limit(steps: NDArray[np.float64], pictures_per_alarm: float, rng: np.random.Generator) -> float:
    """Limit of all sums at which streams drawn from a baseline give one alarm in so many pictures.

    Waiting times for an alarm are nearly exponential: the share of the streams without one after T pictures is
    ``exp(-T / pictures_per_alarm)``, so the limit is a quantile of the streams' highest sums.

    Args:
        steps: ``(N, 2, J)`` of the baseline's pictures.
        pictures_per_alarm: Wanted mean.
        rng: Draws the streams.
    """
    highest = np.zeros(STREAMS)
    for sums in _run(steps, STEPS, rng):
        np.maximum(highest, sums[:, COUNTED].max(axis=1), out=highest)
    return float(np.quantile(highest, np.exp(-STEPS / pictures_per_alarm)))


def count_alarms(steps: NDArray[np.float64], limit: float, length: int, rng: np.random.Generator) -> int:
    """Alarms in :data:`STREAMS` streams drawn from a baseline; all sums of one start anew after an alarm.

    Args:
        steps: ``(N, 2, J)`` of the baseline's pictures.
        limit: Of all sums.
        length: Pictures of each stream.
        rng: Draws them.
    """
    alarms = 0
    for sums in _run(steps, length, rng):
        over = sums[:, COUNTED].max(axis=1) > limit
        alarms += int(over.sum())
        sums[over] = 0.0
    return alarms


def _run(steps: NDArray[np.float64], length: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """The sums ``(S, 2, J)`` of all streams after each picture; the caller may change them."""
    sums = np.zeros((STREAMS, *steps.shape[1:]))
    for _ in range(length):
        sums += steps[rng.integers(len(steps), size=STREAMS)]
        np.maximum(sums, 0.0, out=sums)
        yield sums
