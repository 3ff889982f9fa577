from __future__ import annotations

import json

import pytest

from sdgasnet.data.coco import read_coco
from sdgasnet.errors import DataError

BOX = {"image_id": 1, "category_id": 7, "bbox": [10, 5, 20, 30]}


def test_box_and_category_ids(make_coco):
    index = read_coco(make_coco([BOX, {**BOX, "category_id": 3, "iscrowd": 1}]))
    assert index.class_names == ("open", "spur")
    first, second = index.splits["train"][0].objects
    assert (first.label, first.box_xyxy, first.crowd) == (1, (10, 5, 30, 35), False)
    assert (second.label, second.crowd) == (0, True)
    assert index.splits["train"][0].annotated_size == (40, 60)
    assert index.splits["train"][1].objects == ()
    assert index.findings == ()


def test_a_single_file_is_a_split_of_its_name(make_coco):
    root = make_coco([BOX])
    (root / "annotations" / "train.json").rename(root / "annotations" / "instances_val.json")
    index = read_coco(root / "annotations" / "instances_val.json")
    assert list(index.splits) == ["val"]
    assert index.root == root


def test_other_files_beside_instances_are_left_alone(make_coco):
    root = make_coco([BOX])
    folder = root / "annotations"
    (folder / "train.json").rename(folder / "instances_train.json")
    (folder / "captions_train.json").write_text("{}")
    assert list(read_coco(root).splits) == ["train"]


def test_pictures_may_lie_in_a_folder_of_the_split(make_coco):
    root = make_coco([BOX])
    (root / "images").rename(root / "train")
    assert read_coco(root).splits["train"][0].name == "train/a.png"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"category_id": 99}, "unknown-class"),
        ({"bbox": [1, 2, float("nan"), 4]}, "broken-annotation"),
        ({"bbox": [1, 2, 3]}, "broken-annotation"),
        ({"bbox": None}, "broken-annotation"),
        ({"category_id": [1]}, "broken-annotation"),
    ],
)
def test_annotation_that_cannot_be_taken_leaves_its_picture_out(make_coco, change, kind):
    index = read_coco(make_coco([BOX, {**BOX, "image_id": 2, **change}]))
    assert [record.name for record in index.splits["train"]] == ["images/a.png"]
    assert [(f.severity, f.kind, f.where) for f in index.findings] == [("error", kind, "b.png")]


@pytest.mark.parametrize("image_id", [77, None, [1]])
def test_annotation_of_no_listed_picture(make_coco, image_id):
    (finding,) = read_coco(make_coco([BOX, {**BOX, "image_id": image_id}])).findings
    assert (finding.severity, finding.kind) == ("warning", "orphan-annotation")


def test_missing_and_unlisted_pictures(make_coco, picture):
    root = make_coco([BOX])
    (root / "images" / "b.png").unlink()
    picture(root / "images" / "c.png", 9)
    found = {(f.severity, f.kind) for f in read_coco(root).findings}
    assert found == {("error", "missing-picture"), ("warning", "orphan-picture")}


@pytest.mark.parametrize("text", ["{", "[]", '{"images": []}', "[" * 100_000], ids=["cut", "list", "half", "deep"])
def test_file_of_another_structure_is_refused(make_coco, text):
    root = make_coco([BOX])
    (root / "annotations" / "train.json").write_text(text)
    with pytest.raises(DataError, match=r"train\.json"):
        read_coco(root)


@pytest.mark.parametrize(
    "changed",
    [
        {"categories": [{"id": 7}]},
        {"categories": [{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]},
        {"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]},
        {"images": [{"id": 1}]},
        {"categories": [{"id": 7, "name": "a"}, {"id": 3, "name": "a"}]},
    ],
)
def test_contradicting_lists_are_refused(make_coco, changed):
    with pytest.raises(DataError):
        read_coco(make_coco([BOX], **changed))


def test_files_must_agree_on_the_categories(make_coco):
    root = make_coco([BOX])
    document = json.loads((root / "annotations" / "train.json").read_text())
    document["categories"] = document["categories"][:1]
    (root / "annotations" / "val.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"val\.json lists other categories"):
        read_coco(root)
