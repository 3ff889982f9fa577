"""The plans in ``experiments/`` can be read and all of their recipes hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdgasnet.experiments.plan import locate, plan_runs, read_plan

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "experiments").glob("*/experiment.yaml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_run_has_a_valid_recipe(folder: Path, tmp_path: Path) -> None:
    plan = read_plan(folder)
    runs = plan_runs(plan, locate(plan, folder, tmp_path, None))
    assert len(runs) == len(plan.variants) * len(plan.seeds)
    for run in runs:
        assert run.recipe().training.seed == run.seed
