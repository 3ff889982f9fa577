from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

from sdgasnet.data.check import check_dataset, require_clean
from sdgasnet.data.index import load_dataset
from sdgasnet.errors import DataError


@pytest.fixture
def checked(make_voc, xml, thing):
    """Check one picture of 60x40 with the objects given as corners, VOC."""

    def check(*corners, **given):
        objects = "".join(thing("pit", box) for box in corners)
        return check_dataset(load_dataset(make_voc({"a": xml(objects, **given)})))

    return check


def errors_and_warnings(report):
    return [(finding.severity, finding.kind) for finding in report.findings if finding.severity != "note"]


def kinds(report):
    return {finding.kind for finding in report.findings}


def test_clean_set_has_no_errors_and_no_warnings(checked):
    report = checked((10, 10, 30, 30))
    assert errors_and_warnings(report) == []
    assert report.errors == ()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 10, 61, 30), ("warning", "box-out-of-range")),
        ((10, 10, 62, 30), ("error", "box-out-of-range")),
        ((-4, 10, 30, 30), ("error", "box-out-of-range")),
        ((30, 10, 10, 30), ("error", "empty-box")),
        ((10, 10, 9, 30), ("error", "empty-box")),
        ((10, 10, 10, 30), ("warning", "tiny-box")),
    ],
)
def test_box(checked, box, expected):
    assert expected in errors_and_warnings(checked(box))


def test_negative_size_in_yolo_is_an_empty_box(make_yolo):
    report = check_dataset(load_dataset(make_yolo({"train": {"a": "0 0.5 0.5 -0.2 0.2\n1 0.5 0.5 0.2 0.2\n"}})))
    assert ("error", "empty-box") in errors_and_warnings(report)


def test_negative_size_in_coco_is_an_empty_box(make_coco):
    root = make_coco([{"image_id": 1, "category_id": 7, "bbox": [10, 5, -3, 4]}])
    assert ("error", "empty-box") in errors_and_warnings(check_dataset(load_dataset(root)))


def test_rounding_of_relative_coordinates_is_no_finding(make_yolo):
    labels = "0 0.500001 0.5 1.0 1.0\n1 0.5 0.5 0.2 0.2\n"
    assert errors_and_warnings(check_dataset(load_dataset(make_yolo({"train": {"a": labels}})))) == []


def test_exact_duplicate(checked):
    assert errors_and_warnings(checked((10, 10, 30, 30), (10, 10, 30, 30))) == [("warning", "duplicate-box")]


def test_box_over_nearly_everything(checked):
    report = checked((1, 1, 60, 39))
    assert "large-box" in kinds(report)
    assert report.statistics.boxes.over_90_percent == 1
    assert report.statistics.boxes.near_border == {1: 1, 2: 1, 3: 1}


def test_distance_to_the_border_is_counted(checked):
    report = checked((3, 20, 20, 30), (10, 10, 20, 20))
    assert report.statistics.boxes.near_border == {1: 0, 2: 0, 3: 1}


@pytest.mark.parametrize(("size", "said"), [((60, 41), "41x60"), ((40, 60), "exchanged")])
def test_size_of_the_annotation_differs(checked, size, said):
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    (finding,) = checked((10, 10, 30, 30), size=stated).errors
    assert finding.kind == "size-mismatch"
    assert said in finding.message


@pytest.mark.parametrize("content", [b"hello", b"", None], ids=["text", "empty", "cut"])
def test_unreadable_picture(make_yolo, picture, content):
    root = make_yolo({"train": {"a": "0 0.5 0.5 0.2 0.2\n", "b": "1 0.5 0.5 0.2 0.2\n"}})
    path = root / "images" / "train" / "b.png"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    (finding,) = check_dataset(load_dataset(root)).errors
    assert (finding.kind, finding.where) == ("unreadable-picture", "images/train/b.png")
    assert str(path) in finding.message


def test_identical_pictures(make_yolo):
    box = "0 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.2 0.2\n"
    root = make_yolo({"train": {"a": box, "b": ""}, "val": {"c": box, "d": box}})
    images = root / "images"
    shutil.copyfile(images / "train" / "a.png", images / "train" / "b.png")
    shutil.copyfile(images / "val" / "c.png", images / "train" / "e.png")
    report = check_dataset(load_dataset(root))
    assert errors_and_warnings(report) == [("error", "picture-across-splits"), ("warning", "duplicate-picture")]
    assert "byte for byte" in report.findings[0].message
    assert "labels differ" in report.findings[1].message


def test_one_file_in_two_splits(make_voc, xml, thing):
    one = xml(thing("pit", (5, 5, 20, 20)))
    report = check_dataset(load_dataset(make_voc({"a": one, "b": one}, {"train": ["a", "b"], "val": ["a"]})))
    assert errors_and_warnings(report) == [("error", "picture-across-splits")]


def test_classes(make_yolo):
    yaml = "train: images/train\nval: images/val\nnames: [pit hole, Pit_Hole, stain]\n"
    train = "0 0.5 0.5 0.2 0.2\n" + "".join(f"2 0.{n} 0.5 0.2 0.2\n" for n in range(20, 35))
    report = check_dataset(
        load_dataset(make_yolo({"train": {"a": train}, "val": {"b": "1 0.5 0.5 0.2 0.2\n"}}, yaml))
    )
    assert errors_and_warnings(report) == [("warning", "class-without-boxes"), ("warning", "similar-class-names")]
    assert {"class-imbalance", "several-classes", "no-background"} <= kinds(report)


