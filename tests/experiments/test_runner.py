"""Order, going on, slices and failures, with a command that only writes the files of a training."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from sdgasnet.config.loading import build_recipe, dump_recipe
from sdgasnet.errors import ConfigError
from sdgasnet.experiments.plan import PlannedRun, plan_runs
from sdgasnet.experiments.progress import estimate_seconds, find_differences, read_state
from sdgasnet.experiments.runner import Outcome, run_experiment, training_command

FAKE = """
import json, sys, time
from pathlib import Path
run, mode, seconds, behaviour = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
run.mkdir(parents=True, exist_ok=True)
with (run.parent / "order").open("a") as order:
    order.write(f"{run.name} {mode}\\n")
if behaviour == "fails":
    sys.exit("no such thing as a blue defect")
(run / "metrics.csv").write_text("epoch,train_seconds,validate_seconds\\n1,2.0,1.0\\n2,4.0,1.0\\n")
(run / "last.pt").touch()
try:
    time.sleep(seconds)
except KeyboardInterrupt:
    sys.exit(130)
(run / "result.json").write_text(json.dumps({"AP": 0.25, "AP50": 0.5}))
with (run.parent / "order").open("a") as order:
    order.write(f"{run.name} end\\n")
"""


class Fake:
    """Stands for ``sdgasnet train``."""

    def __init__(self, seconds: float = 0.0, fails: str = "") -> None:
        self.seconds, self.fails = seconds, fails

    def __call__(self, run: PlannedRun, resume: bool) -> list[str]:
        run.path.mkdir(parents=True, exist_ok=True)
        (run.path / "recipe.yaml").write_text(dump_recipe(run.recipe()))
        behaviour = "fails" if run.variant == self.fails else "works"
        mode = "resume" if resume else "new"
        return [sys.executable, "-c", FAKE, str(run.path), mode, str(self.seconds), behaviour]


def order_in(folder: Path) -> list[str]:
    return (folder / "order").read_text().splitlines()


def test_one_after_the_other_and_nothing_twice(experiment) -> None:
    plan, folders = experiment()
    runs, said = plan_runs(plan, folders), []
    assert run_experiment(runs, 1, None, said.append, Fake()) == Outcome(4, 4, ())
    names = ("a-0", "a-1", "b-0", "b-1")
    assert order_in(folders.runs) == [f"{name} {what}" for name in names for what in ("new", "end")]
    assert [line.split(":")[0] for line in said] == [name for name in names for _ in range(2)]
    assert "AP50 50.0, AP 25.0; 1 of 4 runs, about" in said[1]
    assert said[-1].endswith("4 of 4 runs")
    assert run_experiment(runs, 1, None, said.append, Fake()) == Outcome(4, 4, ())
    assert len(order_in(folders.runs)) == 8


def test_side_by_side_but_a_student_waits(experiment) -> None:
    teacher = "distillation.teacher={runs}/a-{seed}/last.pt"
    plan, folders = experiment(seeds=[0], variants=[{"name": "a"}, {"name": "b", "overrides": [teacher]}])
    assert run_experiment(plan_runs(plan, folders), 2, None, print, Fake(0.3)) == Outcome(2, 2, ())
    assert order_in(folders.runs) == ["a-0 new", "a-0 end", "b-0 new", "b-0 end"]

    plan, folders = experiment(seeds=[3], variants=[{"name": "a"}, {"name": "b"}])
    (folders.runs / "order").unlink()
    run_experiment(plan_runs(plan, folders), 2, None, print, Fake(0.5))
    assert {line.split()[1] for line in order_in(folders.runs)[:2]} == {"new"}


def test_time_is_up_and_go_on(experiment) -> None:
    plan, folders = experiment(seeds=[0])
    runs, said = plan_runs(plan, folders), []
    assert run_experiment(runs, 1, 3 / 60, said.append, Fake(60)) == Outcome(0, 2, ())
    assert [read_state(run.path) for run in runs] == ["interrupted", "new"]
    assert said[-1] == "a-0: interrupted after epoch 2"
    assert run_experiment(runs, 1, None, said.append, Fake()) == Outcome(2, 2, ())
    assert order_in(folders.runs) == ["a-0 new", "a-0 resume", "a-0 end", "b-0 new", "b-0 end"]


def test_a_failed_run_shows_its_log_and_the_others_go_on(experiment) -> None:
    reads = "distillation.teacher={runs}/b-{seed}/last.pt"
    variants = [{"name": "b"}, {"name": "c", "overrides": [reads]}, {"name": "a"}]
    plan, folders = experiment(seeds=[0], variants=variants)
    said: list[str] = []
    outcome = run_experiment(plan_runs(plan, folders), 1, None, said.append, Fake(fails="b"))
    assert outcome == Outcome(1, 3, ("b-0", "c-0"))
    assert "  no such thing as a blue defect" in said
    assert "c-0: not started, since b-0 failed" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_trainings(experiment, number: signal.Signals) -> None:
    plan, folders = experiment(seeds=[0])
    last = folders.runs / "a-0" / "last.pt"

    def interrupt() -> None:
        while not last.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    # Tests that were started with nohup have SIGHUP ignored.
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_experiment(plan_runs(plan, folders), 1, None, print, Fake(60))
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert order_in(folders.runs) == ["a-0 new"]
    assert read_state(folders.runs / "a-0") == "interrupted"


def test_trainings_are_interrupted_in_the_background_of_a_shell_too(experiment) -> None:
    plan, folders = experiment(seeds=[0])
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run_experiment(plan_runs(plan, folders), 1, 2 / 60, print, Fake(60))
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)
    assert order_in(folders.runs) == ["a-0 new"]
    assert read_state(folders.runs / "a-0") == "interrupted"


def test_a_closed_terminal_does_not_end_what_was_started_with_nohup(experiment) -> None:
    plan, folders = experiment(seeds=[0])
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGHUP)).start()
        assert run_experiment(plan_runs(plan, folders), 1, None, print, Fake(0.5)) == Outcome(2, 2, ())
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_another_recipe_than_that_of_the_run(experiment) -> None:
    plan, folders = experiment(seeds=[0])
    run_experiment(plan_runs(plan, folders), 1, None, print, Fake())
    changed = plan_runs(plan, folders, ["training.epochs=9", "data.path=elsewhere"])
    differences = find_differences(changed[0], changed[0].recipe(), folders.runs)
    assert differences == {"training.epochs": (4, 9)}
    with pytest.raises(ConfigError, match=r"a-0: training\.epochs is 4, now asked for: 9") as error:
        run_experiment(changed, 1, None, print, Fake())
    assert "b-0" in str(error.value)
    assert "data.path" not in str(error.value)


def test_runs_that_were_moved_are_the_same(experiment, tmp_path: Path) -> None:
    teacher = "{runs}/a-{seed}/last.pt"
    named = [f"distillation.teacher={teacher}"]
    several = [f"distillation.teacher=[{teacher},{teacher}]"]
    variants = [{"name": "a"}, {"name": "b", "overrides": named}, {"name": "c", "overrides": several}]
    plan, folders = experiment(seeds=[0], variants=variants)
    run_experiment(plan_runs(plan, folders), 1, None, print, Fake())
    folders.runs.rename(tmp_path / "moved")
    runs = plan_runs(plan, type(folders)(folders.experiment, tmp_path / "moved", folders.recipe, folders.data))
    for run in runs[1:]:
        assert find_differences(run, run.recipe(), tmp_path / "moved") == {}
    other = runs[1].recipe().model_dump(mode="json")
    other["distillation"]["teacher"] = [f"{tmp_path}/moved/a-0/last.pt"]
    assert "distillation.teacher" in find_differences(runs[2], build_recipe(other), tmp_path / "moved")


def test_what_a_run_reads_must_be_there(experiment) -> None:
    teacher = "distillation.teacher={runs}/a-{seed}/last.pt"
    plan, folders = experiment(variants=[{"name": "a"}, {"name": "b", "overrides": [teacher]}])
    with pytest.raises(ConfigError, match="b-0 reads the run a-0, which is not finished"):
        run_experiment(plan_runs(plan, folders)[2:], 1, None, print, Fake())
    plan, folders = experiment(overrides=["weights={runs}/old/best.pt"])
    with pytest.raises(ConfigError, match=r"a-0 reads .*old/best\.pt, which does not exist"):
        run_experiment(plan_runs(plan, folders), 1, None, print, Fake())
    assert not folders.runs.exists()


def test_time_left_from_recorded_epochs(experiment) -> None:
    plan, folders = experiment(seeds=[0, 1])
    runs = plan_runs(plan, folders)
    epochs = {run.name: 4 for run in runs}
    assert estimate_seconds(runs, epochs, 1) is None
    Fake()(runs[0], False)
    header = "epoch,train_seconds,validate_seconds\n"
    (runs[0].path / "metrics.csv").write_text(header + "1,2.0,1.0\n2,4.0,1.0\n")
    assert estimate_seconds(runs, epochs, 2) == (2 + 3 * 4) * 4.0 / 2
    Fake()(runs[2], False)
    (runs[2].path / "metrics.csv").write_text(header + "1,10.0,\n")
    assert estimate_seconds(runs, epochs, 1) == 2 * 4.0 + 4 * 4.0 + 3 * 10.0 + 4 * 10.0


def test_commands_of_a_training(experiment) -> None:
    run = plan_runs(*experiment())[0]
    assert training_command(run, True)[1:] == [
        *("-m", "sdgasnet", "train", "--resume", str(run.path)),
        "data.path=somewhere/steel",
    ]
    command = training_command(run, False)
    assert command[4:6] == [str(run.recipe_file), "training.epochs=4"]
    assert command[-4:] == ["--runs-dir", str(run.path.parent), "--name", "a-0"]
