"""Files of a data set: names below its folder, pictures in it, and the index built from them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from sdgasnet.data.fingerprint import hash_dataset
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import find_images


def relative_name(path: Path, root: Path) -> str:
    """Path below ``root`` with ``/``; the whole path if it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def read_text(path: Path) -> str:
    """A text file of the data set.

    Raises:
        DataError: It can't be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as text in UTF-8: {error}.") from None


def is_file(path: Path) -> bool:
    """Whether there is such a file; there is none of a name that the system can't hold."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_text(name: str) -> bool:
    """Whether a name can be shown and written: not empty, no control characters, no half of a character.

    Examples:
        >>> is_text("Rißbildung 1"), is_text("pit\\n"), is_text("\\ud800")
        (True, False, False)
    """
    return bool(name.strip()) and not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name)


def orphan_pictures(
    folders: Iterable[Path], root: Path, splits: Mapping[str, Sequence[ImageRecord]], left_out: Iterable[Path]
) -> list[Finding]:
    """Pictures in folders of the data set that no split names, one warning each.

    Args:
        folders: Where pictures of the data set lie.
        root: Folder of the data set.
        splits: What was read.
        left_out: Pictures that a split names, and that were left out for another reason.
    """
    known = {record.path for records in splits.values() for record in records} | set(left_out)
    found = {path for folder in folders if folder.is_dir() for path in find_images(folder)}
    message = "The picture is in no split; neither trained on nor measured."
    return [
        Finding("warning", "orphan-picture", relative_name(path, root), message) for path in sorted(found - known)
    ]


def build_index(
    root: Path,
    format: Literal["voc", "coco", "yolo"],
    class_names: tuple[str, ...],
    splits: Mapping[str, Sequence[ImageRecord]],
    findings: Sequence[Finding],
) -> DatasetIndex:
    """Put together what a reader found.

    A picture that a split lists several times is kept once.

    Args:
        root: Folder of the data set.
        format: Format it was read as.
        class_names: Class names in order of their labels.
        splits: Pictures by split.
        findings: What the reader noticed.

    Raises:
        DataError: There is no picture or no class, two classes have one name, or a name is no text.
    """
    unique = {split: {record.name: record for record in records} for split, records in splits.items()}
    repeated = [
        Finding("warning", "picture-listed-twice", record.name, f"Listed more than once in split '{split}'.")
        for split, records in splits.items()
        if len(unique[split]) < len(records)
        for record in _repeated(records)
    ]
    kept = {split: tuple(records.values()) for split, records in unique.items()}
    noticed = (*findings, *repeated)
    if not any(kept.values()):
        raise DataError(f"{root} holds no picture that can be used as {format}.{_first_error(noticed)}")
    if not class_names:
        raise DataError(f"{root} holds pictures but no labelled object, so no classes.{_first_error(noticed)}")
    if len(set(class_names)) < len(class_names):
        raise DataError(f"{root} has two classes of one name: {', '.join(class_names)}. Rename or merge them.")
    named = [*class_names, *(record.name for records in kept.values() for record in records)]
    odd = next((name for name in named if not is_text(name)), None)
    if odd is not None:
        raise DataError(
            f"{root} holds a class or a picture of the name {odd!r}, which is empty, not UTF-8, or holds control "
            "characters. Rename it."
        )
    return DatasetIndex(root, format, class_names, kept, hash_dataset(class_names, kept), noticed)


def _repeated(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    counts = Counter(record.name for record in records)
    return list({record.name: record for record in records if counts[record.name] > 1}.values())


def _first_error(findings: Sequence[Finding]) -> str:
    errors = [finding for finding in findings if finding.severity == "error"]
    return f" First problem: {errors[0].where}: {errors[0].message}" if errors else ""
