"""Boxes go to CVAT and Label Studio and come back."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sdgasnet.cli.main import app
from sdgasnet.data.annotation_tools import ToolBox, ToolPicture, to_dataset
from sdgasnet.data.cvat import cvat_labels, read_cvat, to_cvat
from sdgasnet.data.index import load_dataset
from sdgasnet.data.label_studio import read_label_studio, to_label_studio
from sdgasnet.errors import DataError

CLASSES = ("Kratzer & Riß", "pit <deep>", 'a "quoted" one')
PICTURES = [
    ToolPicture(
        "blech 1/höhe.png",
        (97, 211),
        (ToolBox(CLASSES[0], (0.0, 0.25, 210.99, 96.5)), ToolBox(CLASSES[1], (3.1, 4.7, 9.3, 90.0))),
    ),
    ToolPicture("gut.png", (64, 64), ()),
    ToolPicture("c.png", (40, 30), (ToolBox(CLASSES[2], (1.0, 2.0, 29.0, 39.0)),)),
]

IMAGE = '<image name="a" width="5" height="5">'
BRUSH = '[{"data": {"image": "a"}, "annotations": [{"result": [{"type": "brushlabels", "value": {}}]}]}]'


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for picture in PICTURES:
        path = folder / picture.name
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = picture.require_size()
        path.write_bytes(cv2.imencode(".png", np.zeros((height, width), np.uint8))[1].tobytes())
    return folder


def assert_same(back: list[ToolPicture], names: bool = True) -> None:
    assert len(back) == len(PICTURES)
    for ours, theirs in zip(PICTURES, back, strict=True):
        assert not names or ours.name == theirs.name
        assert [box.class_name for box in ours.boxes] == [box.class_name for box in theirs.boxes]
        for one, other in zip(ours.boxes, theirs.boxes, strict=True):
            assert one.box_xyxy == pytest.approx(other.box_xyxy, abs=0.01)


def test_cvat_and_back(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(to_cvat(PICTURES, CLASSES), encoding="utf-8")
    pictures, class_names = read_cvat(tmp_path / "a.xml")
    assert tuple(class_names) == CLASSES
    assert [picture.size for picture in pictures] == [picture.size for picture in PICTURES]
    assert_same(pictures)


def test_label_studio_and_back(tmp_path: Path, images: Path) -> None:
    (tmp_path / "a.json").write_text(to_label_studio(PICTURES, "/data/local-files/?d=x/", "m"), encoding="utf-8")
    pictures, class_names = read_label_studio(tmp_path / "a.json")
    assert class_names == sorted(CLASSES)
    assert_same(pictures, names=False)
    index = to_dataset(pictures, class_names, images, tmp_path / "a.json")
    assert [record.name for record in index.splits["train"]] == [picture.name for picture in PICTURES]


def test_files_that_label_studio_was_given_are_found_by_their_name(tmp_path: Path, images: Path) -> None:
    picture = ToolPicture("/data/upload/3/1a2b3c4d-c.png", (40, 30), PICTURES[2].boxes)
    index = to_dataset([picture], CLASSES, images, tmp_path / "a.json")
    assert index.splits["train"][0].name == "c.png"


def test_scores_and_remarks_are_predictions_and_attributes() -> None:
    box = ToolBox(CLASSES[0], (1.0, 2.0, 3.0, 4.0), 0.75, "rather pit?")
    picture = ToolPicture("c.png", (40, 30), (*PICTURES[2].boxes, box))
    (task,) = json.loads(to_label_studio([picture], "", "steel"))
    assert len(task["annotations"][0]["result"]) == len(task["predictions"][0]["result"]) == 1
    assert task["predictions"][0]["model_version"] == "steel"
    assert task["data"]["remarks"] == "rather pit?"
    root = ElementTree.fromstring(to_cvat([picture], CLASSES))
    assert {e.get("name"): e.text for e in root.iterfind("image/box[2]/attribute")} == {
        "score": "0.7500",
        "remark": "rather pit?",
    }
    assert [label["name"] for label in json.loads(cvat_labels(CLASSES))] == list(CLASSES)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xml", "<annotations>", "is no XML"),
        ("a.xml", "<annotation/>", "is no export of CVAT"),
        ("a.xml", "<annotations/>", "holds no <image>"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "document type"),
        ("a.xml", f"<annotations>{IMAGE}<polygon/></image></annotations>", "<polygon>"),
        ("a.xml", f'<annotations>{IMAGE}<box label="a" xtl="x"/></image></annotations>', "xtl='x'"),
        ("a.json", "[", "is no JSON"),
        ("a.json", "{}", "not a list of tasks"),
        ("a.json", "[{}]", "holds no task with an annotation"),
        ("a.json", '[{"annotations": [{"result": []}]}]', "task 1 is not as Label Studio exports it"),
        ("a.json", BRUSH, "brushlabels"),
    ],
)
def test_what_is_no_export_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        (read_cvat if name.endswith("xml") else read_label_studio)(path)


def test_pictures_that_are_not_there_or_of_another_size(tmp_path: Path, images: Path) -> None:
    for picture, message in (
        (ToolPicture("strange.png", (1, 1), ()), "holds no such picture"),
        (ToolPicture("c.png", (30, 40), ()), "40x30 pixels"),
    ):
        with pytest.raises(DataError, match=message):
            to_dataset([picture], CLASSES, images, tmp_path / "a.xml")


@pytest.mark.parametrize("tool", ["cvat", "label-studio"])
def test_from_a_data_set_to_the_tool_and_back(tool: str, tmp_path: Path, make_yolo) -> None:
    root = make_yolo(
        {"train": {"a": "0 0.5 0.5 0.2 0.4\n1 0.3 0.3 0.1 0.1\n", "b": ""}, "val": {"c": "1 0.4 0.5 0.2 0.2\n"}}
    )
    out = tmp_path / ("tool.xml" if tool == "cvat" else "tool.json")
    run = CliRunner().invoke(app, ["data", "export", str(root), "--to", tool, "-o", str(out)])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "tool.labels.json").is_file() == (tool == "cvat")
    run = CliRunner().invoke(
        app, ["data", "import", str(out), "--images", str(root), "-o", str(tmp_path / "back")]
    )
    assert run.exit_code == 0, run.output
    before, after = load_dataset(root), load_dataset(tmp_path / "back")
    assert set(after.class_names) == set(before.class_names)

    def boxes(index):
        return {
            record.path.stem: sorted(
                (index.class_names[o.label], *np.round(o.box_xyxy, 1)) for o in record.objects
            )
            for members in index.splits.values()
            for record in members
        }

    assert boxes(after) == boxes(before)


def test_suspicions_go_to_the_tool_with_what_to_look_at(tmp_path: Path, make_yolo) -> None:
    root = make_yolo({"train": {"a": "0 0.5 0.5 0.2 0.4\n", "b": ""}})
    index = load_dataset(root)
    record = next(r for r in index.splits["train"] if r.path.stem == "a")
    labelled = {"class": index.class_names[0], "box_xyxy": list(record.objects[0].box_xyxy)}
    entry = {
        "picture": record.name,
        "kind": "class",
        "strength": 0.9,
        "labelled": labelled,
        "found": {**labelled, "class": index.class_names[1]},
    }
    (tmp_path / "s.json").write_text(json.dumps({"suspicions": [entry]}))
    arguments = ["--to", "cvat", "-o", str(tmp_path / "s.xml"), "--suspicions", str(tmp_path / "s.json")]
    run = CliRunner().invoke(app, ["data", "export", str(root), *arguments])
    assert run.exit_code == 0, run.output
    (picture,), _ = read_cvat(tmp_path / "s.xml")
    (box,) = picture.boxes
    assert (box.remark, box.score) == (f"rather {index.class_names[1]}?", 0.9)
