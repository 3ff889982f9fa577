"""``sdgasnet val`` on a real, tiny model file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from sdgasnet.cli.main import main  # noqa: E402
from sdgasnet.config.loading import build_recipe, dump_recipe  # noqa: E402
from sdgasnet.data.index import load_dataset, reorder_classes  # noqa: E402
from sdgasnet.data.surfaces.dataset import write_surfaces  # noqa: E402
from sdgasnet.data.write import write_dataset  # noqa: E402
from sdgasnet.models.checkpoint import ModelFile, write_model  # noqa: E402
from sdgasnet.models.network import Network  # noqa: E402


@dataclass(frozen=True)
class Place:
    run: Path
    data: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A data set of generated pictures, and a run folder with an untrained model whose scores are all shown."""
    folder = tmp_path_factory.mktemp("val")
    write_surfaces(folder / "data", "steel", {"train": 2, "val": 9}, (64, 64), 3, 0.1, "yolo")
    recipe = build_recipe(
        {"model": {"image_size": [64, 64], "channels": 1}, "detection": {"score_threshold": 0.0}}
    )
    names = load_dataset(folder / "data").class_names
    torch.manual_seed(0)
    network = Network(recipe.model, len(names))
    write_model(ModelFile(recipe, names, network.state_dict(), epoch=1), folder / "run" / "last.pt")
    (folder / "run" / "recipe.yaml").write_text(dump_recipe(recipe))
    return Place(folder / "run", folder / "data")


@pytest.fixture
def val(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sdgasnet", "val", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, captured.out, captured.err

    return call


def test_json_alone_on_stdout_and_a_page_and_plots_beside_it(place: Place, tmp_path: Path) -> None:
    arguments = ["val", place.run, place.data, "--json", "--html", "out/page.html", "--plots", "plots"]
    done = subprocess.run(
        [sys.executable, "-m", "sdgasnet", *map(str, arguments)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {"AP", "AP50", "AP75", "per_class", "images", "boxes", "model", "data", "split"} <= set(document)
    assert all(set(figures) == {"AP", "AP50"} for figures in document["per_class"].values())
    assert (document["images"], document["split"]) == (9, "val")
    assert document["model"] == str(place.run / "last.pt")
    assert (tmp_path / "out" / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "confusion.png",
        "curves.png",
        "labels.png",
        "predictions.png",
    }
    assert not list(tmp_path.rglob("*.part"))


def test_table(val, place: Place) -> None:
    code, out, _ = val(place.run / "last.pt", place.data, "--split", "train")
    assert code == 0
    assert "2 pictures of split 'train'" in out
    assert "inclusion" in out
    assert "AP75" in out


def test_overridden_thresholds_are_said_and_recorded(val, place: Place) -> None:
    wanted = ("--score-threshold", 0.5, "--iou-threshold", 0.3, "--averaging-iou", 0.5)
    code, out, err = val(place.run, place.data, "--json", *wanted)
    assert code == 0
    assert "score threshold 0.5 instead of the model's 0" in err
    assert "iou threshold 0.3 instead of the model's 0.6" in err
    settings = json.loads(out)["detection"]
    assert "averaging iou 0.5 instead of the model's 0.7" in err
    assert [settings[name] for name in ("score_threshold", "iou_threshold", "averaging_iou")] == [0.5, 0.3, 0.5]


def test_classes_in_another_order_give_the_same_figures(val, place: Place, tmp_path: Path) -> None:
    index = load_dataset(place.data)
    write_dataset(reorder_classes(index, index.class_names[::-1]), tmp_path / "turned", "yolo")
    assert load_dataset(tmp_path / "turned").class_names == index.class_names[::-1]
    documents = [json.loads(val(place.run, data, "--json")[1]) for data in (place.data, tmp_path / "turned")]
    for document in documents:
        del document["data"]
    assert documents[0] == documents[1]


def test_a_split_that_is_not_there(val, place: Place) -> None:
    code, out, err = val(place.run, place.data, "--split", "test")
    assert (code, out) == (2, "")
    assert "error:" in err
    assert "no pictures in split 'test'" in err
    assert "val (9 pictures)" in err


def test_a_page_that_cannot_be_written(val, place: Place, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    code, _, err = val(place.run, place.data, "--html", tmp_path / "taken" / "page.html")
    assert code == 2
    assert "page.html can't be written" in err
