"""What every benchmark writes beside its rows: machine, versions, commit, and whether the machine was busy."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
QUIET_LOAD = 0.3
"""Load average over which other processes are taken to disturb the figures."""


def write_record(name: str, rows: Sequence[dict[str, Any]], packages: Sequence[str], load: float) -> Path:
    """Write ``results/NAME.json`` through a temporary name.

    Args:
        name: Name of the benchmark.
        rows: One for each measurement.
        packages: Distributions whose versions the figures depend on.
        load: Load average before the benchmark started, see :func:`load_average`.
    """
    record: dict[str, Any] = {
        "hardware": describe_machine(),
        "commit": describe_commit(),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "load_before": round(load, 2),
        "rows": list(rows),
    }
    if load > QUIET_LOAD:
        record["note"] = "Other processes shared the machine; run it again on a quiet one before quoting a figure."
    path = RESULTS / f"{name}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def load_average() -> float:
    """Processes that wanted to run during the last minute; take it before the benchmark adds its own."""
    return os.getloadavg()[0]


def describe_machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wanted = {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8"}
    return {
        "processor": fields.get("model name", platform.machine()),
        "family": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "cores": os.cpu_count(),
        "instructions": sorted(wanted & set(fields.get("flags", "").split())),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
    }


def describe_commit() -> str:
    """Commit of the checkout; a copy without one says so."""
    if not (RESULTS.parents[1] / ".git").exists():
        return "a copy without version control"

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=RESULTS, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/src", ":/benchmarks/*.py")
    return git("rev-parse", "HEAD") + ("+changes" if changed else "")
