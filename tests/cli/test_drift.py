"""``sdgasnet bundle baseline`` and ``sdgasnet drift`` on a real bundle."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from sdgasnet.cli.main import main
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.export.build import build_bundle
from sdgasnet.models.checkpoint import read_model
from sdgasnet.runtime.bundle import open_bundle, write_bundle

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, pictures as they should be, and some under a dimmer lamp, the last of them cut off."""
    folder = tmp_path_factory.mktemp("drift")
    manifest, files = build_bundle(read_model(Path("procedural")), "procedural", 8)
    write_bundle(folder / "bare.sdg", manifest, files)
    write_surfaces(folder / "good", "steel", {"val": 60}, (64, 64), 3, 0.5, "yolo")
    write_surfaces(folder / "later", "steel", {"val": 40}, (64, 64), 4, 0.5, "yolo")
    for number, path in enumerate(sorted((folder / "later").rglob("*.png"))):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        dimmed = (image * (1.0 if number < 10 else 0.4)).astype(np.uint8)
        cv2.imwrite(str(path), dimmed)
    path.write_bytes(path.read_bytes()[:200])
    return folder


@pytest.fixture
def sdgasnet(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["sdgasnet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return call


@pytest.fixture(scope="module")
def watched(place: Path) -> Path:
    sys.argv = ["sdgasnet", "bundle", "baseline", str(place / "bare.sdg"), str(place / "good")]
    sys.argv += ["-o", str(place / "watched.sdg"), "--runtime", "onnxruntime"]
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    return place / "watched.sdg"


def test_a_dimmer_lamp_is_noticed_and_dated(sdgasnet: Call, watched: Path) -> None:
    code, told, error = sdgasnet("drift", watched, "later", "--json")
    document = json.loads(told)
    assert code == 3
    assert document["pictures"] == 39
    assert error.count("left out:") == 1
    alarm = next(alarm for alarm in document["alarms"] if alarm["statistic"] == "brightness")
    assert alarm["direction"] == "lower"
    assert 8 <= alarm["since"] <= 12
    assert alarm["since_picture"].endswith(f"steel_{alarm['since'] - 1:06d}.png")


def test_the_state_goes_on_over_calls(sdgasnet: Call, watched: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = sorted(Path("later").rglob("*.png")) or sorted((watched.parent / "later").rglob("*.png"))
    assert sdgasnet("drift", watched, *first[:10], "--state", state)[0] == 0
    code, told, _ = sdgasnet("drift", watched, *first[10:39], "--state", state)
    assert code == 3
    assert "brightness is lower since picture" in told
    assert json.loads(state.read_text())["pictures"] == 39
    code, told, error = sdgasnet("drift", watched, first[0], "--state", state)
    assert (code, told) == (3, "")
    assert "alarms before these pictures: " in error


def test_pictures_like_the_baseline_are_no_drift(sdgasnet: Call, watched: Path) -> None:
    code, told, error = sdgasnet("drift", watched, "good")
    assert (code, told) == (0, "")
    assert "60 pictures, 60 in all: no new drift" in error


def test_a_baseline_stays_with_rules_and_is_described(sdgasnet: Call, watched: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("default: {score_threshold: 0.5}\n")
    new = tmp_path / "decided.sdg"
    assert sdgasnet("bundle", "decide", watched, tmp_path / "rules.yaml", "-o", new)[0] == 0
    assert "drift.json" in open_bundle(new).files
    assert "60 pictures" in sdgasnet("bundle", "info", new)[1]


def test_what_can_not_be_watched(sdgasnet: Call, place: Path, watched: Path, tmp_path: Path) -> None:
    code, _, error = sdgasnet("drift", place / "bare.sdg", "good")
    assert (code, "has no baseline" in error) == (2, True)
    few = sorted((place / "good").rglob("*.png"))[:5]
    code, _, error = sdgasnet("bundle", "baseline", place / "bare.sdg", *few, "-o", tmp_path / "new.sdg")
    assert (code, "expected 50 or more" in error) == (2, True)
    (tmp_path / "state.json").write_text("{")
    code, _, error = sdgasnet("drift", watched, "good", "--state", tmp_path / "state.json")
    assert (code, "is no state of a drift watch" in error) == (2, True)
    code, _, error = sdgasnet("drift", watched, "good", "--state", tmp_path)
    assert (code, "can't be read" in error) == (2, True)
    (tmp_path / "empty").mkdir()
    code, _, error = sdgasnet("drift", watched, tmp_path / "empty")
    assert (code, "No pictures in" in error) == (2, True)
    assert not (tmp_path / "new.sdg").exists()
