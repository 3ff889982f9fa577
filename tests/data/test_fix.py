from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import cv2
import pytest

from sdgasnet.data.check import check_dataset
from sdgasnet.data.fix import LOG_NAME, fix_dataset, write_fixed
from sdgasnet.data.index import load_dataset
from sdgasnet.errors import DataError, OutputError

MENDED = {
    "ambiguous-picture",
    "box-out-of-range",
    "broken-annotation",
    "duplicate-box",
    "empty-box",
    "missing-annotation",
    "missing-picture",
    "missing-size",
    "orphan-annotation",
    "orphan-picture",
    "picture-listed-twice",
    "size-mismatch",
    "unknown-class",
    "unreadable-picture",
}
"""What no corrected copy may hold."""


def tree_hash(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_mtime_ns}".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def fix(root, out):
    """Fix, and hold what must hold of every copy; its index, and the log as (file, kind, action)."""
    before = tree_hash(root)
    index, changes = fix_dataset(load_dataset(root))
    write_fixed(index, changes, out)
    assert tree_hash(root) == before
    copy = load_dataset(out)
    assert copy.format == index.format
    assert not MENDED & {finding.kind for finding in check_dataset(copy).findings}
    log = [json.loads(line) for line in (out / LOG_NAME).read_text(encoding="utf-8").splitlines()]
    assert len(log) == len(changes)
    return copy, [(line["file"], line["kind"], line["action"]) for line in log]


def boxes(index, name):
    record = next(r for records in index.splits.values() for r in records if r.path.name == name)
    return [tuple(round(v, 3) for v in thing.box_xyxy) for thing in record.objects]


def test_boxes_of_a_voc_set(make_voc, xml, thing, tmp_path):
    whole, inside = thing("stain", (1, 1, 60, 40)), thing("crack", (7, 9, 31, 33))
    root = make_voc(
        {
            "twice": xml(inside + whole + inside + inside),
            "outside": xml(thing("stain", (51, 31, 90, 70)) + thing("stain", (70, 1, 90, 9))),
            "empty": xml(thing("crack", (20, 9, 19, 33))),
            "fine": xml(inside),
        }
    )
    copy, log = fix(root, tmp_path / "copy")
    assert boxes(copy, "twice.png") == [(6, 8, 31, 33), (0, 0, 60, 40)]
    assert boxes(copy, "outside.png") == [(50, 30, 60, 40)]
    assert boxes(copy, "empty.png") == []
    assert boxes(copy, "fine.png") == [(6, 8, 31, 33)]
    assert copy.class_names == ("crack", "stain")
    assert log == [
        ("images/empty.png", "empty-box", "box dropped"),
        ("images/outside.png", "box-out-of-range", "box clipped"),
        ("images/outside.png", "box-out-of-range", "box dropped"),
        ("images/twice.png", "duplicate-box", "box dropped"),
        ("images/twice.png", "duplicate-box", "box dropped"),
    ]


def test_log_holds_the_box_before_and_after(make_coco, tmp_path):
    root = make_coco([{"image_id": 1, "category_id": 3, "bbox": [-5, 4, 20, 90]}])
    fix(root, tmp_path / "copy")
    (line,) = map(json.loads, (tmp_path / "copy" / LOG_NAME).read_text().splitlines())
    assert line == {
        "file": "images/a.png",
        "kind": "box-out-of-range",
        "action": "box clipped",
        "what": "open",
        "before": [-5, 4, 15, 94],
        "after": [0, 4, 15, 40],
    }


def test_boxes_that_clipping_makes_equal_are_one(make_coco, tmp_path):
    root = make_coco([{"image_id": 1, "category_id": 3, "bbox": [4, 4, 20, height]} for height in (50, 70)])
    copy, log = fix(root, tmp_path / "copy")
    assert boxes(copy, "a.png") == [(4, 4, 24, 40)]
    assert [action for _, _, action in log] == ["box clipped", "box dropped"]


def test_orphans_of_a_voc_set(make_voc, xml, thing, picture, tmp_path):
    good = xml(thing("stain", (1, 1, 20, 20)))
    root = make_voc({"good": good, "bare": None, "stray": good}, {"train": ["good", "bare", "absent", "good"]})
    (root / "annotations" / "lonely.xml").write_text(good)
    copy, log = fix(root, tmp_path / "copy")
    assert [record.path.name for record in copy.splits["train"]] == ["good.png", "bare.png"]
    assert set(log) == {
        ("annotations/lonely.xml", "orphan-annotation", "left out"),
        ("images/bare.png", "missing-annotation", "rewritten"),
        ("images/good.png", "picture-listed-twice", "rewritten"),
        ("images/stray.png", "orphan-picture", "left out"),
        ("splits/train.txt", "missing-picture", "left out"),
    }


