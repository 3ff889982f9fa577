from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdgasnet.config.loading import dump_recipe
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.errors import DataError, OutputError
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.detections_file import read_detections, write_detections
from sdgasnet.experiments.plan import Folders, Plan, locate, plan_runs
from sdgasnet.experiments.report import build_table, write_report
from sdgasnet.imaging.detections import Detections

pytest.importorskip("faster_coco_eval")


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "steel"
    write_surfaces(out, "steel", {"train": 2, "val": 30}, (64, 64), seed=1, good_share=0.1, format="yolo")
    return out


def train_by_hand(plan: Plan, folders: Folders, noise: dict[str, float], extra: tuple[str, ...] = ()) -> None:
    """Run folders whose detections are the labels, moved by some pixels."""
    index = load_dataset(Path(str(folders.data)))
    records = require_split(index, "val")
    for run in plan_runs(plan, folders, extra):
        if run.variant not in noise:
            continue
        rng = np.random.default_rng(run.seed)
        found = []
        for record in records:
            boxes = np.array([thing.box_xyxy for thing in record.objects], np.float64).reshape(-1, 4)
            moved = (boxes + rng.normal(0, noise[run.variant], boxes.shape)).astype(np.float32)
            scores = np.sort(rng.uniform(0.1, 1, len(moved)).astype(np.float32))[::-1]
            found.append(Detections(moved, scores, np.array([o.label for o in record.objects]), (64, 64)))
        measured = compute_average_precision(found, [record.objects for record in records], index.class_names)
        write_detections(
            run.path / "detections.json", index.class_names, [record.name for record in records], found
        )
        result = {
            "AP": measured.AP,
            "AP50": measured.AP50,
            "data": "/some/machine/steel",
            "split": "val",
            "metric_of": "ema-last",
            "seconds": 12.0,
            "data_hash": index.content_hash,
            "hardware": {"processor": "a processor", "cores": 2},
            "versions": {"sdgasnet": "0.1.0"},
            "commit": "abc1234",
        }
        (run.path / "result.json").write_text(json.dumps(result))
        (run.path / "recipe.yaml").write_text(dump_recipe(run.recipe()))


def results_of(folders: Folders) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folders.experiment / "results.json").read_text())
    return found


def test_results_and_table(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    assert write_report(plan, folders) == 0
    assert not (folders.experiment / "README.md").exists()
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    assert write_report(plan, folders) == 4
    results = results_of(folders)
    assert (results["data"], results["split"], results["metric_of"]) == ("steel", "val", "ema-last")
    assert (results["commit"], results["hardware"]["cores"]) == ("abc1234", 2)
    assert "/" not in results["data"]
    a, b = results["variants"]
    assert b["recipe"] == ["loss.box_weight=3.0"]
    assert [row["seed"] for row in b["seeds"]] == [0, 1]
    assert b["mean"]["AP"] == pytest.approx(np.mean([row["AP"] for row in b["seeds"]]))
    assert b["std"]["AP"] == pytest.approx(np.std([row["AP"] for row in b["seeds"]], ddof=1))
    assert "against_baseline" not in a
    compared = b["against_baseline"]
    assert compared["AP"]["difference"] == pytest.approx(b["mean"]["AP"] - a["mean"]["AP"])
    assert compared["AP"]["low"] < compared["AP"]["difference"] < compared["AP"]["high"] < 0

    readme = (folders.experiment / "README.md").read_text()
    assert readme.startswith(
        "# 0007: Does b help?\n\n**Command:** `sdgasnet experiment run experiments/0007-does-b-"
    )
    assert f"| a | 2 | {100 * a['mean']['AP50']:.1f} ± " in readme
    assert "| baseline | 12 |" in readme
    assert f"{100 * compared['AP']['difference']:+.1f} [" in readme
    (folders.experiment / "README.md").write_text("mine\n" + readme + "also mine\n")
    write_report(plan, folders)
    assert (folders.experiment / "README.md").read_text() == "mine\n" + readme + "also mine\n"


def test_one_seed_and_unfinished_runs_say_so(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces), seeds=[0])
    train_by_hand(plan, folders, {"a": 1.0})
    write_report(plan, folders)
    table = build_table(results_of(folders))
    assert "| a | one seed | " in table
    assert "±" not in table.split("\n\n")[0]
    assert "without ± one seed" in table
    assert "| b | 0 of 1 | – | – | – | – |" in table


