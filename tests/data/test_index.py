from __future__ import annotations

import shutil

import pytest

from sdgasnet.data.fingerprint import image_hashes
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.errors import DataError

BOX = "1 0.5 0.5 0.5 0.25\n"


def test_format_is_found(make_voc, make_coco, make_yolo, xml, thing):
    assert load_dataset(make_voc({"a": xml(thing("pit", (1, 1, 9, 9)))})).format == "voc"
    assert load_dataset(make_yolo({"train": {"a": BOX}})).format == "yolo"
    coco = make_coco([{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}])
    assert load_dataset(coco).format == "coco"
    assert load_dataset(coco / "annotations" / "train.json").format == "coco"


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(tmp_path / "gone")


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"looked for data\.yaml.*the folder is empty"):
        load_dataset(tmp_path)


def test_pictures_without_labels(tmp_path, picture):
    picture(tmp_path / "a.png")
    with pytest.raises(DataError, match="holds 1 pictures, but no labels"):
        load_dataset(tmp_path)


def test_file_of_another_kind(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match="file of another kind"):
        load_dataset(tmp_path / "a.txt")


@pytest.mark.parametrize("format", ["voc", "coco", "yolo"])
def test_named_format_that_is_not_there(tmp_path, format):
    with pytest.raises(DataError, match="is no"):
        load_dataset(tmp_path, format)


def test_two_formats_at_once_are_asked_about(make_yolo):
    root = make_yolo({"train": {"a": BOX}})
    (root / "annotations").mkdir()
    (root / "annotations" / "a.xml").write_text("<annotation/>")
    with pytest.raises(DataError, match="voc and yolo at once"):
        load_dataset(root)
    assert load_dataset(root, "yolo").format == "yolo"


def test_content_hash_does_not_depend_on_the_place(make_yolo, tmp_path):
    root = make_yolo({"train": {"a": BOX}})
    shutil.copytree(root, tmp_path / "copy")
    assert load_dataset(root).content_hash == load_dataset(tmp_path / "copy").content_hash


@pytest.mark.parametrize("change", ["label", "pixels", "class name"])
def test_content_hash_depends_on_the_content(make_yolo, picture, change):
    root = make_yolo({"train": {"a": BOX}})
    before = load_dataset(root).content_hash
    if change == "label":
        (root / "labels" / "train" / "a.txt").write_text("0" + BOX[1:])
    elif change == "pixels":
        picture(root / "images" / "train" / "a.png", seed=77)
    else:
        (root / "data.yaml").write_text("train: images/train\nnames: [hole, mark]\n")
    assert load_dataset(root).content_hash != before


def test_hash_of_a_picture_is_that_of_its_file(make_yolo):
    (records,) = load_dataset(make_yolo({"train": {"a": BOX, "b": BOX}})).splits.values()
    first, second = image_hashes(records)
    assert len(first) == 64
    assert first != second


def test_require_split(make_yolo):
    index = load_dataset(make_yolo({"train": {"a": BOX}}))
    assert len(require_split(index, "train")) == 1
    with pytest.raises(DataError, match=r"no pictures in split 'val'.*train \(1 pictures\)"):
        require_split(index, "val")


def test_picture_listed_twice_counts_once(make_yolo):
    root = make_yolo({"train": {"a": BOX}}, "train: [images/train, images/train]\nnames: [hole, stain]\n")
    index = load_dataset(root)
    assert len(index.splits["train"]) == 1
    assert [f.kind for f in index.findings] == ["picture-listed-twice"]
