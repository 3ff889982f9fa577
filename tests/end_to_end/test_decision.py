"""``sdgasnet calibrate`` and ``report`` on a real model file."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from sdgasnet.cli.main import main  # noqa: E402
from sdgasnet.data.fingerprint import image_hashes  # noqa: E402
from sdgasnet.data.index import load_dataset  # noqa: E402
from sdgasnet.data.surfaces.dataset import write_surfaces  # noqa: E402
from sdgasnet.decision.rules_file import read_rules  # noqa: E402
from sdgasnet.models.checkpoint import find_model_file, read_model, write_model  # noqa: E402

Call = Callable[..., tuple[int, str, str]]
BY_COST = ("--escape-cost", "100", "--overkill-cost", "1")


@dataclass(frozen=True)
class Place:
    model: Path
    data: Path
    good: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Generated surfaces, bad and good ones, and start weights that claim to have seen the split train."""
    folder = tmp_path_factory.mktemp("calibrate")
    write_surfaces(folder / "data", "mixed", {"train": 3, "calibration": 24}, (128, 128), 5, 0.0, "yolo")
    write_surfaces(folder / "good", "mixed", {"val": 24}, (128, 128), 6, 1.0, "yolo")
    index = load_dataset(folder / "data")
    weights = read_model(Path("procedural"))
    data = weights.recipe.model.model_copy(update={"image_size": (128, 128)})
    trained = replace(
        weights,
        recipe=weights.recipe.model_copy(update={"model": data}),
        image_hashes=image_hashes(index.splits["train"]),
    )
    write_model(trained, folder / "model.pt")
    return Place(folder / "model.pt", folder / "data", folder / "good" / "images")


@pytest.fixture
def sdgasnet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sdgasnet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int) or code is None
        return code or 0, captured.out, captured.err

    return call


@pytest.fixture
def calibrate(sdgasnet: Call) -> Call:
    return partial(sdgasnet, "calibrate")


@pytest.fixture
def report(sdgasnet: Call) -> Call:
    return partial(sdgasnet, "report")


def test_rules_come_out_that_say_what_they_promise(place: Place, calibrate: Call, tmp_path: Path) -> None:
    out = tmp_path / "rules.yaml"
    code, told, _ = calibrate(
        place.model, place.data, "--good", place.good, *BY_COST, "--plots", tmp_path / "c.png", "-o", out
    )
    assert code == 0
    rules = read_rules(out, load_dataset(place.data).class_names)
    document = json.loads((tmp_path / "calibration.json").read_text())
    assert set(document["thresholds"]) == set(rules.classes)
    assert {name: rule.score_threshold for name, rule in rules.classes.items()} == document["thresholds"]
    assert document["parts"] == {"chosen_on": {"bad": 12, "good": 12}, "guarantee_from": {"bad": 12, "good": 12}}
    assert document["checked_against_training"] is True
    assert document["model_digest"] == hashlib.sha256(place.model.read_bytes()).hexdigest()
    assert "bad parts missed: at 95 % confidence" in told
    assert f"# {document['guarantee']['words'][0]}" in out.read_text()
    assert (tmp_path / "c.png").stat().st_size > 10_000
    assert document["curves"]["escape"]["parts"] == 12
    misses = [error for error in document["errors"] if error["kind"] == "miss"]
    assert len(misses) == document["guarantee"]["escape"]["events"]


def test_training_pictures_are_refused(place: Place, calibrate: Call, tmp_path: Path) -> None:
    out = tmp_path / "rules.yaml"
    code, _, error = calibrate(
        place.model, place.data, "--good", place.good, "--split", "train", *BY_COST, "-o", out
    )
    assert code == 2
    assert "3 of 27 pictures were in the training" in error
    assert not out.exists()


def test_good_pictures_that_are_in_the_split_too_are_refused(
    place: Place, calibrate: Call, tmp_path: Path
) -> None:
    twice = place.data / "images" / "calibration"
    code, _, error = calibrate(place.model, place.data, "--good", twice, *BY_COST, "-o", tmp_path / "rules.yaml")
    assert code == 2
    assert "24 pictures are labelled and in the folder of good ones" in error