def test_other_recipe_than_planned_is_noted(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 1.0, "b": 1.0}, ("training.epochs=2",))
    write_report(plan, folders)
    assert results_of(folders)["variants"][0]["seeds"][0]["other_than_planned"] == {"training.epochs": 2}
    text = (folders.experiment / "README.md").read_text()
    assert "Other than planned: training.epochs=2: a-0, a-1, b-0, b-1." in text


@pytest.mark.parametrize("gone", ["data", "detections", "hash"])
def test_no_interval_without_data_or_detections(experiment, surfaces: Path, gone: str) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    if gone == "data":
        for path in folders.runs.glob("*/recipe.yaml"):
            path.write_text(path.read_text().replace(str(surfaces), "nowhere"))
        folders = locate(plan, folders.experiment, folders.runs, Path("nowhere/either"))
    elif gone == "detections":
        (folders.runs / "a-1" / "detections.json").unlink()
    else:
        result = folders.runs / "b-0" / "result.json"
        result.write_text(json.dumps({**json.loads(result.read_text()), "data_hash": "0"}))
    write_report(plan, folders)
    compared = results_of(folders)["variants"][1]["against_baseline"]
    assert compared["AP"]["difference"] < 0
    assert (compared["AP"]["low"], compared["AP50"]["high"]) == (None, None)
    text = (folders.experiment / "README.md").read_text()
    assert " – |" in text
    assert "No interval" in text


def test_data_elsewhere_gives_the_interval(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    for path in folders.runs.glob("*/recipe.yaml"):
        path.write_text(path.read_text().replace(str(surfaces), "nowhere"))
    write_report(plan, folders)
    assert results_of(folders)["variants"][1]["against_baseline"]["AP"]["low"] is not None


@pytest.mark.parametrize("labels_differ", [False, True])
def test_sets_with_other_training_pictures_give_the_interval_where_val_is_the_same(
    experiment, surfaces: Path, tmp_path: Path, labels_differ: bool
) -> None:
    more = shutil.copytree(surfaces, tmp_path / "more")
    extra = next((more / "images" / "train").iterdir())
    shutil.copy(extra, extra.with_stem("extra"))
    shutil.copy(more / "labels" / "train" / f"{extra.stem}.txt", more / "labels" / "train" / "extra.txt")
    if labels_differ:
        labels = next(file for file in sorted((more / "labels" / "val").iterdir()) if file.stat().st_size)
        labels.write_text("\n".join([*labels.read_text().splitlines(), "0 0.5 0.5 0.25 0.25"]) + "\n")
    variants = [{"name": "a"}, {"name": "b", "overrides": [f"data.path={more}"]}]
    plan, folders = experiment(data=str(surfaces), variants=variants)
    train_by_hand(plan, folders, {"a": 0.5})
    train_by_hand(plan, replace(folders, data=str(more)), {"b": 3.0})
    assert load_dataset(more).content_hash != load_dataset(surfaces).content_hash
    write_report(plan, folders)
    compared = results_of(folders)["variants"][1]["against_baseline"]
    assert (compared["AP"]["low"] is None) == labels_differ


def test_files_that_are_refused(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 1.0})
    (folders.experiment / "README.md").write_text("<!-- table -->\n")
    with pytest.raises(OutputError, match="expected one <!-- table -->"):
        write_report(plan, folders)
    (folders.runs / "a-0" / "result.json").write_text("{}")
    with pytest.raises(DataError, match="lacks a valid AP"):
        write_report(plan, folders)


