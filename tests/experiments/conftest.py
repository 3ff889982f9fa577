from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdgasnet.experiments.plan import Folders, Plan, locate, read_plan

PLAN: dict[str, Any] = {
    "question": "Does b help?",
    "recipe": "base.yaml",
    "seeds": [0, 1],
    "baseline": "a",
    "overrides": ["training.epochs=4"],
    "variants": [{"name": "a"}, {"name": "b", "overrides": ["loss.box_weight=3.0"]}],
    "data": "somewhere/steel",
}

MakeExperiment = Callable[..., tuple[Plan, Folders]]


@pytest.fixture
def experiment(tmp_path: Path) -> MakeExperiment:
    """Writes an experiment with changed keys, and reads it back."""

    def make(**changes: Any) -> tuple[Plan, Folders]:
        folder = tmp_path / "0007-does-b-help"
        folder.mkdir(exist_ok=True)
        (folder / "base.yaml").write_text("model:\n  preset: n\n  image_size: [64, 64]\n  channels: 1\n")
        values = {key: value for key, value in {**PLAN, **changes}.items() if value is not None}
        (folder / "experiment.yaml").write_text(yaml.safe_dump(values))
        plan = read_plan(folder)
        return plan, locate(plan, folder, tmp_path / "runs", None)

    return make
