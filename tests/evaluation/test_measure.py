from __future__ import annotations

import json

import numpy as np
import pytest

from sdgasnet.evaluation.measure import detect_records, measure

pytest.importorskip("faster_coco_eval")


def test_figures_of_a_model_that_is_nearly_always_right(corners, records) -> None:
    steps: list[tuple[int, int]] = []
    measurement = measure(corners, records, ("dark", "bright"), lambda done, total: steps.append((done, total)))
    assert steps == [(number, 10) for number in range(1, 11)]
    document = json.loads(json.dumps(measurement.to_json(), allow_nan=False))
    assert (document["images"], document["boxes"]) == (10, 35)
    # Four corners of picture 5 and one of picture 3 are not labelled.
    assert document["at_score_threshold"]["recall"] == 1.0
    assert document["at_score_threshold"]["precision"] == pytest.approx(35 / 40)
    assert np.trace(document["confusion"]) == 35
    assert sum(document["confusion"][-1]) == 5
    assert 0.8 < document["AP50"] < 1.0
    assert list(document["per_class"]) == ["dark", "bright"]
    assert document["by_threshold"][4]["threshold"] == 0.2
    assert document["detection"] == corners.spec.detection.model_dump()


def test_background_alone_gives_null_and_no_crash(corners, records) -> None:
    document = measure(corners, [records[5]], ("dark", "bright")).to_json()
    assert (document["AP"], document["best_F1"], document["boxes"]) == (None, None, 0)
    json.dumps(document, allow_nan=False)


def test_other_settings_hold_in_every_figure(corners, records) -> None:
    strict = corners.with_settings(corners.spec.detection.model_copy(update={"score_threshold": 1.0}))
    measurement = measure(strict, records, ("dark", "bright"))
    assert measurement.to_json()["detection"]["score_threshold"] == 1.0
    assert corners.spec.detection.score_threshold < 1.0


def test_detections_come_down_to_the_floor_and_in_order(corners, records) -> None:
    found = detect_records(corners, records)
    floor = corners.spec.detection.score_floor
    assert all((one.scores >= floor).all() for one in found)
    assert [len(one) for one in found] == [4] * 10
