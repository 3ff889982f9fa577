"""``sdgasnet predict``: what it reads and what it must not overwrite."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from sdgasnet.cli.main import main  # noqa: E402
from sdgasnet.config.loading import build_recipe  # noqa: E402
from sdgasnet.data.surfaces.dataset import write_surfaces  # noqa: E402
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


@pytest.mark.parametrize("option", ["--out", "--json", "--csv", "--coco"])
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