def test_bounds_need_scipy_and_say_so(
    place: Place, calibrate: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdgasnet.evaluation.guarantee.find_spec", lambda name: None)
    code, _, error = calibrate(place.model, place.data, "--max-escape-rate", "0.5", "-o", tmp_path / "rules.yaml")
    assert code == 2
    assert "pip install 'sdgasnet[eval]'" in error


def test_a_model_that_knows_no_training_pictures_says_so(place: Place, calibrate: Call, tmp_path: Path) -> None:
    code, _, error = calibrate(
        find_model_file(Path("procedural")), place.data, "--max-escape-rate", "0.9", "-o", tmp_path / "rules.yaml"
    )
    assert code == 0
    assert "does not know its training pictures" in error
    assert json.loads((tmp_path / "calibration.json").read_text())["checked_against_training"] is False


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "--escape-cost and --overkill-cost"),
        (("--escape-cost", "100"), "--escape-cost and --overkill-cost"),
        ((*BY_COST, "--max-escape-rate", "0.01"), "goes without"),
        (("--escape-cost", "0", "--overkill-cost", "0"), "one of them over 0"),
        (("--max-escape-rate", "1.5"), "between 0 and 1"),
        (("--max-escape-rate", "nan"), "between 0 and 1"),
        ((*BY_COST, "--bad-share", "1"), "between 0 and 1"),
        ((*BY_COST, "--confidence", "95"), "from 0.5 to below 1"),
        ((*BY_COST, "--split", "nowhere"), "no pictures in split"),
        ((*BY_COST, "--good", "nowhere"), "no folder of good pictures"),
        (BY_COST, "0 of the 24 parts are good"),
        (("--max-escape-rate", "0.01"), "299 bad parts"),
    ],
)
def test_bad_input_is_one_message(
    place: Place, calibrate: Call, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    code, _, error = calibrate(place.model, place.data, *options, "-o", tmp_path / "rules.yaml")
    assert code == 2
    assert expected in error
    assert error.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_a_report_bounds_on_the_half_that_chose_nothing(
    place: Place, calibrate: Call, report: Call, tmp_path: Path
) -> None:
    parts = (place.model, place.data, "--good", place.good)
    calibrate(*parts, *BY_COST, "-o", tmp_path / "rules.yaml")
    chosen = json.loads((tmp_path / "calibration.json").read_text())
    page, numbers = tmp_path / "report.html", tmp_path / "report.json"
    code, _, _ = report(*parts, "--calibration", tmp_path / "calibration.json", "-o", page, "--json", numbers)
    assert code == 0
    found = json.loads(numbers.read_text())
    assert found["parts"] == {"all": 48, "judged": 24, "thresholds_chosen_on": 24}
    assert found["guarantee"]["escape"] == chosen["guarantee"]["escape"]
    assert found["guarantee"]["overkill"] == chosen["guarantee"]["overkill"]
    assert found["thresholds"] == pytest.approx(chosen["thresholds"])
    text = page.read_text()
    for expected in (*chosen["guarantee"]["words"], "Prepared by", "Released by", "24 of the 48 parts"):
        assert expected in text
    assert "http" not in text
    assert text.count("<img") == text.count('src="data:image/')


def test_a_report_of_one_set_repeats_what_learn_then_test_promised(
    place: Place, calibrate: Call, report: Call, tmp_path: Path
) -> None:
    calibrate(place.model, place.data, "--max-escape-rate", "0.9", "-o", tmp_path / "rules.yaml")
    kept = tmp_path / "calibration.json"
    call = (place.model, place.data, "--calibration", kept, "-o", tmp_path / "page.html")
    assert report(*call)[0] == 0
    chosen = json.loads(kept.read_text())
    assert chosen["guarantee"]["words"][0] in (tmp_path / "page.html").read_text()
    (tmp_path / "page.html").unlink()
    chosen["guarantee"]["escape"]["events"] += 1
    kept.write_text(json.dumps(chosen))
    code, _, error = report(*call)
    assert code == 2
    assert "Expected the same model, precision, rules and pictures" in error
    assert not (tmp_path / "page.html").exists()


def test_a_report_of_rules_from_nowhere_says_so(place: Place, report: Call, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("default: {score_threshold: 0.3}\n")
    code, _, _ = report(place.model, place.data, "--rules", tmp_path / "rules.yaml", "-o", tmp_path / "page.html")
    assert code == 0
    text = (tmp_path / "page.html").read_text()
    assert "Where the thresholds come from is not known" in text
    assert "no good parts" in text


def test_a_report_refuses_a_calibration_of_other_thresholds(
    place: Place, calibrate: Call, report: Call, tmp_path: Path
) -> None:
    calibrate(place.model, place.data, "--good", place.good, *BY_COST, "-o", tmp_path / "rules.yaml")
    (tmp_path / "rules.yaml").write_text("default: {score_threshold: 0.0123}\n")
    kept = tmp_path / "calibration.json"
    call = (place.model, place.data, "--calibration", kept, "-o", tmp_path / "page.html")
    code, _, error = report(*call, "--rules", tmp_path / "rules.yaml")
    assert (code, "the rules have 0.0123" in error) == (2, True)
    kept.write_text("{}")
    code, _, error = report(*call)
    assert (code, "is not valid at 'thresholds'" in error) == (2, True)
    code, _, error = report(place.model, place.data, "--split", "train", "-o", tmp_path / "page.html")
    assert (code, "were in the training" in error) == (2, True)
    assert not (tmp_path / "page.html").exists()
