"""Open a trained model for a verb, without importing torch before it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sdgasnet.errors import MissingExtraError
from sdgasnet.runtime.bundle import is_bundle, open_bundle
from sdgasnet.runtime.detector import Detector

Runtime = Literal["auto", "onnxruntime", "openvino", "openvino-bf16"]
ANY_NUMBER_OF_THREADS = 0
"""Leaves the choice to the runtime."""


def open_detector(path: Path, runtime: Runtime = "auto", *, threads: int = ANY_NUMBER_OF_THREADS) -> Detector:
    """The detector of a bundle, model file or run folder.

    Args:
        path: Where it is.
        runtime: For bundles; ``auto`` takes ONNX Runtime. Model files run in torch.
        threads: For bundles: threads of one run.

    Raises:
        MissingExtraError: The runtime is not installed.
        ModelError: The model can't be opened.
    """
    if is_bundle(path):
        return open_bundle_detector(path, runtime, threads)
    try:
        from sdgasnet.models.session import load_detector
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("train", f"Opening {path}, which is no bundle,") from None
    return load_detector(path)


def open_bundle_detector(path: Path, runtime: Runtime, threads: int) -> Detector:
    """A bundle in a runtime."""
    bundle = open_bundle(path)
    if runtime in ("openvino", "openvino-bf16"):
        from sdgasnet.runtime.openvino_session import OpenVINOSession

        return Detector(OpenVINOSession(bundle, threads, "f32" if runtime == "openvino" else "bf16"))
    from sdgasnet.runtime.onnxruntime_session import OnnxRuntimeSession

    return Detector(OnnxRuntimeSession(bundle, threads))
