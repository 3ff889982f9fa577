"""Open a trained model for a verb, without importing torch before it is needed."""

from __future__ import annotations

from pathlib import Path

from sdgasnet.errors import MissingExtraError
from sdgasnet.runtime.detector import Detector


def open_detector(path: Path) -> Detector:
    """The detector of a model file or run folder.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The model can't be opened.
    """
    try:
        from sdgasnet.models.session import load_detector
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("train", f"Opening {path}") from None
    return load_detector(path)
