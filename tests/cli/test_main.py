"""What the command line makes of errors, as a user calls it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LONG = "x" * 300


@pytest.mark.parametrize(
    "command", [["data", "check", LONG], ["predict", "steel", LONG], ["bundle", "info", LONG]]
)
def test_a_name_that_no_file_can_have(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdgasnet", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "is no name that a file can have" in done.stderr
    assert "Traceback" not in done.stderr
