"""On what a measurement was made: the machine and the versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from sdgasnet.runtime.host import count_cores, describe_processor

PACKAGES = ("sdgasnet", "torch", "onnxruntime", "openvino", "numpy", "opencv-python-headless", "faster-coco-eval")
"""Packages that figures may depend on."""


def describe_hardware() -> dict[str, str | int]:
    """Processor and number of its cores."""
    return {"processor": describe_processor(), "cores": count_cores()}


def describe_versions() -> dict[str, str]:
    """Versions of Python and of those packages of :data:`PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