@pytest.mark.parametrize("key", ["data", "AP", "seconds"])
def test_a_result_with_a_wrong_value_is_refused(experiment, surfaces: Path, key: str) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 1.0})
    file = folders.runs / "a-0" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: {}}))
    with pytest.raises(DataError, match=f"lacks a valid {key}"):
        write_report(plan, folders)


def test_a_readme_of_another_encoding_is_left_alone(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 1.0})
    readme = folders.experiment / "README.md"
    readme.write_bytes("Größe".encode("latin-1"))
    with pytest.raises(OutputError, match="UTF-8"):
        write_report(plan, folders)
    assert readme.read_bytes() == "Größe".encode("latin-1")
    assert not (folders.experiment / "results.json").exists()


def test_detections_come_back(tmp_path: Path) -> None:
    found = Detections(
        np.array([[1.234567, 2, 30, 40.5], [0, 0, 1, 1]], np.float32),
        np.array([0.9, 0.0012345678], np.float32),
        np.array([1, 0]),
        (48, 64),
    )
    empty = Detections(found.boxes_xyxy[:0], found.scores[:0], found.labels[:0], (10, 20))
    write_detections(tmp_path / "d.json", ("x", "y"), ["one.png", "two.png"], [found, empty])
    back = read_detections(tmp_path / "d.json")
    assert back.class_names == ("x", "y")
    one, two = back.pictures["one.png"], back.pictures["two.png"]
    assert np.abs(one.boxes_xyxy - found.boxes_xyxy).max() <= 0.0051
    assert np.abs(one.scores - found.scores).max() <= 1e-6
    assert (one.labels.tolist(), one.source_size, two.source_size, len(two)) == ([1, 0], (48, 64), (10, 20), 0)
    (tmp_path / "d.json").write_text('{"pictures": []}')
    with pytest.raises(DataError, match="holds no detections"):
        read_detections(tmp_path / "d.json")
    with pytest.raises(DataError, match="can't be read"):
        read_detections(tmp_path / "gone.json")


def test_seeds_that_were_measured_elsewhere_are_kept(experiment, surfaces: Path) -> None:
    """A second machine knows the results of the first one, and not its runs."""
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    assert write_report(plan, folders) == 4
    first = results_of(folders)
    for run in plan_runs(plan, folders):
        if (run.variant, run.seed) != ("b", 1):
            shutil.rmtree(run.path)
    measured_again = json.loads((folders.runs / "b-1" / "result.json").read_text())
    measured_again |= {"AP": 0.5, "commit": "def5678", "hardware": {"processor": "another", "cores": 2}}
    (folders.runs / "b-1" / "result.json").write_text(json.dumps(measured_again))

    assert write_report(plan, folders) == 4
    a, b = results_of(folders)["variants"]
    first_a, first_b = first["variants"]
    assert a == first_a
    assert [row["AP"] for row in b["seeds"]] == [first_b["seeds"][0]["AP"], 0.5]
    assert b["mean"]["AP"] == pytest.approx((first_b["seeds"][0]["AP"] + 0.5) / 2)
    assert results_of(folders)["commit"] == ["abc1234", "def5678"]
    readme = (folders.experiment / "README.md").read_text()
    assert "a processor, 2 cores and another, 2 cores" in readme


