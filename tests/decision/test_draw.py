from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.decision.draw import FAINT, NG_COLOUR, OK_COLOUR, draw_verdict
from sdgasnet.decision.rules import ClassRule, DecisionRules
from sdgasnet.decision.verdict import decide_picture
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.draw import PALETTE

NAMES = ("pit", "scratch")
FOUND = Detections(
    np.array([[100, 100, 180, 180], [300, 300, 340, 340]], np.float32),
    np.array([0.9, 0.5], np.float32),
    np.array([0, 1]),
    (500, 500),
)


def drawn(rules: DecisionRules, image: NDArray[Any], found: Detections = FOUND) -> tuple[NDArray[np.uint8], int]:
    """The picture, and how high its banner is."""
    verdict = decide_picture(found, NAMES, rules, 0.6)
    done = draw_verdict(image, found, NAMES, verdict, rules)
    return done, done.shape[0] - image.shape[0]


def test_the_banner_says_ng_and_hides_nothing() -> None:
    done, height = drawn(DecisionRules(), np.zeros((500, 500, 1), np.uint8))
    assert done.shape == (500 + height, 500, 3)
    assert done[0, 0].tolist() == list(NG_COLOUR)
    assert (done[:height] == (255, 255, 255)).all(axis=2).sum() > 300
    assert done[height + 140, 100].tolist() == list(PALETTE[0])


def test_what_does_not_count_is_fainter() -> None:
    done, height = drawn(DecisionRules(), np.zeros((500, 500, 1), np.uint8))
    assert done[height + 320, 300].tolist() == pytest.approx([FAINT * value for value in PALETTE[1]], abs=1)
    done, height = drawn(DecisionRules(default=ClassRule(score_threshold=0.4)), np.zeros((500, 500, 1), np.uint8))
    assert done[height + 320, 300].tolist() == list(PALETTE[1])


def test_the_banner_says_ok_in_another_colour_and_leaves_the_picture_alone() -> None:
    image = np.full((500, 600, 3), 77, np.uint8)
    done, height = drawn(DecisionRules(), image, FOUND.above(0.95))
    assert done[0, 0].tolist() == list(OK_COLOUR)
    assert (done[height:] == image).all()


def test_banners_differ_in_grey_and_without_red_or_green() -> None:
    weights = np.array([0.2126, 0.7152, 0.0722])
    linear = [(np.array(colour) / 255) ** 2.2 @ weights for colour in (NG_COLOUR, OK_COLOUR)]
    assert (max(linear) + 0.05) / (min(linear) + 0.05) > 1.2
    assert abs(NG_COLOUR[2] - OK_COLOUR[2]) > 100


def test_regions_are_outlined() -> None:
    square = ((50.0, 200.0), (400.0, 200.0), (400.0, 450.0), (50.0, 450.0))
    image = np.full((500, 500, 1), 128, np.uint8)
    for rules in (DecisionRules(regions_of_interest=(square,)), DecisionRules(ignored_regions=(square,))):
        done, height = drawn(rules, image)
        assert done[height + 448 : height + 453, 200].max() > 200
        assert done[height + 448 : height + 453, 200].min() < 50
        assert done[height + 400, 200].tolist() == [128] * 3


@pytest.mark.parametrize("size", [(4000, 8), (8, 4000), (64, 64)])
def test_a_banner_can_be_read_whatever_the_shape(size: tuple[int, int]) -> None:
    far = Detections(np.array([[1, 1, 5, 5]], np.float32), np.array([0.9], np.float32), np.array([0]), size)
    rules = DecisionRules(regions_of_interest=(((-1e9, -1e9), (1e9, -1e9), (1e9, 1e9)),))
    done = draw_verdict(np.zeros((*size, 1), np.uint8), far, NAMES, decide_picture(far, NAMES, rules, 0.5), rules)
    assert done.shape[1] >= 320
    banner = (done == NG_COLOUR).all(axis=2).any(axis=1).sum()
    assert banner > 25
