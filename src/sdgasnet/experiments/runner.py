"""Run the trainings of an experiment: each a process, several side by side, in slices if need be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdgasnet.errors import ConfigError, OutputError
from sdgasnet.experiments.plan import PlannedRun
from sdgasnet.experiments.progress import estimate_seconds, read_epochs, read_state, require_same_recipes
from sdgasnet.output import not_written

POLL_SECONDS = 0.1
GRACE_SECONDS = 60.0
"""What an interrupted training may take to end before it is killed."""
LOG_LINES = 12
"""Last lines of the log of a failed run that are shown."""

Command = Callable[[PlannedRun, bool], list[str]]
"""Makes the command of a run; the second argument says whether it goes on."""


def training_command(run: PlannedRun, resume: bool) -> list[str]:
    """``sdgasnet train`` of this Python, for a new run or one that goes on."""
    start = [sys.executable, "-m", "sdgasnet", "train"]
    if resume:
        return [*start, "--resume", str(run.path), *([run.data] if run.data is not None else [])]
    place = ["--runs-dir", str(run.path.parent), "--name", run.name]
    return [*start, str(run.recipe_file), *run.overrides, *place]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is there after running.

    Attributes:
        finished: Runs with a result.
        total: Runs asked for.
        failed: Names of those that ended with an error or could not start because of such a one.
    """

    finished: int
    total: int
    failed: tuple[str, ...]


@dataclass(slots=True)
class _Child:
    run: PlannedRun
    process: subprocess.Popen[bytes]
    started: float


@dataclass(slots=True)
class _Work:
    """What the loop carries."""

    waiting: list[PlannedRun]
    running: list[_Child] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run_experiment(
    runs: Sequence[PlannedRun],
    parallel: int,
    minutes: float | None,
    tell: Callable[[str], None],
    command: Command = training_command,
) -> Outcome:
    """Run what is not finished; go on with what was interrupted.

    Args:
        runs: Runs, in order; all below one folder.
        parallel: Processes side by side, >= 1.
        minutes: Start nothing and interrupt what runs after so many minutes; None runs to the end.
        tell: Gets a line at the start and the end of each run.
        command: Makes the command of a run.

    Returns:
        What is there now.

    Raises:
        ConfigError: A run was started with another recipe, or needs another run that is not there. Nothing was
            started then.
        OutputError: A log can't be written.
        KeyboardInterrupt: From outside; the trainings were interrupted as well and have left their checkpoints.
    """
    if not runs:
        return Outcome(0, 0, ())
    require_same_recipes(runs, runs[0].path.parent)
    require_needed(runs)
    work = _Work([run for run in runs if read_state(run.path) != "finished"])
    epochs = {run.name: run.recipe().training.epochs for run in runs}
    deadline = None if minutes is None else time.monotonic() + 60.0 * minutes
    previous = {number: signal.signal(number, _interrupt) for number in _signals_that_end()}
    try:
        while work.waiting or work.running:
            if deadline is not None and time.monotonic() >= deadline:
                break
            _start_runs(work, parallel, tell, command)
            time.sleep(POLL_SECONDS)
            _take_ended(work, runs, epochs, parallel, tell)
    finally:
        # Also after Ctrl-C: no training outlives the command that started it.
        try:
            _interrupt_children(work, tell)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
    finished = sum(read_state(run.path) == "finished" for run in runs)
    return Outcome(finished, len(runs), tuple(work.failed))


def _signals_that_end() -> list[signal.Signals]:
    """Signals that end the trainings.

    A shell starts background jobs with SIGINT ignored, and the trainings would inherit that: with a handler of our
    own they can be interrupted when the time is up. SIGHUP comes when a terminal closes; nohup ignores it on
    purpose.
    """
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if ignored else [signal.SIGHUP])]


