from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdgasnet.config.loading import build_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import ModelError, TrainingError
from sdgasnet.models.checkpoint import read_model, write_model
from sdgasnet.models.deploy import normalise
from sdgasnet.models.network import Network
from sdgasnet.training.distillation import DistillationObjective, load_teacher
from sdgasnet.training.loader import TrainingSet, collate
from sdgasnet.training.objective import DetectionObjective
from sdgasnet.training.trainer import fit

from .conftest import Silence, tiny_recipe


@pytest.fixture(scope="module")
def teacher(index: DatasetIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "teacher"
    fit(tiny_recipe(precision="fp32"), index, run, False, Silence())
    return run / "last.pt"


def student_recipe(teacher: Path | list[str], model: dict[str, Any] | None = None, **distillation: Any) -> Recipe:
    values = tiny_recipe(precision="fp32").model_dump(mode="json")
    del values["model"]["box_predictors"]
    values["model"].update(model or {})
    values["distillation"] = {
        "teacher": teacher if isinstance(teacher, list) else str(teacher),
        **distillation,
    }
    return build_recipe(values)


def keep_sum(total: torch.Tensor) -> torch.Tensor:
    return total.clamp(min=1.0)


def batch(index: DatasetIndex, recipe: Recipe) -> Any:
    dataset = TrainingSet(index.splits["train"], recipe)
    return collate([dataset[0, number] for number in range(4)])


def build(index: DatasetIndex, recipe: Recipe) -> tuple[DistillationObjective, Network, Network]:
    taught, _ = load_teacher(recipe, index.class_names)
    torch.manual_seed(0)
    student = Network(recipe.model, len(index.class_names))
    return DistillationObjective(recipe, keep_sum, taught, nullcontext), student, taught


def test_a_recipe_with_a_teacher_gives_the_student_two_predictors_unless_told_otherwise() -> None:
    assert build_recipe({"distillation": {"teacher": "runs/a"}}).model.box_predictors == "both"
    assert build_recipe({}).model.box_predictors == "distribution"
    told = {"distillation": {"teacher": "runs/a"}, "model": {"box_predictors": "distribution"}}
    assert build_recipe(told).model.box_predictors == "distribution"


@pytest.mark.parametrize("kind", ["plain", "enhanced", "symmetric", "bernoulli"])
def test_a_teacher_that_is_the_student_costs_nothing(index: DatasetIndex, teacher: Path, kind: str) -> None:
    recipe = student_recipe(teacher, {"box_predictors": "distribution"}, kind=kind)
    objective, student, _ = build(index, recipe)
    student.load_state_dict(read_model(teacher).weights)
    images, targets = batch(index, recipe)
    terms = objective(student.eval(), normalise(images), targets)
    assert float(terms.distillation) == pytest.approx(0.0, abs=1e-5)
    assert float(terms.total) > 0.1


@pytest.mark.parametrize("kind", ["plain", "enhanced", "symmetric", "bernoulli"])
def test_the_term_is_added_and_only_the_student_learns(index: DatasetIndex, teacher: Path, kind: str) -> None:
    recipe = student_recipe(teacher, kind=kind)
    objective, student, taught = build(index, recipe)
    before = {name: value.clone() for name, value in taught.state_dict().items()}
    images, targets = batch(index, recipe)
    student.eval()
    terms = objective(student, normalise(images), targets)
    alone = DetectionObjective(recipe, keep_sum)(student, normalise(images), targets)
    assert float(terms.distillation) > 0
    assert float(terms.total) == pytest.approx(float(alone.total + terms.distillation), rel=1e-5)
    student.train()
    objective(student, normalise(images), targets).total.backward()
    assert not taught.training
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in taught.parameters())
    assert all(torch.equal(before[name], value) for name, value in taught.state_dict().items())
    assert student.head.levels[0].distance_predictor.weight.grad.abs().sum() > 0


def test_the_switches_change_the_term(index: DatasetIndex, teacher: Path) -> None:
    def term(epoch: int = 0, **distillation: Any) -> float:
        objective, student, _ = build(index, student_recipe(teacher, **distillation))
        objective.start_epoch(epoch)
        images, targets = batch(index, student_recipe(teacher))
        return float(objective(student.eval(), normalise(images), targets).distillation)

    enhanced = term()
    assert term(class_weight=4.0, distribution_weight=2.0) == pytest.approx(2 * enhanced, rel=1e-4)
    assert term(class_weight=0.0, distribution_weight=0.0) == 0.0
    assert term(temperature=0.1) != pytest.approx(enhanced, rel=1e-2)
    assert term(kind="plain", distribution_weight=7.0) == pytest.approx(term(kind="plain"))
    assert term(epoch=2) < 0.5 * enhanced
    assert term(epoch=2, decay="constant") == pytest.approx(enhanced)
    assert term(epoch=2, kind="plain") == pytest.approx(term(kind="plain"))


