from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdgasnet.config.loading import build_recipe
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import ConfigError, DataError, OutputError, TrainingError
from sdgasnet.models.checkpoint import read_document, read_model
from sdgasnet.models.network import Network
from sdgasnet.training.finish import finish_run
from sdgasnet.training.launch import launch_fabric
from sdgasnet.training.loader import TrainingSet, collate
from sdgasnet.training.objective import DetectionObjective
from sdgasnet.training.optim import build_optimizer
from sdgasnet.training.run_folder import RunFolder, next_run_path
from sdgasnet.training.trainer import fit, training_step

from .conftest import Silence, tiny_recipe


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return read_model(path).weights


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_a_complete_folder(index: DatasetIndex, tmp_path: Path) -> None:
    progress = Silence()
    model = fit(tiny_recipe(), index, tmp_path / "run", False, progress)
    run = RunFolder(tmp_path / "run")
    assert [row["epoch"] for row in progress.rows] == [1, 2, 3]
    assert len(run.metrics_file.read_text().splitlines()) == 4
    assert any(run.events.iterdir())
    finish_run(run.path, model, index, lambda *_: None)
    assert {path.stem for path in run.plots.iterdir()} == {
        "losses",
        "curves",
        "confusion",
        "labels",
        "predictions",
    }
    stored = read_model(run.last)
    assert stored.class_names == index.class_names
    assert stored.epoch == 3
    assert len(stored.image_hashes) == 16
    assert stored.recipe == run.recipe() == tiny_recipe()
    assert same(stored.weights, model.weights)


def test_one_seed_gives_one_result_to_the_bit_and_another_seed_another(
    index: DatasetIndex, tmp_path: Path
) -> None:
    runs = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(tiny_recipe(seed=seed, epochs=2), index, tmp_path / name, False, Silence())
        runs[name] = weights_of(tmp_path / name)
    assert same(runs["a"], runs["b"])
    assert not same(runs["a"], runs["c"])


@pytest.mark.parametrize(
    ("norms", "epochs", "enough", "kept"),
    [("kept", 3, 2, True), ("batch", 3, 2, False), ("kept", 3, 3, False), ("kept", 2, 2, False)],
)
def test_statistics_of_norms_are_kept_in_plain_epochs_that_follow_others(
    index: DatasetIndex,
    tmp_path: Path,
    norms: str,
    epochs: int,
    enough: int,
    kept: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdgasnet.training.trainer.STEPS_FOR_STATISTICS", enough)  # an epoch has two steps
    values = tiny_recipe(epochs=epochs).model_dump()
    values["augmentation"] |= {"plain_last_epochs": 2, "plain_norms": norms}
    # No average: the weights written are those of the epoch.
    values["training"] |= {"ema_decay": 0.0}
    seen: list[dict[str, torch.Tensor]] = []

    class Reader(Silence):
        def epoch_done(self, row: dict[str, object]) -> None:
            seen.append(weights_of(tmp_path / "run" / "last.pt"))

    fit(build_recipe(values), index, tmp_path / "run", False, Reader())
    first, last = ({k: v for k, v in one.items() if "running_" in k} for one in (seen[0], seen[-1]))
    assert same(first, last) == kept
    assert not same(seen[0], seen[-1])


class StopAfter(Silence):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def step_done(self, terms: dict[str, float]) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("workers", [0, 1])
def test_resumed_run_equals_the_uninterrupted_one_to_the_bit(
    index: DatasetIndex, tmp_path: Path, workers: int
) -> None:
    recipe = tiny_recipe(epochs=4, workers=workers)
    fit(recipe, index, tmp_path / "whole", False, Silence())
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, index, tmp_path / "cut", False, StopAfter(5))
    assert read_model(tmp_path / "cut" / "last.pt").epoch == 2
    fit(recipe, index, tmp_path / "cut", True, Silence())
    assert same(weights_of(tmp_path / "whole" / "last.pt"), weights_of(tmp_path / "cut" / "last.pt"))
    first, second = (read_document(tmp_path / name / "last.pt")["training"] for name in ("whole", "cut"))
    assert same(first["network"], second["network"])
    for whole, cut in zip(
        first["optimizer"]["state"].values(), second["optimizer"]["state"].values(), strict=True
    ):
        assert torch.equal(whole["exp_avg_sq"], cut["exp_avg_sq"])
    rows = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("whole", "cut")]
    assert [row.split(",")[:5] for row in rows[0]] == [row.split(",")[:5] for row in rows[1]]


