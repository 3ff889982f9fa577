"""A bundle as a detector, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sdgasnet.runtime.bundle import open_bundle
from sdgasnet.runtime.deployment import ANY_THREADS, Purpose, Runtime, open_session
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.manifest import ComputePrecision
from sdgasnet.runtime.tuning import choose_deployment


def open_bundle_detector(
    path: Path,
    purpose: Purpose = "latency",
    runtime: Runtime | Literal["auto"] = "auto",
    precision: ComputePrecision | Literal["auto"] = "auto",
    threads: int = ANY_THREADS,
    public_key: Path | None = None,
) -> Detector:
    """Open and verify a bundle, and load it the way that was tuned here, unless something else is asked for.

    Args:
        path: Folder or ``.sdg`` archive.
        purpose: ``throughput`` reads ahead and works on several pictures at a time in
            :meth:`~sdgasnet.runtime.detector.Detector.detect_all`; ``latency`` answers picture by picture.
        runtime: ``auto`` leaves the choice.
        precision: ``auto`` leaves the choice.
        threads: :data:`~sdgasnet.runtime.deployment.ANY_THREADS` leaves the choice.
        public_key: Ed25519 key, PEM, that it must be signed with; None takes it unsigned.

    Raises:
        ConfigError: There is no such key in the file.
        MissingExtraError: The runtime is not installed, or the extra ``sign`` for the key.
        ModelError: The bundle is damaged, is not signed with the key, has no graph of the precision, or can't be
            loaded.
    """
    bundle = open_bundle(path, public_key)
    return Detector(open_session(bundle, choose_deployment(bundle, purpose, runtime, precision, threads)))
