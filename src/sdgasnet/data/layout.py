"""Files of a data set: names below its folder, pictures in it."""

from __future__ import annotations

from pathlib import Path

from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import IMAGE_SUFFIXES


def relative_name(path: Path, root: Path) -> str:
    """Path below ``root`` with ``/``; the whole path if it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def list_pictures(folder: Path) -> list[Path]:
    """Picture files below a folder, by suffix, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def refuse_empty(index: DatasetIndex) -> DatasetIndex:
    """Return the index, or refuse one that has no picture or no class.

    Raises:
        DataError: There is nothing to learn from.
    """
    if not any(index.splits.values()):
        raise DataError(
            f"{index.root} holds no picture that could be read as {index.format}.{_first_problem(index)}"
        )
    if not index.class_names:
        raise DataError(
            f"{index.root} holds pictures but no labelled object, so it has no classes.{_first_problem(index)}"
        )
    return index


def _first_problem(index: DatasetIndex) -> str:
    errors = [finding for finding in index.findings if finding.severity == "error"]
    return f" First problem: {errors[0].where}: {errors[0].message}" if errors else ""
