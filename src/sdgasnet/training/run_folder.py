"""The folder of one training run: what lies in it and how it is written."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgasnet.config.loading import dump_recipe, load_recipe
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import OutputError, TrainingError
from sdgasnet.output import write_text


class RunFolder:
    """Its files: ``recipe.yaml``, ``metrics.csv``, ``last.pt``, ``best.pt``, ``result.json``, ``detections.json``,
    ``plots/``, TensorBoard events.

    Args:
        path: The folder; :meth:`create` makes a new one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_file = path / "recipe.yaml"
        self.metrics_file = path / "metrics.csv"
        self.last = path / "last.pt"
        self.best = path / "best.pt"
        self.result_file = path / "result.json"
        self.detections_file = path / "detections.json"
        self.plots = path / "plots"
        self.events = path / "events"

    @classmethod
    def create(cls, path: Path, recipe: Recipe) -> RunFolder:
        """Make the folder and write the recipe into it.

        Raises:
            OutputError: It holds a checkpoint or something that is no run, or can't be made.
        """
        if path.exists() and not is_abandoned(path):
            raise OutputError(
                f"{path} exists already. Choose another name, or continue that run with: "
                f"sdgasnet train --resume {path}"
            )
        run = cls(path)
        write_text(run.recipe_file, dump_recipe(recipe))
        return run

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """A folder whose run can go on.

        Raises:
            TrainingError: There is no checkpoint in it.
        """
        run = cls(path)
        if not run.last.is_file() or not run.recipe_file.is_file():
            raise TrainingError(
                f"{path} can't be resumed: expected recipe.yaml and last.pt, "
                "which a run writes after its first epoch."
            )
        return run

    def remove_if_abandoned(self) -> None:
        """Remove the folder of a run that stopped before its first checkpoint, if nothing else is in it."""
        if is_abandoned(self.path) and {entry.name for entry in self.path.iterdir()} <= {"recipe.yaml", "events"}:
            shutil.rmtree(self.path, ignore_errors=True)

    def recipe(self) -> Recipe:
        """The recipe that the run was started with."""
        return load_recipe(self.recipe_file)

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one epoch to ``metrics.csv``; columns are those of the first row."""
        is_new = not self.metrics_file.is_file()
        try:
            with self.metrics_file.open("a", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, fieldnames=list(row))
                if is_new:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise OutputError(f"{self.metrics_file} can't be written: {error}.") from None

    def drop_metrics_from(self, epoch: int) -> None:
        """Remove rows of epochs that a resumed run will go through again."""
        if not self.metrics_file.is_file():
            return
        header, *rows = self.metrics_file.read_text(encoding="utf-8").splitlines()
        kept = [row for row in rows if row.split(",", 1)[0].isdigit() and int(row.split(",", 1)[0]) <= epoch]
        write_text(self.metrics_file, "\n".join([header, *kept]) + "\n")

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``."""
        write_text(self.result_file, json.dumps(result, indent=2) + "\n")


def is_abandoned(path: Path) -> bool:
    """Whether a folder is empty, or a run that never came to its first checkpoint."""
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir()}
    return not names or ("recipe.yaml" in names and not names & {"last.pt", "best.pt"})


def next_run_path(runs_dir: Path, name: str) -> Path:
    """``runs_dir/name``, or with the first free number behind it.

    Examples:
        >>> next_run_path(Path("does-not-exist"), "steel").as_posix()
        'does-not-exist/steel'
    """
    if not (runs_dir / name).exists():
        return runs_dir / name
    pattern = re.compile(re.escape(name) + r"-(\d+)$")
    taken = [int(match[1]) for path in runs_dir.iterdir() if (match := pattern.match(path.name))]
    return runs_dir / f"{name}-{max(taken, default=1) + 1}"
