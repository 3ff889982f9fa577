"""The data page of a set with faults."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")

from sdgasnet.cli.main import app
from sdgasnet.data.check import check_dataset
from sdgasnet.data.index import load_dataset
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.evaluation.data_page import build_data_page


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated steel: val is darker, a box stands twice, one lies outside, one picture is cut off."""
    root = tmp_path_factory.mktemp("page") / "steel <1>"
    write_surfaces(root, "steel", {"train": 30, "val": 24}, (96, 96), 0, 0.1, "yolo")
    for path in (root / "images" / "val").iterdir():
        assert cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 2)
    labels = sorted(p for p in (root / "labels" / "train").iterdir() if p.read_text())
    labels[0].write_text(labels[0].read_text() + "0 0.5 0.5 0.2 0.2\n" * 2)
    labels[1].write_text("0 0.95 0.5 0.4 0.2\n")
    picture = next((root / "images" / "train").glob(f"{labels[2].stem}.*"))
    picture.write_bytes(picture.read_bytes()[:300])
    return root


def test_page_stands_alone_and_shows_what_is_wrong(faulty: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["data", "check", str(faulty), "--html", str(tmp_path / "page.html")])
    assert done.exit_code == 1
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=[\"'](?!data:)|@import|url\(", page)
    for word in ("duplicate-box", "box-out-of-range", "unreadable-picture", "split-looks-different"):
        assert word in page
    assert "steel &lt;1&gt;" in page
    assert "steel <1>" not in page
    assert not re.search(r"\$\w", page)
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)]
    assert len(pictures) >= 2
    assert all(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None for data in pictures)


def test_darker_split_is_told_with_its_number(faulty: Path) -> None:
    report = check_dataset(load_dataset(faulty))
    shift = report.statistics.light["val"].brightness_shift
    assert shift is not None
    assert shift < -0.5
    assert report.statistics.light["train"].brightness_shift is None
    (found,) = [f for f in report.findings if f.kind == "split-looks-different" and "brightness" in f.message]
    assert f"{shift:+.2f}" in found.message


def test_a_set_without_a_box_or_another_split_has_a_page(tmp_path: Path) -> None:
    write_surfaces(tmp_path / "good", "steel", {"train": 3}, (64, 64), 0, 1.0, "yolo")
    index = load_dataset(tmp_path / "good")
    page = build_data_page(index, check_dataset(index))
    assert "There is no other split to compare with train." in page
