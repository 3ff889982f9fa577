from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from sdgasnet.data.records import ObjectRecord
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.bootstrap import (
    RESAMPLES,
    SampledPrecision,
    compute_paired_interval,
    draw_pictures,
    match_classes,
    sample_average_precision,
)
from sdgasnet.imaging.detections import Detections

pytest.importorskip("faster_coco_eval")

Case = tuple[list[Detections], list[tuple[ObjectRecord, ...]]]
CLASSES = 4


def sampled(case: Case, weights: np.ndarray) -> SampledPrecision:
    return sample_average_precision(match_classes(*case, CLASSES), weights)


def repeated(case: Case, weights: Sequence[int]) -> Case:
    """The pictures themselves as often as they were drawn."""
    numbers = [number for number, times in enumerate(weights) for _ in range(times)]
    return [case[0][number] for number in numbers], [case[1][number] for number in numbers]


@pytest.mark.parametrize("seed", range(6))
def test_each_picture_once_is_what_the_library_says(random_case: Callable[..., Case], seed: int) -> None:
    case = random_case(seed, 25, CLASSES)
    expected = compute_average_precision(*case, [str(label) for label in range(CLASSES)])
    found = sampled(case, np.ones((1, 25), np.int64))
    assert found.AP[0] == pytest.approx(expected.AP, abs=1e-12)
    assert found.AP50[0] == pytest.approx(expected.AP50, abs=1e-12)


def test_a_resample_is_what_the_library_says_of_the_repeated_pictures(random_case: Callable[..., Case]) -> None:
    case = random_case(3, 25, CLASSES)
    weights = draw_pictures(25)[:8]
    found = sampled(case, weights)
    for number, row in enumerate(weights):
        expected = compute_average_precision(*repeated(case, row), [str(label) for label in range(CLASSES)])
        assert found.AP[number] == pytest.approx(expected.AP, abs=1e-12)
        assert found.AP50[number] == pytest.approx(expected.AP50, abs=1e-12)


def test_nothing_detected_and_nothing_labelled(random_case: Callable[..., Case]) -> None:
    found, truth = random_case(0, 5, CLASSES)
    nothing = [Detections(one.boxes_xyxy[:0], one.scores[:0], one.labels[:0], one.source_size) for one in found]
    weights = np.ones((2, 5), np.int64)
    assert sampled((nothing, truth), weights).AP.tolist() == [0.0, 0.0]
    assert np.isnan(sampled((found, [()] * 5), weights).AP).all()


def test_drawings_are_whole_sets_and_always_the_same() -> None:
    weights = draw_pictures(30)
    assert weights.shape == (RESAMPLES, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert (weights == draw_pictures(30)).all()
    assert weights.min() == 0


def test_equal_runs_give_an_interval_of_no_width(random_case: Callable[..., Case]) -> None:
    figures = [sampled(random_case(seed, 20, CLASSES), draw_pictures(20)).AP for seed in range(3)]
    interval = compute_paired_interval(figures, figures)
    assert interval is not None
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_a_clear_difference_leaves_zero_out_and_a_chance_one_does_not(random_case: Callable[..., Case]) -> None:
    found, truth = random_case(5, 60, CLASSES)
    weights = draw_pictures(60)
    rng = np.random.default_rng(0)

    def moved(pixels: float) -> np.ndarray:
        worse = [
            Detections(
                (one.boxes_xyxy + rng.normal(0, pixels, one.boxes_xyxy.shape)).astype(np.float32),
                one.scores,
                one.labels,
                one.source_size,
            )
            for one in found
        ]
        return sampled((worse, truth), weights).AP

    good, alike, bad = ([moved(pixels) for _ in range(3)] for pixels in (1.0, 1.0, 12.0))
    clear, chance = compute_paired_interval(good, bad), compute_paired_interval(good, alike)
    assert clear is not None
    assert chance is not None
    assert 0 < clear.low < clear.high
    assert chance.low < 0 < chance.high


def test_no_pair_no_interval() -> None:
    assert compute_paired_interval([], []) is None
    assert compute_paired_interval([np.full(10, np.nan)], [np.zeros(10)]) is None