def test_variants_with_sets_of_their_own_keep_what_was_measured_elsewhere(
    experiment, surfaces: Path, tmp_path: Path
) -> None:
    shutil.copytree(surfaces, tmp_path / "more")
    variants = [
        {"name": "a", "overrides": [f"data.path={surfaces}"]},
        {"name": "b", "overrides": ["data.path=more"]},
    ]
    plan, folders = experiment(data=None, variants=variants)
    said = []
    for variant, data, commit in (("a", surfaces, "old"), ("a", surfaces, "new"), ("b", tmp_path / "more", "new")):
        train_by_hand(plan, replace(folders, data=str(data)), {variant: 1.0})
        for result in folders.runs.glob("*/result.json"):
            measured = json.loads(result.read_text()) | {"data": str(data), "commit": commit}
            result.write_text(json.dumps(measured))
        write_report(plan, folders)
        shutil.rmtree(folders.runs)
        said.append(results_of(folders)["commit"])
    assert said == ["old", "new", "new"]
    assert [len(one["seeds"]) for one in results_of(folders)["variants"]] == [2, 2]
    assert results_of(folders)["data"] == ["steel", "more"]


def test_the_interval_stays_for_the_same_seeds_and_goes_where_others_join(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    for run in plan_runs(plan, folders):
        if run.seed == 1:
            (run.path / "result.json").rename(run.path / "kept.json")
    write_report(plan, folders)
    first = results_of(folders)["variants"][1]["against_baseline"]
    assert first["seeds"] == [0]
    for run in plan_runs(plan, folders):
        if run.seed == 0 and run.variant == "a":
            shutil.rmtree(run.path)
    write_report(plan, folders)
    assert results_of(folders)["variants"][1]["against_baseline"] == first
    for run in plan_runs(plan, folders):
        if run.seed == 1:
            (run.path / "kept.json").rename(run.path / "result.json")
    write_report(plan, folders)
    a, b = results_of(folders)["variants"]
    joined = b["against_baseline"]
    assert joined["seeds"] == [0, 1]
    assert joined["AP"]["difference"] == pytest.approx(b["mean"]["AP"] - a["mean"]["AP"])
    assert (joined["AP"]["low"], joined["no_interval"]) == (None, "runs of seed 0 are not here")


def test_an_interval_goes_where_a_run_was_made_again(experiment, surfaces: Path) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    write_report(plan, folders)
    first = results_of(folders)["variants"][1]["against_baseline"]
    shutil.rmtree(folders.runs)
    train_by_hand(plan, folders, {"b": 1.0})
    write_report(plan, folders)
    again = results_of(folders)["variants"][1]["against_baseline"]
    assert again["seeds"] == first["seeds"] == [0, 1]
    assert again["AP"]["difference"] > first["AP"]["difference"]
    assert (again["AP"]["low"], again["no_interval"]) == (None, "runs of seed 0, 1 are not here")


@pytest.mark.parametrize(
    "change", [{"overrides": ["loss.box_weight=9"]}, {"variants": [{"name": "a"}, {"name": "b"}]}]
)
def test_seeds_of_another_recipe_are_not_kept(experiment, surfaces: Path, change: dict[str, Any]) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5, "b": 3.0})
    write_report(plan, folders)
    for run in plan_runs(plan, folders):
        if run.variant == "b":
            shutil.rmtree(run.path)
    other = Plan.model_validate(plan.model_dump() | change)
    write_report(other, folders)
    assert results_of(folders)["variants"][1]["seeds"] == []


def with_variant(**changed: Any) -> str:
    """Results with one variant."""
    head = dict.fromkeys(("data", "split", "metric_of", "hardware", "commit", "versions"))
    return json.dumps(head | {"variants": [{"name": "a", "recipe": [], "seeds": []} | changed]})


ODD_ROW = with_variant(seeds=[{"seed": 0, "AP": "good"}])
ODD_COMPARISON = with_variant(against_baseline={"baseline": "b", "seeds": [0], "AP": {}})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"variants": [{}]}', "half a {", ODD_ROW, ODD_COMPARISON])
def test_results_that_are_damaged_are_not_written_over(experiment, surfaces: Path, text: str) -> None:
    plan, folders = experiment(data=str(surfaces))
    train_by_hand(plan, folders, {"a": 0.5})
    (folders.experiment / "results.json").write_text(text)
    with pytest.raises(DataError, match="not written over"):
        write_report(plan, folders)
    assert (folders.experiment / "results.json").read_text() == text
