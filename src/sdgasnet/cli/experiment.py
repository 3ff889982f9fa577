"""``sdgasnet experiment``: answer a question by several trainings, in one command that can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.progress import say
from sdgasnet.errors import ConfigError
from sdgasnet.experiments.plan import Folders, Plan, locate, plan_runs, read_plan, select_runs
from sdgasnet.experiments.report import write_report
from sdgasnet.experiments.runner import Outcome, run_experiment

experiment_app = typer.Typer(
    name="experiment", help="Run the trainings of an experiment and write its table.", no_args_is_help=True
)

FolderPath = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with experiment.yaml.")]
RunsOption = Annotated[
    Path | None,
    typer.Option("--runs-dir", help="Where the run folders are; default: runs/ and the folder's name."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of labelled pictures (data.path), for all runs.")
]


@experiment_app.command()
def run(
    folder: FolderPath,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE ...]", help="Overrides for all runs, after those of the plan."),
    ] = None,
    runs_dir: RunsOption = None,
    data: DataOption = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="VARIANT", help="Only this variant; can be repeated.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="S,S,...", help="Only these seeds of the plan.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.0, help="Stop after this time; the same command goes on.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, help="Runs side by side; default: 1.")
    ] = None,
) -> None:
    """Run what is not finished, go on with what was interrupted, and write results.json and the table.

    Exit code 0: all runs finished, or the time was up; 1: a run failed; 2: the plan or a run does not fit.
    """
    plan = read_plan(folder)
    folders = locate(plan, folder, runs_dir, data)
    planned = plan_runs(plan, folders, overrides or [])
    chosen = select_runs(planned, only, None if seeds is None else parse_seeds(seeds))
    if not any(text.startswith("data.path=") for text in (*(overrides or []), *plan.overrides)):
        require_data(folders, chosen[0].recipe().data.path)
    try:
        outcome = run_experiment(chosen, parallel or 1, minutes, say)
    except KeyboardInterrupt:
        say("stopped; run the same command to go on")
        raise
    report_results(plan, folders)
    tell_outcome(outcome)
    if outcome.failed:
        raise typer.Exit(1)


@experiment_app.command()
def report(folder: FolderPath, runs_dir: RunsOption = None, data: DataOption = None) -> None:
    """Collect the finished runs into results.json and the table of README.md; nothing is trained."""
    plan = read_plan(folder)
    report_results(plan, locate(plan, folder, runs_dir, data))


def report_results(plan: Plan, folders: Folders) -> None:
    """Write results.json and the table, and say where; nothing without a finished run."""
    finished = write_report(plan, folders)
    if finished:
        say(f"results: {folders.experiment / 'results.json'}   table: {folders.experiment / 'README.md'}")
    else:
        say(f"no finished run in {folders.runs}; nothing is written")


def tell_outcome(outcome: Outcome) -> None:
    """The last line: how many runs are finished, and what to do about the others."""
    if outcome.failed:
        say(f"failed: {', '.join(outcome.failed)}")
    done = f"{outcome.finished} of {outcome.total} runs finished"
    say(done if outcome.finished == outcome.total else f"{done}; run the same command to go on")


def require_data(folders: Folders, path: str | None) -> None:
    """Refuse to start trainings that would all fail for want of pictures.

    Raises:
        ConfigError: No data set is named, or it is not there.
    """
    if path is None:
        raise ConfigError(
            f"No data set: neither the plan in {folders.experiment} nor {folders.recipe} names one. "
            "Give --data FOLDER."
        )
    if not Path(path).exists():
        raise ConfigError(
            f"Data set {path} does not exist. Give --data FOLDER; a set that a variant names has to be made "
            f"there first, see {folders.experiment / 'README.md'}."
        )


def parse_seeds(text: str) -> list[int]:
    """Numbers between commas.

    Raises:
        ConfigError: Something else stands there.

    Examples:
        >>> parse_seeds("0,2")
        [0, 2]
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--seeds is {text!r}; expected numbers between commas, for example 0,1,2.") from None
