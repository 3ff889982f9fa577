"""Labels of pictures that show the same piece of surface."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdgasnet.data.near_duplicates import NearDuplicate
from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.evaluation.label_errors import Suspicion, suspect_labels, suspect_unlike
from sdgasnet.evaluation.neighbours import Neighbours
from sdgasnet.evaluation.suspicion_page import build_suspicion_page, describe_suspicion
from sdgasnet.imaging.detections import Detections

SIDE, STEP = 200, 40
BOXES = ((0, (60.0, 60.0, 90.0, 100.0)), (1, (120.0, 130.0, 160.0, 160.0)))
"""Label and box in the first picture; in the second they lie 40 pixels further up and left."""


def moved(box: tuple[float, ...]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (side - STEP for side in box)
    return x1, y1, x2, y2


def things(*labelled: tuple[int, tuple[float, ...]]) -> tuple[ObjectRecord, ...]:
    return tuple(ObjectRecord(label, (box[0], box[1], box[2], box[3])) for label, box in labelled)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[ImageRecord]:
    """Two cuts of one surface, labelled alike."""
    folder = tmp_path_factory.mktemp("cuts")
    surface = generate_surface("steel", (SIDE + STEP, SIDE + STEP), 5, 0, good_share=0.0).image[:, :, 0]
    found = []
    for name, (first, boxes) in {"a": (0, BOXES), "b": (STEP, [(n, moved(box)) for n, box in BOXES])}.items():
        path = folder / f"{name}.png"
        assert cv2.imwrite(str(path), surface[first : first + SIDE, first : first + SIDE])
        found.append(ImageRecord(path, f"{name}.png", things(*boxes)))
    return found


PAIRS = [NearDuplicate(0, 1, (-STEP / SIDE, -STEP / SIDE), 0.999)]


def unlike(records: list[ImageRecord]) -> list[Suspicion]:
    return sorted(suspect_unlike(Neighbours(records, PAIRS)), key=lambda one: one.picture)


def test_pictures_that_are_labelled_alike_are_not_suspected(records: list[ImageRecord]) -> None:
    assert Neighbours(records, PAIRS).agreement() == 1.0
    assert unlike(records) == []


def test_a_forgotten_box_is_named_in_both_pictures(records: list[ImageRecord]) -> None:
    first, second = unlike([records[0], replace(records[1], objects=records[1].objects[:1])])
    assert (first.picture, first.labelled, first.found, first.unlike) == ("a.png", BOXES[1], None, ("b.png",))
    assert (second.picture, second.labelled, second.unlike) == ("b.png", None, ("a.png",))
    assert second.found == (1, pytest.approx(moved(BOXES[1][1]), abs=0.01))
    assert first.strength == second.strength == 0.5


def test_another_class_is_named(records: list[ImageRecord]) -> None:
    other = things((0, moved(BOXES[0][1])), (0, moved(BOXES[1][1])))
    first, second = unlike([records[0], replace(records[1], objects=other)])
    assert (first.labelled, first.found and first.found[0]) == (BOXES[1], 0)
    assert (second.labelled and second.labelled[0], second.found and second.found[0]) == (0, 1)


def test_a_defect_that_one_picture_alone_shows_is_no_contradiction(
    records: list[ImageRecord], tmp_path: Path
) -> None:
    pixels = cv2.imread(str(records[0].path), cv2.IMREAD_GRAYSCALE)
    cv2.circle(pixels, (150, 75), 14, 255, -1)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    drawn = replace(records[0], path=tmp_path / "a.png", objects=things(*BOXES, (0, (134.0, 60.0, 166.0, 90.0))))
    assert unlike([drawn, records[1]]) == []


def test_copies_with_other_defects_drawn_in_say_nothing(records: list[ImageRecord]) -> None:
    assert unlike([records[0], replace(records[1], objects=())]) == []


def test_what_is_found_in_copies_too_and_never_labelled_is_the_pattern(records: list[ImageRecord]) -> None:
    place = (100.0, 60.0, 125.0, 90.0)
    detections = {
        record.name: Detections(
            np.array([box, *(thing.box_xyxy for thing in record.objects)], np.float32),
            np.array([0.95, 0.9, 0.9], np.float32),
            np.array([0, 0, 1]),
            (SIDE, SIDE),
        )
        for record, box in zip(records, (place, moved(place)), strict=True)
    }
    alone = [one for one in suspect_labels(records, detections, 2) if one.kind == "missing"]
    together = [
        one for one in suspect_labels(records, detections, 2, Neighbours(records, PAIRS)) if one.kind == "missing"
    ]
    assert [one.picture for one in together] == [one.picture for one in alone] == ["a.png", "b.png"]
    assert [one.strength for one in together] == pytest.approx([one.strength / 2 for one in alone])


def test_the_page_shows_both_pictures_and_stands_alone(records: list[ImageRecord]) -> None:
    spoiled = [records[0], replace(records[1], objects=records[1].objects[:1])]
    missing = Suspicion("a.png", "missing", 0.9, None, (0, (10.0, 10.0, 30.0, 30.0)))
    found = [missing, *unlike(spoiled)]
    by_name = {record.name: record for record in spoiled}
    page = build_suspicion_page(found, by_name, ("pit", "<b>"), 2, {"Data": "here"})
    assert "3 suspicions, the first 2 are shown" in page
    assert page.count("<img") == page.count('src="data:image/') == 4
    assert "http" not in page
    assert "Labelled &lt;b&gt;, but a near-duplicate has nothing here. Label them alike." in page
    spoiled[1].path.unlink()
    assert "does not exist" in build_suspicion_page(found, by_name, ("pit", "<b>"), 3, {})


@pytest.mark.parametrize(
    ("kind", "labelled", "found", "words"),
    [
        ("class", 0, 1, "Labelled pit, found dent. Which is right?"),
        ("extent", 0, 0, "The pit was found in another box. Which fits?"),
        ("extra", 0, None, "Labelled pit, where nothing was found. Is it one? If not, remove its box."),
        ("unlike", None, 1, "Nothing is labelled, but a near-duplicate has dent here. Label them alike."),
    ],
)
def test_words(kind, labelled: int | None, found: int | None, words: str) -> None:
    box = (1.0, 2.0, 3.0, 4.0)
    things = [None if label is None else (label, box) for label in (labelled, found)]
    entry = Suspicion("a.png", kind, 0.5, things[0], things[1], ("b.png",) if kind == "unlike" else ())
    assert describe_suspicion(entry, ("pit", "dent")) == words
