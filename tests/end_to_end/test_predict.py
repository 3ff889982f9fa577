"""``sdgasnet predict``: what it reads and what it must not overwrite."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from sdgasnet.cli.main import main  # noqa: E402
from sdgasnet.config.loading import build_recipe  # noqa: E402
from sdgasnet.data.surfaces.dataset import write_surfaces  # noqa: E402
from sdgasnet.decision.draw import NG_COLOUR, OK_COLOUR  # noqa: E402
from sdgasnet.imaging.image import read_image  # noqa: E402
from sdgasnet.models.checkpoint import ModelFile, write_model  # noqa: E402
from sdgasnet.models.network import Network  # noqa: E402


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    write_surfaces(tmp_path / "line", "steel", {"train": 3}, (64, 64), 3, 0.1, "coco")
    recipe = build_recipe({"model": {"image_size": [64, 64], "channels": 1}})
    torch.manual_seed(0)
    write_model(ModelFile(recipe, ("pit",), Network(recipe.model, 1).state_dict()), tmp_path / "model.pt")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["sdgasnet", "predict", "model.pt", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, capfd.readouterr().err

    return call


def test_its_own_pictures_are_not_read_again(predict, tmp_path: Path) -> None:
    for _ in range(2):
        code, said = predict(".", "--json", "found.json")
        assert code == 0, said
        assert "3 pictures" in said
    files = [entry["file"] for entry in json.loads((tmp_path / "found.json").read_text())["pictures"]]
    assert all(file.startswith("line/images/") for file in files)
    assert predict("predictions", "--no-images")[0] == 0


@pytest.mark.parametrize("option", ["--out", "--json", "--csv", "--coco", "--parts"])
def test_a_picture_that_is_read_is_never_overwritten(predict, tmp_path: Path, option: str) -> None:
    picture = next((tmp_path / "line" / "images").iterdir())
    before = picture.read_bytes()
    target = "line/images" if option == "--out" else str(picture)
    code, said = predict("line/images", option, target)
    assert code == 2
    assert "would be overwritten" in said
    assert picture.read_bytes() == before


def test_a_name_that_is_no_model(predict, tmp_path: Path) -> None:
    (tmp_path / "model.pt").unlink()
    code, said = predict("line")
    assert code == 2
    assert "Model model.pt does not exist" in said


ALWAYS_NG = "default: {score_threshold: 0.0}\n"
"""Untrained weights score about 0.01 everywhere."""
ALWAYS_OK = "default: {score_threshold: 1.0}\n"


@pytest.mark.parametrize(("rules", "code", "word"), [(ALWAYS_NG, 3, "NG"), (ALWAYS_OK, 0, "OK")])
def test_verdicts_in_every_output(predict, tmp_path: Path, rules: str, code: int, word: str) -> None:
    (tmp_path / "rules.yaml").write_text(rules)
    files = ("--json", "a.json", "--csv", "a.csv", "--parts", "parts.csv", "--coco", "a.coco.json")
    assert predict("line", "--rules", "rules.yaml", *files)[0] == 0
    ended, said = predict("line", "--rules", "rules.yaml", "--fail-on-ng", *files)
    assert ended == code, said
    assert ("3 verdicts: 0 OK, 3 NG" if word == "NG" else "3 verdicts: 3 OK, 0 NG") in said
    written = json.loads((tmp_path / "a.json").read_text())
    assert (written["rules_from"], written[word], "parts" in written) == ("rules.yaml", 3, False)
    for entry in written["pictures"]:
        assert entry["verdict"] == word
        assert bool(entry["reasons"]) == (word == "NG")
        assert all(thing["counts"] == (word == "NG") for thing in entry["detections"])
    with (tmp_path / "parts.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["verdict"] for row in rows] == [word] * 3
    assert [row["part"] for row in rows] == [entry["file"] for entry in written["pictures"]]
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == "file,class,score,x1,y1,x2,y2"
    colour = NG_COLOUR if word == "NG" else OK_COLOUR
    drawn = sorted((tmp_path / "predictions").iterdir())
    assert [read_image(path, 3)[0, 0].tolist() for path in drawn] == [list(colour)] * 3


def test_a_picture_that_can_t_be_read_makes_its_part_ng(predict, tmp_path: Path) -> None:
    for name in ("7_right.png", "8_left.png"):
        source = next((tmp_path / "line" / "images").rglob("*.png"))
        (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "7_left.png").write_bytes(b"no picture")
    (tmp_path / "rules.yaml").write_text(ALWAYS_OK + "part_pattern: ^\\d+\n")
    files = ("7_left.png", "7_right.png", "8_left.png")
    code, said = predict(*files, "--rules", "rules.yaml", "--json", "a.json", "--parts", "p.csv", "--no-images")
    assert code == 1
    assert "2 parts: 1 OK, 1 NG" in said
    assert "NG 7: 7_left.png: can't be read" in said
    written = json.loads((tmp_path / "a.json").read_text())
    assert [(part["part"], part["verdict"], part["pictures"]) for part in written["parts"]] == [
        ("7", "NG", 2),
        ("8", "OK", 1),
    ]
    assert [entry["verdict"] for entry in written["pictures"]] == ["NG", "OK", "OK"]
    assert (tmp_path / "p.csv").read_text().splitlines()[1:] == ["7,NG,2,7_left.png: can't be read", "8,OK,1,"]


@pytest.mark.parametrize(
    ("rules", "options", "words"),
    [
        (None, ["--fail-on-ng"], "need rules for OK and NG, and model.pt has none"),
        (None, ["--parts", "p.csv"], "need rules"),
        (None, ["--rules", "none.yaml"], "none.yaml can't be read"),
        ("classes: {crack: {}}", ["--rules", "rules.yaml"], "does not know: crack. It knows: pit"),
        ("part_pattern: ^lot", ["--rules", "rules.yaml"], "is not in the file name"),
    ],
)
def test_rules_that_can_t_be_applied_stop_before_anything_is_written(
    predict, tmp_path: Path, rules: str | None, options: list[str], words: str
) -> None:
    if rules is not None:
        (tmp_path / "rules.yaml").write_text(rules)
    before = set(tmp_path.rglob("*"))
    code, said = predict("line", "--json", "a.json", *options)
    assert code == 2
    assert words in said
    assert set(tmp_path.rglob("*")) == before


def test_without_rules_nothing_is_said_of_ok_and_ng(predict, tmp_path: Path) -> None:
    code, said = predict("line", "--json", "a.json")
    assert code == 0
    written = json.loads((tmp_path / "a.json").read_text())
    assert set(written) == {"model", "class_names", "score_threshold", "score_threshold_overridden", "pictures"}
    assert all(set(entry) == {"file", "size", "detections"} for entry in written["pictures"])
    assert "OK" not in said
    assert "NG" not in said
