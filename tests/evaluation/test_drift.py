from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.config.schema import DriftConfig
from sdgasnet.errors import DataError
from sdgasnet.evaluation.drift import (
    STREAMS,
    Chart,
    count_alarms,
    find_limit,
    fit_baseline,
    measure_novelty,
)
from sdgasnet.runtime.drift import STATISTICS, DriftWatch, EmbeddingSpace

WAYS = ("onnxruntime", "fp32")


def pictures(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Statistics that hang together, one of them skewed, and embeddings near a plane."""
    rng = np.random.default_rng(seed)
    mix = np.eye(len(STATISTICS)) + 0.5
    values = rng.normal(size=(number, len(STATISTICS))) @ mix
    values[:, 3] = np.exp(values[:, 3] / 2)
    embeddings = rng.normal(size=(number, 2)) @ rng.normal(size=(2, 16)) + 0.05 * rng.normal(size=(number, 16))
    return values, embeddings.astype(np.float32)


def test_false_alarms_come_as_rarely_as_they_were_set_to() -> None:
    values, _ = pictures(150, 0)
    steps = Chart.of(values, 0.3).steps(values)
    limit = find_limit(steps, 2_000, np.random.default_rng(1))
    alarms = count_alarms(steps, limit, 2_000, np.random.default_rng(2))
    # A million pictures: 500 alarms are expected, with a standard deviation of 22.
    assert 420 < alarms < 580
    assert STREAMS * 2_000 == 1_000_000


def test_a_baseline_notices_a_shift_and_says_how_sure_it_is() -> None:
    values, embeddings = pictures(200, 0)
    baseline = fit_baseline(values, embeddings, WAYS, DriftConfig(pictures_per_alarm=1_000))
    median, least = baseline.usual_rate
    assert least <= median
    assert least < 1_000
    watch = DriftWatch(baseline)
    shifted, _ = pictures(200, 3)
    shifted[:, -1] = baseline.statistics["novelty"].center
    shifted[:, 0] -= 2 * values[:, 0].std()
    alarms = [alarm for row in shifted for alarm in watch.update_values(row)]
    assert (alarms[0].statistic, alarms[0].direction) == ("brightness", "lower")
    assert alarms[0].picture < 40


def test_a_statistic_that_never_varies_is_watched_too() -> None:
    values, embeddings = pictures(100, 0)
    values[:, 1] = 0.25
    baseline = fit_baseline(values, embeddings, WAYS, DriftConfig())
    watch = DriftWatch(baseline)
    stream = values.copy()
    stream[:, -1] = baseline.statistics["novelty"].center
    stream[:, 1] += 0.05
    alarms = [alarm for row in stream[:20] for alarm in watch.update_values(row)]
    assert [alarm.statistic for alarm in alarms] == ["highlights"]


def test_novelty_of_a_picture_is_measured_without_it() -> None:
    _, embeddings = pictures(100, 0)
    usual = measure_novelty(embeddings, 2, np.random.default_rng(0))
    embeddings[17] += 1.0
    assert measure_novelty(embeddings, 2, np.random.default_rng(0))[17] > usual.max() + 1
    assert EmbeddingSpace(np.zeros(16), np.zeros((0, 16))).novelty(embeddings).shape == (100,)


def test_too_few_pictures_are_refused() -> None:
    values, embeddings = pictures(49, 0)
    with pytest.raises(DataError, match="49 pictures knows too little"):
        fit_baseline(values, embeddings, WAYS, DriftConfig())