def test_what_can_not_be_placed_is_left_out(make_voc, xml, thing, tmp_path):
    good = xml(thing("stain", (1, 1, 20, 20)))
    turned = xml(thing("stain", (1, 1, 20, 20)), "<size><width>40</width><height>60</height></size>")
    unsized = xml(thing("stain", (1, 1, 20, 20)), "")
    broken = {"a": good, "b": turned, "c": good, "d": "<annotation>", "e": unsized}
    root = make_voc(broken)
    (root / "images" / "c.png").write_bytes((root / "images" / "c.png").read_bytes()[:99])
    copy, log = fix(root, tmp_path / "copy")
    assert [record.path.name for record in copy.splits["train"]] == ["a.png", "e.png"]
    assert set(log) == {
        ("annotations/d.xml", "broken-annotation", "left out"),
        ("annotations/e.xml", "missing-size", "rewritten"),
        ("images/b.png", "size-mismatch", "left out"),
        ("images/c.png", "unreadable-picture", "left out"),
    }


def test_yolo_set(make_yolo, picture, tmp_path):
    line, polygon = "1 0.5 0.5 0.5 0.5\n", "0 0.1 0.1 0.6 0.1 0.6 1.2 0.1 1.2\n"
    zero = "0 0.5 0.5 0 0.25\n"
    root = make_yolo(
        {"train": {"a": line * 2 + polygon, "b": zero, "c": "7 0.5 0.5 0.5 0.5\n", "d": None}, "val": {"a": line}}
    )
    (root / "labels" / "train" / "lonely.txt").write_text(line)
    copy, log = fix(root, tmp_path / "copy")
    train = {record.path.name: len(record.objects) for record in copy.splits["train"]}
    assert train == {"a.png": 2, "b.png": 0, "d.png": 0}
    assert boxes(copy, "a.png") == [(15, 10, 45, 30), (6, 4, 36, 40)]
    assert [r.name for r in copy.splits["val"]] == ["images/val/a.png"]
    assert set(log) == {
        ("labels/train/a.txt:3", "polygon", "rewritten"),
        ("labels/train/c.txt:1", "unknown-class", "left out"),
        ("labels/train/lonely.txt", "orphan-annotation", "left out"),
        ("images/train/a.png", "duplicate-box", "box dropped"),
        ("images/train/a.png", "box-out-of-range", "box clipped"),
        ("images/train/b.png", "empty-box", "box dropped"),
        ("images/train/d.png", "missing-annotation", "rewritten"),
    }


def test_pictures_of_one_name_get_a_number_and_a_line(make_yolo, tmp_path):
    root = make_yolo({"train": {"x/a": "1 0.5 0.5 0.5 0.5\n", "y/a": ""}})
    copy, log = fix(root, tmp_path / "copy")
    assert [record.path.name for record in copy.splits["train"]] == ["a.png", "a_2.png"]
    assert log == [("images/train/y/a.png", "same-name", "rewritten")]


def test_pictures_stay_byte_for_byte(make_coco, tmp_path):
    root = make_coco([{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}])
    copy, log = fix(root, tmp_path / "copy")
    assert log == []
    assert (tmp_path / "copy" / LOG_NAME).read_text() == ""
    for record in copy.splits["train"]:
        assert record.path.read_bytes() == (root / "images" / record.path.name).read_bytes()


def test_a_set_counted_from_zero_is_told_and_not_guessed_at(make_voc, xml, thing, tmp_path):
    root = make_voc({"a": xml(thing("stain", (0, 5, 20, 20)))})
    _, log = fix(root, tmp_path / "copy")
    assert log[0] == (".", "counted-from-zero", "listed")


def test_nothing_remains(make_voc, xml, thing, tmp_path):
    root = make_voc({"a": xml(thing("stain", (1, 1, 20, 20)))})
    (root / "images" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"Nothing .* would remain.*empty \(0 bytes\)"):
        fix_dataset(load_dataset(root))


@pytest.mark.parametrize("place", ["voc/copy", "voc/images/copy", "voc", "taken"])
def test_source_and_taken_folders_are_not_written_to(make_voc, xml, thing, tmp_path, place):
    root = make_voc({"a": xml(thing("stain", (1, 1, 20, 20)))})
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("keep")
    before = tree_hash(tmp_path)
    index, changes = fix_dataset(load_dataset(root))
    with pytest.raises(OutputError, match=r"outside|not an empty folder"):
        write_fixed(index, changes, tmp_path / place)
    assert tree_hash(tmp_path) == before


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sdgasnet", "data", "fix", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_command(make_yolo, tmp_path):
    line = "1 0.5 0.5 0.5 0.5\n"
    root = make_yolo({"train": {"a": line * 2, "b": "0 0.9 0.5 0.4 0.5\n"}})
    cv2.imwrite(str(root / "images" / "train" / "c.png"), cv2.imread(str(root / "images" / "train" / "a.png")))
    before = tree_hash(tmp_path)
    dry = run(root, "--dry-run")
    assert dry.returncode == 0
    assert "duplicate-box" in dry.stdout
    assert tree_hash(tmp_path) == before
    done = run(root, "-o", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    assert "3 pictures as yolo" in done.stderr
    assert "left to a person: duplicate-picture" in done.stderr
    assert boxes(load_dataset(tmp_path / "copy"), "b.png") == [(42, 10, 60, 30)]
    for arguments in ((root,), (root, "-o", tmp_path / "copy"), (tmp_path / "absent", "-o", tmp_path / "new")):
        refused = run(*arguments)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
