from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from sdgasnet.data import write
from sdgasnet.data.index import load_dataset
from sdgasnet.data.write import describe_loss, write_dataset
from sdgasnet.errors import ImageError, OutputError


def contents(index):
    """What has to survive a change of format."""
    return {
        split: [
            (record.path.name, record.path.read_bytes(), [(o.label, o.box_xyxy) for o in record.objects])
            for record in sorted(records, key=lambda record: record.name)
        ]
        for split, records in index.splits.items()
    }


def boxes(index):
    return [v for records in index.splits.values() for r in records for o in r.objects for v in o.box_xyxy]


@pytest.fixture
def voc(make_voc, xml, thing):
    first = xml(thing("stain", (1, 1, 60, 40), difficult=1) + thing("crack", (7, 9, 31, 33)))
    annotations = {"a": first, "b": xml(), "c": xml(thing("crack", (2.25, 3.5, 10.125, 20)))}
    root = make_voc(annotations, {"train": ["a", "b"], "val": ["c"]})
    (root / "classes.txt").write_text("stain\ncrack\nunused\n")
    return load_dataset(root)


def test_voc_to_voc_is_exact(voc, tmp_path):
    write_dataset(voc, tmp_path / "out", "voc")
    again = load_dataset(tmp_path / "out")
    assert contents(again) == contents(voc)
    assert again.class_names == voc.class_names
    assert again.content_hash == voc.content_hash
    assert again.findings == ()


def test_voc_to_coco_to_yolo_to_voc(voc, tmp_path):
    index = voc
    for format in ("coco", "yolo", "voc"):
        write_dataset(index, tmp_path / "out" / format, format)
        index = load_dataset(tmp_path / "out" / format)
        assert index.format == format
        assert index.findings == ()
        assert index.class_names == voc.class_names
    # YOLO keeps eight decimals of the picture's side.
    assert boxes(index) == pytest.approx(boxes(voc), abs=1e-6)
    assert [[o.label for o in r.objects] for r in index.splits["train"]] == [[0, 1], []]
    assert {split: [r.path.name for r in records] for split, records in index.splits.items()} == {
        "train": ["a.png", "b.png"],
        "val": ["c.png"],
    }


def test_coco_crowd_survives_coco(make_coco, tmp_path):
    index = load_dataset(make_coco([{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "iscrowd": 1}]))
    write_dataset(index, tmp_path / "out", "coco")
    again = load_dataset(tmp_path / "out")
    assert again.splits["train"][0].objects == index.splits["train"][0].objects
    assert describe_loss(index, "coco") == []
    assert "1 objects are marked as crowd" in describe_loss(index, "yolo")[0]


def test_loss_is_said(voc):
    assert describe_loss(voc, "voc") == []
    assert "1 objects are marked difficult" in describe_loss(voc, "coco")[0]
    broken = load_dataset(voc.root)
    (voc.root / "annotations" / "b.xml").write_text("<annotation>")
    broken = load_dataset(voc.root)
    assert "1 errors were met" in describe_loss(broken, "voc")[0]


def test_equal_names_in_two_folders_are_told_apart(make_yolo, tmp_path):
    box = "1 0.5 0.5 0.5 0.5\n"
    index = load_dataset(make_yolo({"train": {"a": box}, "val": {"A": box, "b": box}}))
    write_dataset(index, tmp_path / "out", "voc")
    again = load_dataset(tmp_path / "out")
    assert [r.path.name for r in again.splits["val"]] == ["A_2.png", "b.png"]
    assert again.splits["val"][0].path.read_bytes() == index.splits["val"][0].path.read_bytes()


def test_folder_that_holds_something_is_left_alone(voc, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="not an empty folder"):
        write_dataset(voc, tmp_path / "out", "yolo")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_empty_folder_is_taken(voc, tmp_path):
    (tmp_path / "out").mkdir()
    write_dataset(voc, tmp_path / "out", "yolo")
    assert load_dataset(tmp_path / "out").format == "yolo"


def test_broken_picture_leaves_nothing_behind(voc, tmp_path):
    voc.splits["val"][0].path.write_text("no picture")
    with pytest.raises(ImageError, match=r"c\.png"):
        write_dataset(voc, tmp_path / "place" / "out", "coco")
    assert list((tmp_path / "place").iterdir()) == []


def test_full_disk_leaves_nothing_behind(voc, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write.shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_dataset(voc, tmp_path / "place" / "out", "coco")
    assert list((tmp_path / "place").iterdir()) == []


def test_split_without_pictures_survives(make_yolo, tmp_path):
    index = load_dataset(make_yolo({"train": {"a": "1 0.5 0.5 0.5 0.5\n"}}))
    write_dataset(replace(index, splits={**index.splits, "val": ()}), tmp_path / "out", "yolo")
    assert load_dataset(tmp_path / "out").splits["val"] == ()


def test_yolo_keeps_names_that_differ_in_their_split(make_yolo, tmp_path):
    box = "1 0.5 0.5 0.5 0.5\n"
    write_dataset(load_dataset(make_yolo({"train": {"a": box}, "val": {"a": box}})), tmp_path / "out", "yolo")
    again = load_dataset(tmp_path / "out")
    assert [r.name for records in again.splits.values() for r in records] == [
        "images/train/a.png",
        "images/val/a.png",
    ]
