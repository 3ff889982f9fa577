from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.errors import ConfigError
from sdgasnet.runtime.drift import (
    CLIP,
    STATISTICS,
    Alarm,
    DriftBaseline,
    DriftWatch,
    EmbeddingSpace,
    Statistic,
    parse_state,
)

BRIGHTNESS, NOVELTY = STATISTICS.index("brightness"), STATISTICS.index("novelty")


@pytest.fixture
def baseline() -> DriftBaseline:
    """Every statistic has mean 1 and standard deviation 0.5; sums may reach 4."""
    return DriftBaseline(
        pictures=100,
        runtime="onnxruntime",
        precision="fp32",
        statistics={name: Statistic(center=1.0, scale=0.5, offset=0.0) for name in STATISTICS},
        reference=0.25,
        limit=4.0,
        pictures_per_alarm=10_000,
        usual_rate=(1000.0, 200.0),
        embedding_mean=[0.0, 0.0, 1.0],
        embedding_axes=[[1.0, 0.0, 0.0]],
    )


def usual(**shifts: float) -> np.ndarray:
    """A picture as in the baseline, but for shifts in standard deviations."""
    return np.array([1.0 + 0.5 * shifts.get(name, 0.0) for name in STATISTICS])


def test_a_sum_that_passes_the_limit_says_what_and_since_when(baseline: DriftBaseline) -> None:
    watch = DriftWatch(baseline)
    assert all(not watch.update_values(usual()) for _ in range(20))
    found = [alarm for _ in range(8) for alarm in watch.update_values(usual(brightness=-1.25))]
    # Every picture adds one: the fifth is over four.
    assert found == [Alarm("brightness", "lower", picture=25, since=21, baseline=1.0, now=pytest.approx(0.375))]
    assert found[0].describe() == "brightness is lower since picture 21: by 46 %"


def test_one_picture_alone_is_no_alarm_however_strange(baseline: DriftBaseline) -> None:
    assert baseline.limit > CLIP
    watch = DriftWatch(baseline)
    assert not watch.update_values(usual(contrast=1e9, best_score=-1e9))
    assert all(not watch.update_values(usual()) for _ in range(50))


def test_novelty_alarms_upwards_only(baseline: DriftBaseline) -> None:
    watch = DriftWatch(baseline)
    assert not any(watch.update_values(usual(novelty=-3)) for _ in range(50))
    assert any(watch.update_values(usual(novelty=3)) for _ in range(3))


def test_a_stream_in_two_pieces_is_one_stream(baseline: DriftBaseline) -> None:
    rng = np.random.default_rng(0)
    stream = rng.normal(1.1, 0.5, (200, len(STATISTICS)))
    whole, first = DriftWatch(baseline), DriftWatch(baseline)
    wanted = [whole.update_values(row) for row in stream]
    found = [first.update_values(row) for row in stream[:77]]
    second = DriftWatch(baseline, parse_state(first.state.model_dump_json().encode(), "state.json"))
    found += [second.update_values(row) for row in stream[77:]]
    assert any(wanted)
    assert found == wanted
    assert second.state == whole.state


def test_after_a_restart_an_alarm_can_come_again(baseline: DriftBaseline) -> None:
    watch = DriftWatch(baseline)
    assert sum(len(watch.update_values(usual(noise=3))) for _ in range(10)) == 1
    watch.restart()
    assert watch.state.alarmed == ()
    again = [alarm for _ in range(10) for alarm in watch.update_values(usual(noise=3))]
    assert [(alarm.since, alarm.picture) for alarm in again] == [(11, 12)]


def test_novelty_is_the_distance_from_the_space_of_the_baseline() -> None:
    space = EmbeddingSpace(np.array([0.0, 0.0, 1.0]), np.array([[1.0, 0.0, 0.0]]))
    found = space.novelty(np.array([[5.0, 0.0, 1.0], [5.0, 3.0, 5.0]], np.float32))
    assert np.exp(found) == pytest.approx([1e-6, 25.0], rel=1e-3)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"sums": [[0]]}', b'{"pictures": -1}'])
def test_what_is_no_state_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigError, match="no state of a drift watch"):
        parse_state(content, "state.json")


def test_a_state_of_another_baseline_is_refused(baseline: DriftBaseline) -> None:
    watch = DriftWatch(baseline)
    watch.update_values(usual())
    other = baseline.model_copy(update={"limit": 5.0})
    with pytest.raises(ConfigError, match="another baseline"):
        DriftWatch(other, watch.state)
