"""``sdgasnet distill``: teacher, student and a comparison without a teacher, one after another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sdgasnet.cli.progress import say
from sdgasnet.cli.train import split_arguments, train_run
from sdgasnet.config.loading import build_recipe, load_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import ConfigError, MissingExtraError
from sdgasnet.output import write_text

REPORT = "distillation"


def distill(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE] [KEY=VALUE ...]", help="Recipe file of the student, then overrides."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of labelled pictures (data.path).")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the folder; default: the recipe's name and -distilled.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Where the folder is made.")] = Path("runs"),
    teacher: Annotated[
        Path | None, typer.Option("--teacher", help="Take this run or model file and train no teacher.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Train the same network without a teacher, too.")
    ] = True,
) -> None:
    """Self-distillation: train a teacher, then the same network again under it.

    The comparison is the student's network trained for the epochs of teacher and student together. The same
    command goes on where it was stopped.
    """
    recipe_file, overrides = split_arguments(arguments or [])
    if data is not None:
        overrides = [*overrides, f"data.path={data}"]
    recipe = load_recipe(recipe_file, overrides)
    if recipe.data.path is None:
        raise ConfigError("No data set: name a recipe with data.path, or give --data FOLDER.")
    if recipe.distillation.teacher is not None:
        raise ConfigError("The recipe names distillation.teacher. Name it with --teacher, or leave it out.")
    folder = runs_dir / (name or f"{recipe_file.stem if recipe_file else Path(recipe.data.path).name}-distilled")
    taught_by = teacher if teacher is not None else folder / "teacher" / "last.pt"
    stages = plan_stages(recipe, taught_by, trains_teacher=teacher is None, compare=compare)
    for number, (role, stage) in enumerate(stages.items(), start=1):
        say(f"stage {number} of {len(stages)}: {role}, {stage.training.epochs} epochs")
        run_stage(stage, folder / role)
    write_report(folder, list(stages), taught_by)


def plan_stages(recipe: Recipe, teacher: Path, trains_teacher: bool, compare: bool) -> dict[str, Recipe]:
    """Recipes of the stages by role, in the order of training.

    Args:
        recipe: The student's, without a teacher.
        teacher: Model file of the teacher.
        trains_teacher: Whether the teacher is yet to be trained.
        compare: Whether the comparison is wanted.
    """
    epochs = recipe.training.epochs
    stages = {"teacher": recipe} if trains_teacher else {}
    stages["student"] = change(recipe, distillation={"teacher": str(teacher)}, model={"box_predictors": "both"})
    if compare:
        together = epochs + epochs_of(teacher, epochs, trains_teacher)
        stages["without-teacher"] = change(recipe, training={"epochs": together})
    return stages


def epochs_of(teacher: Path, epochs: int, trains_teacher: bool) -> int:
    """Epochs that the teacher has had or will have."""
    if trains_teacher:
        return epochs
    try:
        from sdgasnet.models.checkpoint import read_model
    except ModuleNotFoundError:
        raise MissingExtraError("train", "Training") from None
    return read_model(teacher).epoch


def change(recipe: Recipe, **sections: dict[str, Any]) -> Recipe:
    """The recipe with some values changed, checked anew."""
    values = recipe.model_dump(mode="json")
    for section, changed in sections.items():
        values[section] = {**values[section], **changed}
    return build_recipe(values)


def run_stage(recipe: Recipe, path: Path) -> None:
    """Train a stage, or go on with it, unless it is finished.

    Raises:
        ConfigError: The folder holds a stage of another recipe.
    """
    if (path / "last.pt").is_file():
        found = load_recipe(path / "recipe.yaml")
        if found.model_copy(update={"data": recipe.data}) != recipe:
            raise ConfigError(
                f"{path} was trained with another recipe. Give another --name, or the values in its recipe.yaml."
            )
    if (path / "result.json").is_file():
        say(f"finished before: {path}")
        return
    train_run(recipe, path, resume=(path / "last.pt").is_file())


def write_report(folder: Path, roles: list[str], teacher: Path) -> None:
    """Lay the stages side by side in ``distillation.json`` and ``distillation.md``, and on the terminal."""
    from sdgasnet.experiments.results import read_result
    from sdgasnet.models.checkpoint import build_network, read_model
    from sdgasnet.models.information import compute_network_size

    rows = []
    for role in roles:
        result = read_result(folder / role / "result.json")
        model = read_model(folder / role / "last.pt")
        size = compute_network_size(build_network(model), model.recipe.model.image_size)
        figures = {key: result[key] for key in ("AP", "AP50", "AP75", "epochs", "seed", "seconds")}
        rows.append({"role": role, **figures, "parameters": size.parameters, "macs": size.macs})
    report = {"teacher": str(teacher), "split": result["split"], "metric_of": "ema-last", "stages": rows}
    write_text(folder / f"{REPORT}.json", json.dumps(report, indent=2) + "\n")
    text = format_table(rows)
    write_text(folder / f"{REPORT}.md", f"# Self-distillation\n\nMeasured on '{result['split']}'.\n\n{text}\n")
    say(f"{text}\nreport: {folder / REPORT}.md and .json")


def format_table(rows: list[dict[str, Any]]) -> str:
    """The stages as a Markdown table.

    Examples:
        >>> row = {"role": "student", "epochs": 9, "AP50": 0.5, "AP": 0.25, "parameters": 1_467_000, "seconds": 60}
        >>> print(format_table([row]).splitlines()[-1])
        | student | 9 | 0.500 | 0.250 | 1.467 M | 1 min |
    """
    lines = ["| stage | epochs | AP50 | AP | parameters deployed | time |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row['role']} | {row['epochs']} | {row['AP50'] or 0:.3f} | {row['AP'] or 0:.3f} "
        f"| {row['parameters'] / 1e6:.3f} M | {row['seconds'] / 60:.0f} min |"
        for row in rows
    ]
    return "\n".join(lines)
