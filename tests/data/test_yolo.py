from __future__ import annotations

import pytest

from sdgasnet.data.yolo import read_yolo
from sdgasnet.errors import DataError

BOX = "1 0.5 0.5 0.5 0.25\n"  # of 60x40: 15..45, 15..25


def findings(index):
    return [(finding.severity, finding.kind, finding.where) for finding in index.findings]


def test_box_in_pixels(make_yolo):
    index = read_yolo(make_yolo({"train": {"a": BOX}}))
    (thing,) = index.splits["train"][0].objects
    assert (thing.label, thing.box_xyxy) == (1, (15, 15, 45, 25))
    assert index.class_names == ("hole", "stain")


def test_empty_and_missing_label_files_are_background(make_yolo):
    index = read_yolo(make_yolo({"train": {"a": BOX, "b": "", "c": None, "d": "\n \n"}}))
    assert [len(record.objects) for record in index.splits["train"]] == [1, 0, 0, 0]
    assert findings(index) == [("note", "missing-annotation", "images/train/c.png")]


def test_polygon_becomes_its_bounding_box(make_yolo):
    index = read_yolo(make_yolo({"train": {"a": "0 0.1 0.5 0.5 0.25 0.2 0.75\n"}}))
    assert index.splits["train"][0].objects[0].box_xyxy == pytest.approx((6, 10, 30, 30))
    assert findings(index) == [("note", "polygon", "labels/train/a.txt:1")]


@pytest.mark.parametrize(
    "yaml",
    [
        "path: .\ntrain: images/train\nval: images/val\nnames: {0: hole, 1: stain}\n",
        "train: ../images/train\nvalid: ../images/val\nnc: 2\nnames: ['hole', 'stain']\n",
        "path: ../datasets/gone\ntrain: [images/train]\nval: val.txt\ntest:\nnames:\n  0: hole\n  1: stain\n",
        "path: {root}\ntrain: {root}/images/train\nval: {root}/val.txt\nnames: [hole, stain]\n",
    ],
    ids=["mapping", "export", "lists", "absolute"],
)
def test_data_files_as_they_are_found(make_yolo, yaml, tmp_path):
    root = make_yolo({"train": {"a": BOX}, "val": {"b": BOX}}, yaml.replace("{root}", str(tmp_path / "yolo")))
    (root / "val.txt").write_text("./images/val/b.png\n")
    index = read_yolo(root / "data.yaml")
    assert index.class_names == ("hole", "stain")
    assert {split: [r.name for r in records] for split, records in index.splits.items()} == {
        "train": ["images/train/a.png"],
        "val": ["images/val/b.png"],
    }
    assert len(index.splits["val"][0].objects) == 1


def test_further_split(make_yolo):
    index = read_yolo(make_yolo({"train": {"a": BOX}, "calibration": {"b": BOX}}))
    assert list(index.splits) == ["train", "calibration"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2 0.5 0.5 0.1 0.1", "unknown-class"),
        ("-1 0.5 0.5 0.1 0.1", "unknown-class"),
        ("0.5 0.5 0.5 0.1 0.1", "broken-annotation"),
        ("hole 0.5 0.5 0.1 0.1", "broken-annotation"),
        ("0 0.5 0.5 0.1", "broken-annotation"),
        ("0 0.5 nan 0.1 0.1", "broken-annotation"),
        ("nan 0.5 0.5 0.1 0.1", "broken-annotation"),
        ("inf 0.5 0.5 0.1 0.1", "broken-annotation"),
        ("0 0.5 0.5 0.1 0.1 0.9", "broken-annotation"),
    ],
)
def test_line_that_cannot_be_taken_leaves_its_picture_out(make_yolo, line, kind):
    index = read_yolo(make_yolo({"train": {"a": BOX, "b": f"{BOX}{line}\n"}}))
    assert [record.name for record in index.splits["train"]] == ["images/train/a.png"]
    assert findings(index) == [("error", kind, "labels/train/b.txt:2")]


def test_label_file_that_is_no_text(make_yolo):
    root = make_yolo({"train": {"a": BOX, "b": ""}})
    (root / "labels" / "train" / "b.txt").write_bytes(b"\xff\xfe\x00\x81")
    assert findings(read_yolo(root)) == [("error", "broken-annotation", "labels/train/b.txt")]


def test_orphans(make_yolo, picture):
    root = make_yolo({"train": {"a": BOX}})
    (root / "labels" / "train" / "lost.txt").write_text(BOX)
    picture(root / "images" / "later" / "c.png", 3)
    assert findings(read_yolo(root)) == [
        ("warning", "orphan-annotation", "labels/train/lost.txt"),
        ("warning", "orphan-picture", "images/later/c.png"),
    ]


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("names: [", "can't be read as YAML"),
        ("- a\n", "holds no keys"),
        ("train: images/train\n", "'names' is None"),
        ("train: images/train\nnames: {1: a, 2: b}\n", "'names'"),
        ("train: images/train\nnames: [a, a]\n", "two classes of one name"),
        ("train: images/train\nnc: 3\nnames: [a, b]\n", "'nc' is 3"),
        ("names: [a]\n", "names no split"),
        ("train: images/gone\nnames: [a]\n", "neither a folder"),
    ],
)
def test_malformed_data_file_is_refused(make_yolo, yaml, said):
    with pytest.raises(DataError, match=said):
        read_yolo(make_yolo({"train": {"a": BOX}}, yaml))


def test_missing_test_split_is_only_a_warning(make_yolo):
    yaml = "train: images/train\ntest: images/test\nnames: [hole, stain]\n"
    index = read_yolo(make_yolo({"train": {"a": BOX}}, yaml))
    assert findings(index) == [("warning", "missing-split", "data.yaml")]


@pytest.mark.parametrize("key", ["../../outside", "a/b", "3", "n" * 300])
def test_a_key_that_is_no_plain_name_is_no_split(make_yolo, key):
    root = make_yolo({"train": {"a": ""}}, f"train: images/train\n{key}: images/train\nnames: [hole]\n")
    assert list(read_yolo(root).splits) == ["train"]


def test_the_whole_disk_is_no_split(make_yolo):
    text = "train: images/train\nnames: [hole]\n"
    assert list(read_yolo(make_yolo({"train": {"a": ""}}, f"{text}more: /\nup: ..\nhere: .\n")).splits) == [
        "train"
    ]


@pytest.mark.parametrize("entry", ["/", "[/]", "images/../../../../../../../../../../../.."])
def test_a_known_split_that_is_the_whole_disk_is_refused(make_yolo, entry):
    root = make_yolo({"train": {"a": ""}}, f"train: images/train\nval: {entry}\nnames: [hole]\n")
    with pytest.raises(DataError, match="whole disk"):
        read_yolo(root)
