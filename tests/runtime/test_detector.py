from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.decision.verdict import ng_scores
from sdgasnet.errors import ConfigError, ImageError, ModelError
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.results import to_coco_results, to_csv_rows, to_objects, to_yolo
from sdgasnet.runtime.session import ModelSpec, RawOutputs

SPEC = ModelSpec(("dark", "bright"), (64, 96), 1, DetectionConfig(score_threshold=0.5), "fake")


class BrightestQuarter:
    """A session that says which quarter of the canvas is the brightest, and how bright it is."""

    spec = SPEC

    def __init__(self) -> None:
        self.batches: list[tuple[int, np.dtype[Any]]] = []

    def run(self, batch: NDArray[np.unsignedinteger[Any]]) -> RawOutputs:
        self.batches.append((len(batch), batch.dtype))
        quarters = [(0, 0, 48, 32), (48, 0, 96, 32), (0, 32, 48, 64), (48, 32, 96, 64)]
        boxes = np.tile(np.array(quarters, np.float32), (len(batch), 1, 1))
        full = np.iinfo(batch.dtype).max
        bright = [[canvas[y1:y2, x1:x2].mean() / full for x1, y1, x2, y2 in quarters] for canvas in batch]
        scores = np.stack([np.zeros((len(batch), 4)), np.array(bright)], axis=2).astype(np.float32)
        return RawOutputs(boxes, scores, np.zeros((len(batch), 1), np.float32))


def picture(size: tuple[int, int], dtype: type[np.generic] = np.uint8) -> NDArray[Any]:
    image = np.zeros((*size, 1), dtype)
    image[: size[0] // 2, size[1] // 2 :] = np.iinfo(dtype).max
    return image


def test_boxes_come_in_pixels_of_the_source() -> None:
    found = Detector(BrightestQuarter()).detect(picture((128, 192)))
    assert found.labels.tolist() == [1]
    assert np.allclose(found.boxes_xyxy, [[96, 0, 192, 64]], atol=0.5)


def test_a_model_of_pairs_refuses_a_picture_alone() -> None:
    class OfPairs(BrightestQuarter):
        spec = replace(SPEC, channels=3, paired=True)

    detector = Detector(OfPairs())
    with pytest.raises(ImageError, match="all its channels are equal, as in a grey picture"):
        detector.detect(np.repeat(picture((64, 96)), 3, axis=2))
    pair = np.dstack([picture((64, 96)), picture((64, 96)), np.zeros((64, 96, 1), np.uint8)])
    assert len(detector.detect(pair)) == 1


def test_order_is_kept_over_batches_and_pixel_types() -> None:
    session = BrightestQuarter()
    sizes = [(64, 96), (128, 192), (32, 48), (640, 960), (64, 96)]
    kinds = [np.uint8, np.uint8, np.uint16, np.uint16, np.uint8]
    images = [picture(size, kind) for size, kind in zip(sizes, kinds, strict=True)]
    found = list(Detector(session).detect_all(iter(images), batch_size=3))
    assert [one.source_size for one in found] == sizes
    assert session.batches == [(2, np.uint8), (2, np.uint16), (1, np.uint8)]


def test_the_model_s_threshold_holds_unless_another_is_given() -> None:
    dim = (picture((64, 96)) * 0.3).astype(np.uint8)
    detector = Detector(BrightestQuarter())
    assert len(detector.detect(dim)) == 0
    assert len(detector.detect(dim, score_threshold=0.2)) == 1


def test_memory_is_bounded_by_the_batch() -> None:
    alive = 0

    def stream() -> Any:
        nonlocal alive
        for number in range(20):
            alive = number
            yield picture((64, 96))

    results = Detector(BrightestQuarter()).detect_all(stream(), batch_size=4)
    next(results)
    assert alive < 4


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 1), np.float32)]
)
def test_a_picture_of_another_kind_is_refused(image: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match="expects pictures"):
        Detector(BrightestQuarter()).detect(image)


def test_result_formats_agree() -> None:
    found = Detector(BrightestQuarter()).detect(picture((128, 192)))
    assert to_objects(found, SPEC.class_names)[0]["class"] == "bright"
    assert to_csv_rows("a,b.png", found, SPEC.class_names).startswith('"a,b.png",bright,')
    assert to_coco_results(7, "a.png", found)[0]["category_id"] == 2
    words = to_yolo(found).split()
    assert [round(float(word), 2) for word in words[1:5]] == [0.75, 0.25, 0.5, 0.5]