def test_one_class_and_a_larger_teacher(index: DatasetIndex, tmp_path: Path) -> None:
    one = replace(
        index,
        class_names=("defect",),
        splits={
            name: tuple(
                replace(record, objects=tuple(replace(thing, label=0) for thing in record.objects))
                for record in records
            )
            for name, records in index.splits.items()
        },
    )
    larger = tiny_recipe(precision="fp32", epochs=1).model_dump(mode="json")
    larger["model"].update(stem_width=16, backbone_widths=[16, 16, 32, 32])
    fit(build_recipe(larger), one, tmp_path / "teacher", False, Silence())
    recipe = student_recipe(tmp_path / "teacher")
    notes: list[str] = []
    progress = Silence()
    progress.note = notes.append  # type: ignore[method-assign]
    fit(recipe, one, tmp_path / "student", False, progress)
    assert progress.rows[0]["distillation"] > 0
    assert "from another network" in notes[0]


def test_several_teachers_teach_their_mean(index: DatasetIndex, teacher: Path, tmp_path: Path) -> None:
    model = read_model(teacher)
    torch.manual_seed(1)
    shifted = {
        name: value + 0.1 * torch.randn_like(value) if "predictor" in name else value
        for name, value in model.weights.items()
    }
    write_model(replace(model, weights=shifted), tmp_path / "other.pt")
    named = [str(teacher), str(tmp_path / "other.pt")]
    images = normalise(batch(index, student_recipe(teacher))[0])
    one, other = (load_teacher(student_recipe(Path(name)), index.class_names)[0](images) for name in named)
    recipe = student_recipe(named, {"box_predictors": "distribution"}, kind="bernoulli")
    both, described = load_teacher(recipe, index.class_names)
    said = both(images)
    mean = (one.class_logits.sigmoid() + other.class_logits.sigmoid()) / 2
    torch.testing.assert_close(said.class_logits.sigmoid(), mean)
    mean = (one.box_logits.softmax(-1) + other.box_logits.softmax(-1)) / 2
    torch.testing.assert_close(said.box_logits.softmax(-1), mean)
    assert "other.pt" in described
    fit(recipe, index, tmp_path / "student", False, Silence())
    assert read_model(tmp_path / "student").recipe.distillation.teacher == tuple(named)
    with pytest.raises(ModelError, match=r"nowhere\.pt"):
        load_teacher(student_recipe([str(teacher), "nowhere.pt"]), index.class_names)


def test_self_distillation_is_named_so_and_kind_none_asks_no_teacher(
    index: DatasetIndex, teacher: Path, tmp_path: Path
) -> None:
    assert "self-distillation" in load_teacher(student_recipe(teacher), index.class_names)[1]
    progress = Silence()
    fit(student_recipe(tmp_path / "nowhere.pt", kind="none"), index, tmp_path / "run", False, progress)
    assert progress.rows[0]["distillation"] == 0
    assert any("distance_predictor" in name for name in read_model(tmp_path / "run" / "last.pt").weights)


def test_a_resumed_student_equals_an_uninterrupted_one(index: DatasetIndex, teacher: Path, tmp_path: Path) -> None:
    class StopAfterOne(Silence):
        def epoch_done(self, row: dict[str, Any]) -> None:
            raise KeyboardInterrupt

    whole = fit(student_recipe(teacher), index, tmp_path / "whole", False, Silence())
    with pytest.raises(KeyboardInterrupt):
        fit(student_recipe(teacher), index, tmp_path / "cut", False, StopAfterOne())
    cut = fit(student_recipe(teacher), index, tmp_path / "cut", True, Silence())
    assert all(torch.equal(whole.weights[name], cut.weights[name]) for name in whole.weights)


def test_teachers_that_do_not_fit(index: DatasetIndex, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.pt"):
        load_teacher(student_recipe(tmp_path / "nowhere.pt"), index.class_names)
    with pytest.raises(TrainingError, match="differ in class names"):
        load_teacher(student_recipe(teacher), ("a", "b"))
    with pytest.raises(TrainingError, match=r"differ in model\.channels: 1 and 3"):
        load_teacher(student_recipe(teacher, {"channels": 3}), index.class_names)
    with pytest.raises(TrainingError, match=r"differ in model\.reg_max: 16 and 8"):
        load_teacher(student_recipe(teacher, {"reg_max": 8}), index.class_names)
    write_model(replace(read_model(teacher), weights={}), tmp_path / "empty.pt")
    with pytest.raises(ModelError):
        load_teacher(student_recipe(tmp_path / "empty.pt"), index.class_names)
