"""What the READMEs of the real sets say of them, found by the readers and the check."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sdgasnet.data.check import CheckReport, check_dataset
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import DatasetIndex

pytestmark = pytest.mark.real_data

Checked = tuple[DatasetIndex, CheckReport]


@pytest.fixture(scope="module")
def checked(real_data_root: Path):
    """Reads and checks a set once for all tests of this file."""
    done: dict[str, Checked] = {}

    def check(name: str) -> Checked:
        if name not in done:
            folder = real_data_root / name
            if not folder.is_dir():
                pytest.skip(f"no data set at {folder}")
            index = load_dataset(folder)
            done[name] = (index, check_dataset(index))
        return done[name]

    return check


def wheres(report: CheckReport, kind: str) -> list[str]:
    return [finding.where for finding in report.findings if finding.kind == kind]


def message(report: CheckReport, kind: str) -> str:
    (found,) = [finding.message for finding in report.findings if finding.kind == kind]
    return found


@pytest.mark.parametrize(
    ("name", "format", "classes", "counts"),
    [
        ("neu-det", "voc", 6, {"train": (1224, 2801), "val": (215, 531)}),
        ("deeppcb", "coco", 6, {"train": (800, 5688), "val": (200, 1185)}),
        ("textile", "yolo", 1, {"train": (1000, 1169), "val": (250, 289)}),
        ("pku-pcb", "yolo", 6, {"train": (444, 1708), "val": (118, 592)}),
    ],
)
def test_counts_and_no_errors(checked, name, format, classes, counts):
    index, report = checked(name)
    assert index.format == format
    assert len(index.class_names) == classes
    splits = report.statistics.splits
    assert {split: (part.pictures, part.boxes) for split, part in splits.items()} == counts
    assert all(part.background == 0 for part in splits.values())
    assert report.errors == ()


def test_neu_det_warnings_are_the_known_ones(checked):
    _, report = checked("neu-det")
    warnings = Counter(finding.kind for finding in report.findings if finding.severity == "warning")
    assert warnings == {"duplicate-box": 3, "duplicate-picture": 1}
    assert {Path(where).stem for where in wheres(report, "duplicate-box")} == {
        "inclusion_62",
        "patches_198",
        "crazing_120",
    }
    assert "patches_101.jpg (train), images/patches_105.jpg (train)" in message(report, "duplicate-picture")


def test_neu_det_facts(checked):
    _, report = checked("neu-det")
    boxes, pictures = report.statistics.boxes, report.statistics.pictures
    assert boxes.difficult == 57
    assert "57" in message(report, "difficult")
    assert boxes.over_90_percent == len(wheres(report, "large-box")) == 80
    shares = [boxes.near_border[distance] / 3332 for distance in (1, 2, 3)]
    assert shares == pytest.approx([0.41, 0.51, 0.58], abs=0.005)
    assert "(40.8%) nearer than 1 px" in message(report, "boxes-near-border")
    assert pictures.several_classes == 100
    assert "counted from 1" in message(report, "counted-from-one")
    assert "1439 annotations" in message(report, "channels-differ")
    assert "1439 of 1439" in message(report, "grey-as-colour")
    assert "100 pictures are named after one class" in message(report, "name-of-other-class")


def test_neu_det_coordinates_fill_the_picture(checked):
    index, _ = checked("neu-det")
    corners = [v for records in index.splits.values() for r in records for o in r.objects for v in o.box_xyxy]
    assert (min(corners), max(corners)) == (0, 200)


def test_deeppcb(checked):
    index, report = checked("deeppcb")
    assert index.class_names == ("open", "short", "mousebite", "spur", "copper", "pin-hole")
    assert report.statistics.pictures.layouts == {"1 x 8 bit": 978, "3 x 8 bit": 22}
    assert "978 of 1 x 8 bit, 22 of 3 x 8 bit" in message(report, "mixed-layouts")
    assert "22 of 1000" in message(report, "grey-as-colour")
    assert not wheres(report, "turned-pictures")
    assert not wheres(report, "speckled-pictures")


def test_textile_is_augmented_already(checked):
    _, report = checked("textile")
    # Versions of the JPEG decoder differ by a level or two, which may tip single pictures.
    assert report.statistics.pictures.black_corners == pytest.approx(544, rel=0.02)
    assert report.statistics.pictures.speckled == pytest.approx(907, rel=0.02)
    assert wheres(report, "turned-pictures") == wheres(report, "speckled-pictures") == ["."]


def test_pku_pcb_boxes_are_small_and_loose(checked):
    _, report = checked("pku-pcb")
    assert "median 18x21" in message(report, "small-boxes")
    assert "hulls, so loose" in message(report, "turned-pictures")
    assert "562 of 562" in message(report, "grey-as-colour")