def test_without_rules_there_is_no_verdict() -> None:
    inspection = Detector(BrightestQuarter()).inspect(picture((64, 96)))
    assert inspection.verdict is None
    assert len(inspection.detections) == 1


def test_verdicts_follow_the_rules_and_the_thresholds() -> None:
    dim = [(picture((64, 96)) * share).astype(np.uint8) for share in (0.3, 0.7, 0.2)]
    detector = Detector(BrightestQuarter())

    def verdicts(rules: DecisionRules, score_threshold: float | None = None) -> list[str]:
        found = detector.with_rules(rules).inspect_all(iter(dim), 2, score_threshold)
        return ["-" if one.verdict is None else one.verdict.word for one in found]

    assert verdicts(DecisionRules()) == ["OK", "NG", "OK"]
    assert verdicts(DecisionRules(), 0.25) == ["NG", "NG", "OK"]
    assert verdicts(DecisionRules(classes={"bright": ClassRule(score_threshold=0.25)})) == ["NG", "NG", "OK"]
    assert verdicts(DecisionRules(classes={"bright": ClassRule(score_threshold=0.8)})) == ["OK", "OK", "OK"]
    assert verdicts(DecisionRules(classes={"dark": ClassRule(score_threshold=0.1)})) == ["OK", "NG", "OK"]
    assert verdicts(DecisionRules(default=ClassRule(max_count=1))) == ["OK", "OK", "OK"]


def test_detections_below_the_threshold_of_their_class_are_shown_from_the_model_s_on() -> None:
    rules = DecisionRules(classes={"bright": ClassRule(score_threshold=0.8)})
    inspection = Detector(BrightestQuarter()).with_rules(rules).inspect((picture((64, 96)) * 0.7).astype(np.uint8))
    assert inspection.verdict is not None
    assert inspection.verdict.counted.tolist() == [False]


def test_rules_stay_with_other_settings_and_have_to_fit_the_model() -> None:
    detector = Detector(BrightestQuarter(), rules=DecisionRules(default=ClassRule(max_count=3)))
    assert detector.with_settings(DetectionConfig()).spec.rules == detector.spec.rules
    with pytest.raises(ConfigError, match="does not know: brigth"):
        detector.with_rules(DecisionRules(classes={"brigth": ClassRule()}))
    with pytest.raises(ConfigError, match="at most 3 detections"):
        detector.with_settings(DetectionConfig(max_detections=3))


@pytest.mark.parametrize("part", [0, 1])
def test_a_network_that_gives_no_numbers_finds_nothing_ok(part: int) -> None:
    class Broken(BrightestQuarter):
        def run(self, batch: NDArray[np.unsignedinteger[Any]]) -> RawOutputs:
            outputs = super().run(batch)
            outputs[part][0, 1, 1] = np.nan
            return outputs

    with pytest.raises(ModelError, match="no numbers"):
        Detector(Broken(), rules=DecisionRules()).inspect(picture((64, 96)))


@pytest.mark.parametrize("seed", range(5))
def test_what_thresholds_are_chosen_from_is_what_is_decided_by(seed: int) -> None:
    """Calibration looks at detections down to a low score; the line only at those over its thresholds."""
    draw = np.random.default_rng(seed)

    class Crowd(BrightestQuarter):
        def run(self, batch: NDArray[np.unsignedinteger[Any]]) -> RawOutputs:
            corners = draw.uniform(0, 60, (1, 3000, 2))
            boxes = np.concatenate([corners, corners + draw.uniform(2, 30, (1, 3000, 2))], axis=2)
            scores = draw.uniform(0, 1, (1, 3000, 2)) ** 4
            return RawOutputs(boxes.astype(np.float32), scores.astype(np.float32), np.zeros((1, 1), np.float32))

    rules = DecisionRules(default=ClassRule(min_length=25, max_count=2))
    image, names = picture((64, 96)), SPEC.class_names
    state = draw.bit_generator.state
    chosen_from = ng_scores(Detector(Crowd()).detect(image, 0.001), names, rules)
    assert (chosen_from > 0).all()
    for label, name in enumerate(names):
        score = np.float32(chosen_from[label])
        for threshold, word in ((score, "NG"), (np.nextafter(score, np.float32(2)), "OK")):
            never = {other: ClassRule(score_threshold=1.0) for other in names if other != name}
            one = rules.model_copy(update={"classes": never}).with_thresholds({name: float(threshold)})
            draw.bit_generator.state = state
            verdict = Detector(Crowd()).with_rules(one).inspect(image).verdict
            assert verdict is not None
            assert verdict.word == word
