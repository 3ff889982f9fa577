from __future__ import annotations

from pathlib import Path

import pytest

from sdgasnet.errors import ConfigError
from sdgasnet.experiments.plan import locate, plan_runs, read_plan, select_runs

TEACHER = "distillation.teacher={runs}/a-{seed}/last.pt"


def test_runs_of_a_plan(experiment) -> None:
    plan, folders = experiment()
    runs = plan_runs(plan, folders, ["training.workers=0"])
    assert [run.name for run in runs] == ["a-0", "a-1", "b-0", "b-1"]
    assert runs[3].overrides == (
        "training.epochs=4",
        "loss.box_weight=3.0",
        "training.workers=0",
        "training.seed=1",
        "data.path=somewhere/steel",
    )
    recipe = runs[3].recipe()
    assert (recipe.training.seed, recipe.training.epochs, recipe.loss.box_weight) == (1, 4, 3.0)
    assert (recipe.data.path, recipe.model.channels) == ("somewhere/steel", 1)
    assert runs[3].path == folders.runs / "b-1"
    assert runs[3].log == folders.runs / "b-1.log"


def test_own_data_of_a_variant_goes_before(experiment) -> None:
    plan, folders = experiment(variants=[{"name": "a", "overrides": ["data.path=other"]}, {"name": "b"}])
    first, *_, last = plan_runs(plan, folders)
    assert (first.recipe().data.path, first.data) == ("other", "data.path=other")
    assert last.data == "data.path=somewhere/steel"
    first, *_, last = plan_runs(plan, folders, ["data.path=here"])
    assert (first.recipe().data.path, last.recipe().data.path, first.data) == ("here", "here", "data.path=here")


def test_seeds_are_those_of_the_plan(experiment) -> None:
    with pytest.raises(ConfigError, match=r"'training\.seed=3'.* --seeds"):
        plan_runs(*experiment(), ["training.seed=3"])


def test_a_variant_reads_the_run_of_another(experiment) -> None:
    plan, folders = experiment(variants=[{"name": "a"}, {"name": "b", "overrides": [TEACHER]}])
    run = plan_runs(plan, folders)[3]
    assert run.needs == ("a-1",)
    assert run.files == ()
    assert run.recipe().distillation.teacher == str(folders.runs / "a-1" / "last.pt")


def test_a_file_of_no_run_of_the_plan(experiment) -> None:
    plan, folders = experiment(overrides=["weights={runs}/old/best.pt"])
    run = plan_runs(plan, folders)[0]
    assert (run.needs, run.files) == ((), (folders.runs / "old" / "best.pt",))


def test_order_of_variants(experiment) -> None:
    plan, folders = experiment(variants=[{"name": "b", "overrides": [TEACHER]}, {"name": "a"}])
    with pytest.raises(ConfigError, match="b-0 needs a-0, which comes later"):
        plan_runs(plan, folders)


def test_selection(experiment) -> None:
    runs = plan_runs(*experiment())
    assert [run.name for run in select_runs(runs, ["b"], [1])] == ["b-1"]
    assert select_runs(runs, None, None) == runs
    with pytest.raises(ConfigError, match="no variant c; it has: a, b"):
        select_runs(runs, ["c"], None)
    with pytest.raises(ConfigError, match="no seed 5; it has: 0, 1"):
        select_runs(runs, None, [5])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": None}, "question: Field required"),
        ({"colour": "red"}, "unknown key 'colour'; known here: baseline, data"),
        ({"variants": [{"name": "a", "seed": 3}]}, "unknown key 'variants.0.seed'; known here: baseline, name"),
        ({"seeds": ["0"]}, "seeds.0"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "not all different"),
        ({"baseline": "c"}, "baseline 'c' is none of the variants a, b"),
        ({"overrides": ["training.epochs"]}, "overrides.0"),
        ({"overrides": ["training.seed=3"]}, "seeds stand in 'seeds'"),
        ({"overrides": ["data.path=other"]}, "of all variants stands in 'data'"),
        ({"variants": [{"name": "a/b"}]}, "variants.0.name"),
        ({"recipe": "gone.yaml"}, "recipe gone.yaml is neither at"),
    ],
)
def test_plans_that_are_refused(experiment, changes, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        experiment(**changes)
    assert said in str(error.value)
    assert "experiment.yaml" in str(error.value)


def test_no_plan_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.yaml does not exist"):
        read_plan(tmp_path)
    (tmp_path / "experiment.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match="holds a list"):
        read_plan(tmp_path)


def test_default_folder_of_the_runs(experiment) -> None:
    plan, folders = experiment()
    assert locate(plan, folders.experiment, None, Path("x")).runs == Path("runs/0007-does-b-help")
    assert locate(plan, folders.experiment, None, Path("x")).data == "x"
