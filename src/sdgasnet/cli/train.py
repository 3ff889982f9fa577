"""``sdgasnet train``: from a recipe or a folder of labelled pictures to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.progress import TrainingBars, counting_bar, say
from sdgasnet.cli.val_folds import fold_run
from sdgasnet.config.loading import load_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.data.check import require_clean
from sdgasnet.data.index import FOLD, OTHERS, load_dataset
from sdgasnet.errors import ConfigError, MissingExtraError


def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE] [KEY=VALUE ...]", help="Recipe file, then overrides like training.epochs=20."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of labelled pictures (data.path).")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run; default: the recipe's name.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="Where run folders are made.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option("--resume", help="Run folder to go on with.")] = None,
    fold: Annotated[
        int | None,
        typer.Option(
            "--fold", min=1, help="Measure on this fold and train on the others, of a set from data split --folds."
        ),
    ] = None,
) -> None:
    """Train a detector on labelled pictures.

    The data set is checked first; errors in it stop the run. Ctrl-C stops training; it can be resumed.
    """
    recipe_file, overrides = split_arguments(arguments or [])
    if data is not None:
        overrides = [*overrides, f"data.path={data}"]
    if fold is not None:
        overrides = [*overrides, f"data.val_split={FOLD}{fold}", f"data.train_split={OTHERS}{FOLD}{fold}"]
    if resume is not None:
        recipe = recipe_of_run(resume, recipe_file, overrides)
    else:
        recipe = load_recipe(recipe_file, overrides)
    if recipe.data.path is None:
        raise ConfigError("No data set: name a recipe with data.path, or give --data FOLDER.")
    run_path = resume if resume is not None else choose_run_path(runs_dir, name, recipe_file, recipe, fold)
    train_run(recipe, run_path, resume=resume is not None)


def train_run(recipe: Recipe, run_path: Path, resume: bool) -> None:
    """Check the data, train with progress bars, and finish the run folder.

    Args:
        recipe: Complete recipe; ``data.path`` is set.
        run_path: Folder of the run.
        resume: Go on with the run in it.
    """
    try:
        from sdgasnet.training.finish import finish_run
        from sdgasnet.training.launch import is_first_process
        from sdgasnet.training.trainer import fit
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sdgasnet"):
            raise
        raise MissingExtraError("train", "Training") from None
    index = load_dataset(Path(str(recipe.data.path)), recipe.data.format)
    if recipe.data.check:
        with counting_bar("checking pictures") as advance:
            require_clean(index, run_path.parent / ".checks", advance)
    if not is_first_process():
        fit(recipe, index, run_path, resume, TrainingBars(shown=False))
        return
    say(f"run folder: {run_path}")
    try:
        with TrainingBars() as bars:
            model = fit(recipe, index, run_path, resume, bars)
    except KeyboardInterrupt:
        if (run_path / "last.pt").is_file():
            say(f"stopped; go on with: sdgasnet train --resume {run_path}")
        else:
            say("stopped before the first epoch was finished; nothing to resume")
        raise
    with counting_bar("measuring") as advance:
        measurement = finish_run(run_path, model, index, advance)
    accuracy = measurement.average_precision
    say(f"AP50 {accuracy.AP50 or 0:.3f}  AP {accuracy.AP or 0:.3f} on '{recipe.data.val_split}', last epoch")
    say(f"model: {run_path / 'best.pt'}   figures: {run_path / 'result.json'}   plots: {run_path / 'plots'}")


def split_arguments(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The recipe file, if the first argument is one, and the overrides.

    Examples:
        >>> split_arguments(["configs/neu_det.yaml", "training.epochs=20"])[1]
        ['training.epochs=20']
    """
    if arguments and "=" not in arguments[0]:
        return Path(arguments[0]), arguments[1:]
    return None, arguments


def recipe_of_run(run_path: Path, recipe_file: Path | None, overrides: list[str]) -> Recipe:
    """The recipe of a run that goes on; only where the data lie may differ.

    Raises:
        ConfigError: Something else is given; the schedule and the random numbers depend on it.
        TrainingError: The folder holds no run that can be resumed.
    """
    refused = [text for text in overrides if not text.startswith("data.path=")]
    if recipe_file is not None or refused:
        found = ", ".join([*([str(recipe_file)] if recipe_file else []), *refused])
        raise ConfigError(
            f"--resume takes the recipe from {run_path / 'recipe.yaml'}; found beside it: {found}. "
            "Leave it out, or start a new run."
        )
    try:
        from sdgasnet.training.run_folder import RunFolder
    except ModuleNotFoundError:
        raise MissingExtraError("train", "Training") from None
    run = RunFolder.reopen(run_path)
    return load_recipe(run.recipe_file, overrides)


def choose_run_path(
    runs_dir: Path, name: str | None, recipe_file: Path | None, recipe: Recipe, fold: int | None
) -> Path:
    """``runs_dir/name``; a name that was not asked for gets the first free number behind it.

    A fold is in the name, so that one name means all folds.
    """
    if name is not None:
        return runs_dir / (name if fold is None else fold_run(name, f"{FOLD}{fold}"))
    try:
        from sdgasnet.training.run_folder import next_run_path
    except ModuleNotFoundError:
        raise MissingExtraError("train", "Training") from None
    stem = recipe_file.stem if recipe_file else Path(str(recipe.data.path)).resolve().name
    if fold is not None:
        return runs_dir / fold_run(stem, f"{FOLD}{fold}")
    return next_run_path(runs_dir, stem)
