from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.evaluation.label_errors import ErrorKind, Suspicion, estimate_confidences, suspect_labels
from sdgasnet.imaging.detections import Detections

BOX = (20.0, 20.0, 60.0, 60.0)
ELSEWHERE = (100.0, 100.0, 130.0, 130.0)


def record(name: str, *objects: tuple[int, tuple[float, float, float, float]], crowd: bool = False) -> ImageRecord:
    things = tuple(ObjectRecord(label, box, crowd=crowd) for label, box in objects)
    return ImageRecord(Path(name), name, things)


def found(*things: tuple[int, tuple[float, float, float, float], float]) -> Detections:
    ordered = sorted(things, key=lambda thing: -thing[2])
    return Detections(
        np.array([box for _, box, _ in ordered], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in ordered], np.float32),
        np.array([label for label, _, _ in ordered], np.int64),
        (200, 200),
    )


def world() -> tuple[list[ImageRecord], dict[str, Detections]]:
    """Forty pictures whose labels and detections agree; some detections of low score are wrong."""
    records = [record(f"good{n}", (n % 2, BOX)) for n in range(40)]
    detections = {
        f"good{n}": found((n % 2, (21.0, 20.0, 61.0, 60.0), 0.8), (n % 2, ELSEWHERE, 0.1)) for n in range(40)
    }
    return records, detections


def suspect(odd: ImageRecord, seen: Detections) -> list[Suspicion]:
    records, detections = world()
    return suspect_labels([*records, odd], {**detections, odd.name: seen}, 2)


ODD: dict[ErrorKind, tuple[ImageRecord, Detections]] = {
    "missing": (record("odd"), found((0, BOX, 0.8))),
    "class": (record("odd", (1, BOX)), found((0, BOX, 0.8))),
    "extent": (record("odd", (0, (20.0, 20.0, 90.0, 60.0))), found((0, BOX, 0.8))),
    "extra": (record("odd", (0, ELSEWHERE)), found()),
}


@pytest.mark.parametrize("kind", sorted(ODD))
def test_each_kind_is_suspected_first(kind: ErrorKind) -> None:
    first = suspect(*ODD[kind])[0]
    assert (first.picture, first.kind) == ("odd", kind)
    labels = {"missing": (None, 0), "class": (1, 0), "extent": (0, 0), "extra": (0, None)}[kind]
    assert labels == tuple(thing and thing[0] for thing in (first.labelled, first.found))
    others = (entry.strength for entry in suspect(*ODD[kind]) if entry.picture != "odd")
    assert first.strength > 2 * max(others, default=0.0)


def test_what_agrees_is_hardly_suspected() -> None:
    records, detections = world()
    assert max((entry.strength for entry in suspect_labels(records, detections, 2)), default=0.0) < 0.05


def test_one_missing_object_is_one_suspicion() -> None:
    seen = found((0, BOX, 0.8), (1, (22.0, 22.0, 62.0, 62.0), 0.7))
    assert [entry.kind for entry in suspect(record("odd"), seen) if entry.picture == "odd"] == ["missing"]


def test_a_detection_of_a_neighbour_does_not_make_a_class_wrong() -> None:
    """Two objects of different classes in nearly one place, both found."""
    both = record("odd", (0, BOX), (1, (22.0, 22.0, 62.0, 62.0)))
    seen = found((0, BOX, 0.8), (1, (22.0, 22.0, 62.0, 62.0), 0.8))
    assert max((entry.strength for entry in suspect(both, seen) if entry.picture == "odd"), default=0.0) < 0.05


def test_crowds_and_pictures_without_detections_are_left_alone() -> None:
    assert not [e for e in suspect(record("odd", (0, ELSEWHERE), crowd=True), found()) if e.picture == "odd"]
    assert suspect_labels([record("odd", (0, BOX))], {}, 2) == []
    assert suspect_labels([], {}, 2) == []


def test_confidence_is_the_share_that_is_right() -> None:
    records = [record(f"p{n}", (0, BOX)) for n in range(4)]
    detections = [found((0, BOX if n < 3 else ELSEWHERE, 0.5)) for n in range(4)]
    np.testing.assert_allclose(np.concatenate(estimate_confidences(records, detections, 1)), 0.75)


def test_json_names_classes() -> None:
    entry = Suspicion("a.png", "class", 0.51239, (0, BOX), (1, BOX))
    assert entry.to_json(["pit", "scratch"]) == {
        "picture": "a.png",
        "kind": "class",
        "strength": 0.5124,
        "labelled": {"class": "pit", "box_xyxy": list(BOX)},
        "found": {"class": "scratch", "box_xyxy": list(BOX)},
    }
