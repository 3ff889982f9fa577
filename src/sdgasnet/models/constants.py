"""Constant arrays as tensors, where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def constant(make: Callable[..., NDArray[Any]], *key: Any, device: torch.device | str) -> Tensor:
    """An array as a tensor on a device.

    On the processor the tensor is new each time: one that is made while a graph is exported, or under
    ``inference_mode``, is of no use to the training step that comes next. On other devices it is kept, for copying
    it there stops the device, and can't be captured in a CUDA graph.

    Args:
        make: Makes the array; remembers it if that takes long.
        key: What ``make`` is called with, hashable.
        device: Where the tensor lies; not written to.

    Examples:
        >>> import numpy as np
        >>> constant(np.eye, 2, device="cpu").tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    place = torch.device(device)
    return torch.tensor(make(*key)) if place.type == "cpu" else _kept(make, key, place)


@lru_cache(maxsize=256)
def _kept(make: Callable[..., NDArray[Any]], key: tuple[Any, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(make(*key), device=device)