def test_a_cut_batch_of_equal_halves_steps_like_the_whole(index: DatasetIndex) -> None:
    stepped = []
    for parts in (1, 2):
        recipe = tiny_recipe(
            optimizer="sgd", learning_rate=0.1, accumulate=parts, precision="fp32", accelerator="cpu"
        )
        fabric = launch_fabric(recipe.training)
        torch.manual_seed(0)
        network, optimizer = fabric.setup(
            plain := Network(recipe.model, 6), build_optimizer(plain, recipe.training)
        )
        network.eval()
        dataset = TrainingSet(index.splits["train"], recipe)
        samples = [dataset[(0, i)] for i in range(4)]
        objective = DetectionObjective(recipe, lambda total: total.clamp(min=1.0))
        training_step(fabric, network, optimizer, objective, collate(samples * parts), recipe)
        stepped.append([parameter.detach().clone() for parameter in plain.parameters()])
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(*stepped, strict=True))


def test_a_set_without_any_box_trains(index: DatasetIndex, tmp_path: Path) -> None:
    empty = tuple(replace(record, objects=()) for record in index.splits["train"])
    background = replace(index, splits={"train": empty, "val": index.splits["val"]})
    progress = Silence()
    fit(tiny_recipe(epochs=1), background, tmp_path / "run", False, progress)
    assert progress.rows[0]["boxes"] == 0.0


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_epoch(
    index: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Poison(Silence):
        def epoch_done(self, row: dict[str, object]) -> None:
            original = Network.forward

            def forward(self: Network, images: torch.Tensor) -> object:
                outputs = original(self, images)
                return outputs._replace(class_logits=outputs.class_logits * float("nan"))

            monkeypatch.setattr(Network, "forward", forward)

    with pytest.raises(TrainingError, match=r"not finite at step 2 .*last\.pt keeps epoch 1"):
        fit(tiny_recipe(), index, tmp_path / "run", False, Poison())
    stored = read_model(tmp_path / "run" / "last.pt")
    assert stored.epoch == 1
    assert all(torch.isfinite(value).all() for value in stored.weights.values())


def test_patience_stops_early(index: DatasetIndex, tmp_path: Path) -> None:
    progress = Silence()
    recipe = tiny_recipe(epochs=30, patience=2, learning_rate=1e-9)
    fit(recipe, index, tmp_path / "run", False, progress)
    assert len(progress.rows) < 30


def test_class_names_that_do_not_match_are_listed(index: DatasetIndex, tmp_path: Path) -> None:
    recipe = build_recipe({**tiny_recipe().model_dump(), "data": {"class_names": ["a", "b"]}})
    with pytest.raises(ConfigError, match=r"\['a', 'b'\].*scratch"):
        fit(recipe, index, tmp_path / "run", False, Silence())


def test_missing_split_is_named(index: DatasetIndex, tmp_path: Path) -> None:
    recipe = build_recipe({**tiny_recipe().model_dump(), "data": {"val_split": "validation"}})
    with pytest.raises(DataError, match=r"'validation'.*train.*val"):
        fit(recipe, index, tmp_path / "run", False, Silence())


def test_a_finished_run_is_not_overwritten_and_resuming_nothing_is_refused(
    index: DatasetIndex, tmp_path: Path
) -> None:
    fit(tiny_recipe(epochs=1), index, tmp_path / "run", False, Silence())
    with pytest.raises(OutputError, match="exists already"):
        fit(tiny_recipe(epochs=1), index, tmp_path / "run", False, Silence())
    with pytest.raises(TrainingError, match="can't be resumed"):
        fit(tiny_recipe(), index, tmp_path / "absent", True, Silence())
    assert next_run_path(tmp_path, "run").name == "run-2"


def test_data_that_changed_is_not_resumed_on(index: DatasetIndex, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, index, tmp_path / "run", False, StopAfter(3))
    with pytest.raises(TrainingError, match="has changed"):
        fit(recipe, replace(index, content_hash="other"), tmp_path / "run", True, Silence())
