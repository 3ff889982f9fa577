from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.data.records import ObjectRecord
from sdgasnet.errors import DataError
from sdgasnet.evaluation.leak import measure_leak
from sdgasnet.imaging.detections import Detections

BOX, LOOSE = (20.0, 20.0, 60.0, 60.0), (20.0, 20.0, 60.0, 75.0)


def found(label: int, box: tuple[float, float, float, float] | None) -> Detections:
    boxes = np.array([box] if box else [], np.float32).reshape(-1, 4)
    count = len(boxes)
    return Detections(boxes, np.full(count, 0.8, np.float32), np.full(count, label, np.int64), (100, 100))


def test_a_model_that_knows_its_pictures() -> None:
    """Known pictures are found exactly; of the new ones every other."""
    is_known = np.arange(60) < 20
    truth = [[ObjectRecord(n % 2, BOX)] for n in range(60)]
    detections = [found(n % 2, BOX if n < 20 or n % 4 < 2 else None) for n in range(60)]
    leak = measure_leak(detections, truth, is_known, 3)
    assert leak.classes == (0, 1)
    assert (leak.known.pictures, leak.new.pictures, leak.known.objects) == (20, 40, 20)
    assert leak.known.AP50.value == pytest.approx(1.0)
    assert leak.new.AP50.value == pytest.approx(0.5, abs=0.01)
    assert leak.AP50_gain.value == pytest.approx(0.5, abs=0.01)
    interval = leak.AP50_gain.interval
    assert interval is not None
    assert 0.25 < interval.low < 0.5 < interval.high < 0.75
    assert leak.to_json()["AP50_gain"]["interval"]["low"] == interval.low


def test_equal_parts_differ_by_nothing_sure() -> None:
    rng = np.random.default_rng(0)
    truth = [[ObjectRecord(0, BOX)] for _ in range(200)]
    detections = [found(0, BOX if hit else LOOSE) for hit in rng.random(200) < 0.5]
    gain = measure_leak(detections, truth, rng.random(200) < 0.3, 1).AP_gain
    assert gain.interval is not None
    assert gain.interval.low < 0 < gain.interval.high


def test_nothing_to_compare() -> None:
    truth = [[ObjectRecord(n % 2, BOX)] for n in range(4)]
    detections = [found(n % 2, BOX) for n in range(4)]
    with pytest.raises(DataError, match="No evaluation picture is with a near-duplicate"):
        measure_leak(detections, truth, np.zeros(4, np.bool_), 2)
    with pytest.raises(DataError, match="without a near-duplicate"):
        measure_leak(detections, truth, np.ones(4, np.bool_), 2)
    with pytest.raises(DataError, match="No class has objects"):
        measure_leak(detections, truth, np.array([True, False, True, False]), 2)
