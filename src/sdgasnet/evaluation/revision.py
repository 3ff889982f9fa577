"""Which state of the source a figure was made with."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 10.0
"""A version control that takes longer is not waited for."""
NO_SOURCE = ":(exclude,top)experiments"
"""Where results are written while others are still measured; the plans there are recorded with each run."""


def describe_commit() -> str | None:
    """Short commit of the checkout that the package runs from, with ``-dirty`` where files are changed.

    Returns:
        None for an installed package, or without git.
    """
    package = Path(__file__).parents[1]
    if not (package.parents[1] / ".git").exists():
        return None
    try:
        commit = _git(package, "rev-parse", "--short", "HEAD")
        changes = _git(package, "diff", "HEAD", "--name-only", "--", ":/", NO_SOURCE)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changes else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout.strip()
