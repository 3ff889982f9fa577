"""Which pictures a bundle was trained on: digests that stand in it, so that nobody measures on them by mistake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sdgasnet.errors import ModelError
from sdgasnet.runtime.bundle import Bundle

TRAINING_NAME = "training_pictures.txt"
"""Digests of the training pictures, one a line, sorted; ``training.pictures_digest`` of the manifest is its
SHA-256. In bundles of models that know them."""


def list_digests(digests: Iterable[str]) -> bytes:
    """Content of :data:`TRAINING_NAME`.

    Args:
        digests: SHA-256 of each training picture, hexadecimal.
    """
    return "\n".join(sorted(digests)).encode()


def training_digests(bundle: Bundle) -> frozenset[str] | None:
    """SHA-256 of the pictures that a bundle's model was trained on; None if the bundle does not know them.

    Raises:
        ModelError: The list is not that of the manifest.
    """
    if TRAINING_NAME not in bundle.files:
        return None
    content = bundle.files[TRAINING_NAME]
    if hashlib.sha256(content).hexdigest() != bundle.manifest.training.pictures_digest:
        raise ModelError(
            f"Bundle {bundle.path}: {TRAINING_NAME} does not fit training.pictures_digest. Export the model again."
        )
    return frozenset(content.decode("ascii", "replace").split())