def require_needed(runs: Sequence[PlannedRun]) -> None:
    """Make sure that runs that others read are finished already or come before these.

    Raises:
        ConfigError: One is missing; the message says which.
    """
    names = {run.name for run in runs}
    for run in runs:
        if read_state(run.path) == "finished":
            continue
        for name in run.needs:
            if name not in names and read_state(run.path.with_name(name)) != "finished":
                raise ConfigError(
                    f"{run.name} reads the run {name}, which is not finished in {run.path.parent}. "
                    "Run that variant and seed first, or leave out --only and --seeds."
                )
        for path in run.files:
            if not path.exists():
                raise ConfigError(
                    f"{run.name} reads {path}, which does not exist and is of no run of the plan. "
                    "Correct the override, or put the file there."
                )


def _start_runs(work: _Work, parallel: int, tell: Callable[[str], None], command: Command) -> None:
    for run in list(work.waiting):
        if len(work.running) >= parallel:
            return
        broken = [name for name in run.needs if name in work.failed]
        if broken:
            work.waiting.remove(run)
            work.failed.append(run.name)
            tell(f"{run.name}: not started, since {', '.join(broken)} failed")
        elif all(read_state(run.path.with_name(name)) == "finished" for name in run.needs):
            work.waiting.remove(run)
            resume = read_state(run.path) == "interrupted"
            work.running.append(_start(run, command(run, resume)))
            tell(f"{run.name}: {'goes on' if resume else 'started'}, log in {run.log}")


def _start(run: PlannedRun, command: Sequence[str]) -> _Child:
    try:
        run.log.parent.mkdir(parents=True, exist_ok=True)
        with run.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches the trainings once, from here.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    except OSError as error:
        raise not_written(run.log, error) from None
    return _Child(run, process, time.monotonic())


def _take_ended(
    work: _Work, runs: Sequence[PlannedRun], epochs: dict[str, int], parallel: int, tell: Callable[[str], None]
) -> None:
    for child in [child for child in work.running if child.process.poll() is not None]:
        work.running.remove(child)
        run = child.run
        if child.process.returncode == 0 and read_state(run.path) == "finished":
            took = (time.monotonic() - child.started) / 60
            tell(f"{run.name}: finished in {took:.1f} min{_figures(run.path)}; {_so_far(runs, epochs, parallel)}")
            continue
        work.failed.append(run.name)
        tell(f"{run.name}: failed with exit code {child.process.returncode}; the end of {run.log}:")
        for line in last_lines(run.log, LOG_LINES):
            tell(f"  {line}")


def _interrupt_children(work: _Work, tell: Callable[[str], None]) -> None:
    """Ctrl-C for each training with its loading processes, and wait until their checkpoints are written."""
    for child in work.running:
        _send(child, signal.SIGINT)
    end = time.monotonic() + GRACE_SECONDS
    try:
        for child in work.running:
            child.process.wait(max(0.0, end - time.monotonic()))
            done = read_state(child.run.path) == "finished"
            epochs = len(read_epochs(child.run.path))
            tell(f"{child.run.name}: {'finished' if done else f'interrupted after epoch {epochs}'}")
    except subprocess.TimeoutExpired:
        tell("a training did not end in time and is killed; its last checkpoint stays")
    finally:
        for child in work.running:
            if child.process.poll() is None:
                _send(child, signal.SIGKILL)
                child.process.wait()


def _send(child: _Child, number: signal.Signals) -> None:
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _figures(path: Path) -> str:
    try:
        result = json.loads((path / "result.json").read_text(encoding="utf-8"))
        return f", AP50 {100 * result['AP50']:.1f}, AP {100 * result['AP']:.1f}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _so_far(runs: Sequence[PlannedRun], epochs: dict[str, int], parallel: int) -> str:
    finished = sum(read_state(run.path) == "finished" for run in runs)
    seconds = estimate_seconds(runs, epochs, parallel) if finished < len(runs) else None
    return f"{finished} of {len(runs)} runs" + (
        f", about {seconds / 60:.0f} min left" if seconds is not None else ""
    )


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log.

    Raises:
        OutputError: It can't be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError as error:
        raise OutputError(f"{path} can't be read: {error}. Was it removed while the training ran?") from None
