"""Pictures of 8 and 16 bits for a graph that takes one of them."""

from __future__ import annotations

import numpy as np

from sdgasnet.errors import ModelError
from sdgasnet.imaging.image import full_scale
from sdgasnet.runtime.manifest import InputSpec
from sdgasnet.runtime.session import Canvases


def fit_canvases(batch: Canvases, spec: InputSpec) -> Canvases:
    """A batch in the pixel type of the graph; 8 bits become 16 exactly, the other way nothing is dropped silently.

    Args:
        batch: ``(B, H, W, C)`` uint8 or uint16.
        spec: What the graph takes.

    Raises:
        ModelError: Another shape or type, or 16 bits for a graph of 8.
    """
    expected = (*spec.image_size, spec.channels)
    if batch.ndim != 4 or batch.shape[1:] != expected or batch.dtype not in (np.uint8, np.uint16):
        raise ModelError(
            f"The model takes (B, {', '.join(map(str, expected))}) of uint8 or uint16; "
            f"found {batch.shape} of {batch.dtype}."
        )
    wanted = np.uint8 if spec.bits == 8 else np.uint16
    if batch.dtype == wanted:
        return np.ascontiguousarray(batch)
    if wanted == np.uint8:
        raise ModelError("The model was exported for pictures of 8 bits; found 16. Export it with --bits 16.")
    return batch.astype(np.uint16) * np.uint16(full_scale(np.uint16) // full_scale(np.uint8))
