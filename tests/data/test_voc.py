from __future__ import annotations

import pytest

from sdgasnet.data.index import load_dataset
from sdgasnet.data.voc import read_voc
from sdgasnet.errors import DataError


def kinds(index):
    return [(finding.severity, finding.kind, finding.where) for finding in index.findings]


def test_coordinates_are_counted_from_one_and_inclusive(make_voc, xml, thing):
    # A box around the whole picture of 60x40 is 1..60, 1..40 in VOC and 0..60, 0..40 in continuous pixels.
    root = make_voc({"a": xml(thing("pit", (1, 1, 60, 40)) + thing("pit", (11, 6, 11, 6)))})
    whole, one_pixel = read_voc(root).splits["train"][0].objects
    assert whole.box_xyxy == (0, 0, 60, 40)
    assert one_pixel.box_xyxy == (10, 5, 11, 6)


def test_class_is_the_name_of_the_object_and_not_of_the_file(make_voc, xml, thing):
    root = make_voc({"pit_1": xml(thing("stain", (1, 1, 9, 9)) + thing("crack", (1, 1, 9, 9)))})
    index = read_voc(root)
    assert index.class_names == ("crack", "stain")
    assert [o.label for o in index.splits["train"][0].objects] == [1, 0]


def test_class_file_fixes_the_order(make_voc, xml, thing):
    root = make_voc({"a": xml(thing("crack", (1, 1, 9, 9)))})
    (root / "classes.txt").write_text("stain\ncrack\n")
    index = read_voc(root)
    assert index.class_names == ("stain", "crack")
    assert index.splits["train"][0].objects[0].label == 1


def test_class_order_is_that_of_all_splits(make_voc, xml, thing):
    annotations = {"a": xml(thing("stain", (1, 1, 9, 9))), "b": xml(thing("crack", (1, 1, 9, 9)))}
    assert read_voc(make_voc(annotations, {"train": ["a"], "val": ["b"]})).class_names == ("crack", "stain")


def test_difficult_depth_and_size_are_kept(make_voc, xml, thing):
    size = "<size><width>60</width><height>40</height><depth>3</depth></size>"
    record = read_voc(make_voc({"a": xml(thing("pit", (1, 1, 9, 9), difficult=1), size)})).splits["train"][0]
    assert record.objects[0].difficult
    assert record.annotated_size == (40, 60)
    assert record.annotated_channels == 3


def test_splits_come_from_lists(make_voc, xml, thing):
    one = xml(thing("pit", (1, 1, 9, 9)))
    root = make_voc({"a": one, "b": one, "c d": one, "e": one}, {"train": ["b", "a.png"], "val": ["c d"]})
    index = read_voc(root)
    assert [r.path.stem for r in index.splits["train"]] == ["b", "a"]
    assert [r.path.stem for r in index.splits["val"]] == ["c d"]
    assert kinds(index) == [("warning", "orphan-picture", "images/e.png")]


def test_lists_of_one_class_and_trainval_are_no_splits(make_voc, xml, thing):
    one = xml(thing("pit", (1, 1, 9, 9)))
    lists = {"train": ["a"], "val": ["b"], "trainval": ["a", "b"], "pit_train": ["a  1", "b -1"]}
    assert list(read_voc(make_voc({"a": one, "b": one}, lists)).splits) == ["train", "val"]


def test_name_without_picture_is_an_error(make_voc, xml, thing):
    index = read_voc(make_voc({"a": xml(thing("pit", (1, 1, 9, 9)))}, {"train": ["a", "gone"]}))
    assert kinds(index) == [("error", "missing-picture", "splits/train.txt")]


def test_picture_without_xml_is_background(make_voc, xml, thing):
    index = read_voc(make_voc({"a": xml(thing("pit", (1, 1, 9, 9))), "b": None}))
    assert index.splits["train"][1].objects == ()
    assert kinds(index) == [("warning", "missing-annotation", "images/b.png")]


def test_xml_without_picture_is_reported(make_voc, xml, thing):
    root = make_voc({"a": xml(thing("pit", (1, 1, 9, 9)))})
    (root / "annotations" / "lost.xml").write_text(xml())
    assert kinds(read_voc(root)) == [("warning", "orphan-annotation", "annotations/lost.xml")]


def test_xml_without_size_is_taken_with_a_warning(make_voc, xml, thing):
    index = read_voc(make_voc({"a": xml(thing("pit", (1, 1, 9, 9)), size="")}))
    assert index.splits["train"][0].annotated_size is None
    assert kinds(index) == [("warning", "missing-size", "annotations/a.xml")]


BROKEN = {
    "cut off": "<annotation><size>",
    "other root": "<html></html>",
    "negative size": "<annotation><size><width>-60</width><height>40</height></size></annotation>",
    "no name": "<annotation><object><bndbox/></object></annotation>",
    "no corner": "<annotation><object><name>pit</name></object></annotation>",
    "entity": '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><annotation>&y;</annotation>',
    "file entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_broken_xml_leaves_its_picture_out(make_voc, xml, thing, text):
    index = read_voc(make_voc({"a": xml(thing("pit", (1, 1, 9, 9))), "b": text}))
    assert [record.name for record in index.splits["train"]] == ["images/a.png"]
    assert ("error", "broken-annotation", "annotations/b.xml") in kinds(index)


@pytest.mark.parametrize("value", ["nan", "inf", "left", ""])
def test_coordinate_that_is_no_number_leaves_its_picture_out(make_voc, xml, thing, value):
    annotations = {"a": xml(thing("pit", (1, 1, 9, 9))), "b": xml(thing("pit", (value, 1, 9, 9)))}
    assert kinds(read_voc(make_voc(annotations))) == [("error", "broken-annotation", "annotations/b.xml")]


def test_doctype_is_refused_in_any_encoding(make_voc, xml, thing):
    root = make_voc({"a": xml(thing("pit", (1, 1, 9, 9))), "b": ""})
    (root / "annotations" / "b.xml").write_bytes(
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xx">]><annotation/>'.encode("utf-16")
    )
    (finding,) = read_voc(root).findings
    assert "document type definition" in finding.message


def test_class_outside_the_class_file_leaves_its_picture_out(make_voc, xml, thing):
    root = make_voc({"a": xml(thing("pit", (1, 1, 9, 9))), "b": xml(thing("hole", (1, 1, 9, 9)))})
    (root / "classes.txt").write_text("pit\n")
    assert kinds(read_voc(root)) == [("error", "unknown-class", "images/b.png")]


def test_two_pictures_of_one_stem_are_an_error(make_voc, xml, thing, picture):
    root = make_voc({"a": xml(thing("pit", (1, 1, 9, 9)))})
    picture(root / "images" / "b" / "a.png")
    assert kinds(read_voc(root)) == [("error", "ambiguous-picture", "images/b/a.png")]


def test_nothing_labelled_is_refused(make_voc, xml):
    with pytest.raises(DataError, match="no labelled object"):
        read_voc(make_voc({"a": xml()}))


def test_only_broken_annotations_are_refused_with_the_first_problem(make_voc):
    with pytest.raises(DataError, match=r"no picture.*annotations/a\.xml"):
        read_voc(make_voc({"a": "<annotation>"}))


def test_folders_of_the_original_layout(make_voc, xml, thing):
    root = make_voc({"a": xml(thing("pit", (1, 1, 9, 9)))})
    (root / "images").rename(root / "JPEGImages")
    (root / "annotations").rename(root / "Annotations")
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("a\n")
    index = load_dataset(root)
    assert index.format == "voc"
    assert index.splits["val"][0].name == "JPEGImages/a.png"
