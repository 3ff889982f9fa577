"""Which state of the source a figure was made with."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 10.0
"""A version control that takes longer is not waited for."""


def describe_commit() -> str | None:
    """Short commit of the checkout that the package runs from, with ``-dirty`` where files are changed.

    Returns:
        None for an installed package, or without git.
    """
    package = Path(__file__).parents[1]
    if not (package.parents[1] / ".git").exists():
        return None
    command = ["git", "-C", str(package), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
