from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.errors import ModelError
from sdgasnet.runtime.canvas_depth import fit_canvases
from sdgasnet.runtime.manifest import InputSpec


def spec(bits: int) -> InputSpec:
    return InputSpec(image_size=(32, 64), channels=1, bits=bits)


def test_eight_bits_become_sixteen_exactly() -> None:
    batch = np.arange(32 * 64, dtype=np.uint8).reshape(1, 32, 64, 1)
    assert fit_canvases(batch, spec(8)) is batch
    wide = fit_canvases(batch, spec(16))
    assert wide.dtype == np.uint16
    assert np.array_equal(wide / 65535, batch / 255)


def test_sixteen_bits_are_not_cut_silently() -> None:
    batch = np.zeros((2, 32, 64, 1), np.uint16)
    assert fit_canvases(batch, spec(16)) is batch
    with pytest.raises(ModelError, match="--bits 16"):
        fit_canvases(batch, spec(8))


@pytest.mark.parametrize(
    "batch", [np.zeros((1, 32, 64, 3), np.uint8), np.zeros((32, 64, 1), np.uint8), np.zeros((1, 32, 64, 1))]
)
def test_other_shapes_and_types(batch: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"takes \(B, 32, 64, 1\)"):
        fit_canvases(batch, spec(8))
