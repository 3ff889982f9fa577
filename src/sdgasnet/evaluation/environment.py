"""On what a measurement was made: the machine and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("sdgasnet", "torch", "onnxruntime", "openvino", "numpy", "opencv-python-headless", "faster-coco-eval")
"""Packages that figures may depend on."""


def describe_processor() -> str:
    """Name of the processor, as the system states it."""
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_hardware() -> dict[str, str | int | None]:
    """Processor and number of its cores."""
    return {"processor": describe_processor(), "cores": os.cpu_count()}


def describe_versions() -> dict[str, str]:
    """Versions of Python and of those packages of :data:`PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