def test_background_is_counted(make_yolo):
    box = "0 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.2 0.2\n"
    report = check_dataset(load_dataset(make_yolo({"train": {"a": box, "b": "", "c": None}})))
    assert report.statistics.splits["train"].background == 2
    assert "no-background" not in kinds(report)
    assert "missing-annotation" in kinds(report)


def test_layouts_depths_and_sizes_are_compared(make_voc, xml, thing, picture):
    grey = "<size><width>60</width><height>40</height><depth>1</depth></size>"
    text = xml(thing("pit", (5, 5, 20, 20)), size=grey)
    root = make_voc({"a": text, "b": text})
    picture(root / "images" / "b.png", 5, channels=3)
    report = check_dataset(load_dataset(root))
    assert report.statistics.pictures.layouts == {"1 x 8 bit": 1, "3 x 8 bit": 1}
    assert {"mixed-layouts", "channels-differ"} <= kinds(report)
    assert "grey-as-colour" not in kinds(report)


def test_tool_that_counts_from_zero(checked):
    assert ("warning", "counted-from-zero") in errors_and_warnings(checked((0, 5, 20, 20)))


def test_what_the_reader_noticed_is_part_of_the_report(make_voc, xml, thing):
    root = make_voc({"a": xml(thing("pit", (5, 5, 20, 20))), "b": "<annotation>"})
    assert errors_and_warnings(check_dataset(load_dataset(root))) == [("error", "broken-annotation")]


def test_progress_counts_pictures(make_yolo):
    seen = []
    index = load_dataset(make_yolo({"train": {"a": "1 0.5 0.5 0.5 0.5", "b": ""}}))
    check_dataset(index, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_report_as_json(checked):
    document = json.loads(json.dumps(checked((1, 1, 60, 40)).to_json()))
    assert document["statistics"]["splits"]["train"]["class_boxes"] == {"pit": 1}
    assert document["statistics"]["boxes"]["near_border"]["1"] == 1
    assert {"severity", "kind", "where", "message", "others"} == set(document["findings"][0])


def test_errors_stop_and_are_listed(make_voc, xml, thing, tmp_path):
    index = load_dataset(make_voc({"a": xml(thing("pit", (5, 5, 90, 20)))}))
    with pytest.raises(DataError, match=r"has 1 errors:\n  images/a\.png: pit .* sticks out"):
        require_clean(index, tmp_path / "passed")
    assert not (tmp_path / "passed").exists()


def test_a_set_that_passed_is_not_looked_at_again(make_voc, xml, thing, tmp_path):
    root = make_voc({"a": xml(thing("pit", (5, 5, 20, 20)))})
    seen = []
    for _ in range(2):
        require_clean(load_dataset(root), tmp_path / "passed", lambda *counts: seen.append(counts))
    assert len(seen) == 1
    (root / "images" / "a.png").write_text("no picture any more")
    with pytest.raises(DataError, match="can't be decoded"):
        require_clean(load_dataset(root), tmp_path / "passed")


def test_no_place_for_the_note_is_no_error(make_voc, xml, thing, tmp_path):
    (tmp_path / "file").write_text("")
    require_clean(load_dataset(make_voc({"a": xml(thing("pit", (5, 5, 20, 20)))})), tmp_path / "file" / "passed")


def test_statistics_of_a_class(make_yolo) -> None:
    root = make_yolo({"train": {"a": "0 0.5 0.5 0.2 0.4\n0 0.1 0.5 0.2 0.2\n"}})
    index = load_dataset(root)
    report = check_dataset(index)
    height, width = next(iter(report.facts.values())).size
    of = report.statistics.classes[index.class_names[0]]
    assert (of.boxes, of.at_border) == (2, 1)
    assert of.aspect_quantiles[0] == pytest.approx(0.2 * width / (0.4 * height), abs=0.01)
    assert of.side_quantiles[-1] == pytest.approx((0.2 * width * 0.4 * height) ** 0.5, abs=0.01)
    assert report.statistics.classes[index.class_names[1]].side_quantiles == ()


@pytest.mark.parametrize(("good", "bad", "said"), [(95, 75, True), (75, 75, False)])
def test_good_pictures_that_are_stored_otherwise_are_said(make_yolo, good, bad, said):
    """The real trap: good pictures from an archive, bad ones as the line sent them."""
    labels = {
        f"{kind}{n}": "0 0.5 0.5 0.2 0.2\n" if kind == "bad" else "" for kind in ("good", "bad") for n in range(20)
    }
    root = make_yolo({"train": labels})
    for path in (root / "images" / "train").iterdir():
        quality = bad if path.stem.startswith("bad") else good
        picture = np.random.default_rng(len(path.stem) + int(path.stem[-1])).integers(0, 255, (40, 60), np.uint8)
        path.unlink()
        cv2.imwrite(str(path.with_suffix(".jpg")), picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    found = [f for f in check_dataset(load_dataset(root)).findings if f.kind == "stored-differently"]
    assert bool(found) == said
    if said:
        assert found[0].severity == "warning"
        for said_of in (
            "without defects (20 of 20: JPEG of quality about 95)",
            "with (20 of 20: JPEG of quality about 75)",
        ):
            assert said_of in found[0].message
