"""Trained weights that come with the package: NAME.pt, and NAME.md that says what they are."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def packaged_names() -> tuple[str, ...]:
    """Names of the weights that come with the package."""
    entries = resources.files(__name__).iterdir()
    return tuple(sorted(entry.name.removesuffix(".pt") for entry in entries if entry.name.endswith(".pt")))


def find_packaged(name: str) -> Path | None:
    """File of weights that come with the package; None if there are none of that name."""
    return Path(str(resources.files(__name__) / f"{name}.pt")) if name in packaged_names() else None
