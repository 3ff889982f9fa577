from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from sdgasnet.evaluation import revision


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a package and an experiment, from which the package seems to run."""
    for name in ("src/sdgasnet/evaluation/revision.py", "experiments/0001/results.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1\n")
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "First"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(revision, "__file__", str(tmp_path / "src/sdgasnet/evaluation/revision.py"))
    return tmp_path


def test_commit_of_a_checkout_and_whether_its_source_is_changed(checkout: Path) -> None:
    clean = revision.describe_commit()
    assert clean is not None
    assert re.fullmatch(r"[0-9a-f]{7,}", clean)
    (checkout / "experiments/0001/results.json").write_text("2\n")
    assert revision.describe_commit() == clean
    (checkout / "src/sdgasnet/evaluation/revision.py").write_text("2\n")
    assert revision.describe_commit() == f"{clean}-dirty"


def test_nothing_without_a_checkout_or_without_git(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    assert revision.describe_commit() is None
    monkeypatch.setattr(revision, "__file__", str(tmp_path / "site-packages" / "sdgasnet" / "evaluation" / "r.py"))
    assert revision.describe_commit() is None


def test_nothing_in_a_checkout_without_a_commit(checkout: Path) -> None:
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/other\n")
    assert revision.describe_commit() is None
