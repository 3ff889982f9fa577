"""Hashes that tell whether two data sets, or two pictures, are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sdgasnet.data.records import ImageRecord


def image_hashes(records: Iterable[ImageRecord]) -> tuple[str, ...]:
    """SHA-256 of each picture file, in hex; the empty text for a file that can't be read."""
    return tuple(_hash_file(record) for record in records)


def hash_dataset(class_names: tuple[str, ...], splits: Mapping[str, tuple[ImageRecord, ...]]) -> str:
    """SHA-256 over class names, splits, picture names, labels and picture bytes.

    Args:
        class_names: Class names in order.
        splits: Pictures by split.

    Returns:
        64 hex digits; they do not depend on where the folder lies.
    """
    digest = hashlib.sha256()
    digest.update(repr(class_names).encode())
    for split, records in sorted(splits.items()):
        digest.update(f"split {split}\n".encode())
        for record, file_hash in zip(records, image_hashes(records), strict=True):
            objects = [
                (o.label, tuple(round(v, 4) for v in o.box_xyxy), o.difficult, o.crowd) for o in record.objects
            ]
            digest.update(f"{record.name} {file_hash} {objects}\n".encode())
    return digest.hexdigest()


def _hash_file(record: ImageRecord) -> str:
    try:
        with record.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
