"""State of a training between two epochs, so that it can go on as if it had never stopped."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel


def capture_training(network: nn.Module, optimizer: Optimizer, ema: AveragedModel) -> dict[str, Any]:
    """Everything that the next step depends on, as tensors and plain values.

    Args:
        network: The network that is trained, with its own weights (the model file holds the averaged ones).
        optimizer: Its optimiser.
        ema: The moving average.
    """
    return {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "ema_steps": int(ema.n_averaged),
        "random": capture_random(),
    }


def restore_training(
    state: dict[str, Any],
    averaged: dict[str, Tensor],
    network: nn.Module,
    optimizer: Optimizer,
    ema: AveragedModel,
) -> None:
    """Put a captured state back in place.

    Args:
        state: From :func:`capture_training`.
        averaged: Averaged weights, from the model file.
        network: Built as it was then.
        optimizer: Built as it was then.
        ema: Built as it was then.
    """
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    ema.module.load_state_dict(averaged)
    ema.n_averaged.fill_(state["ema_steps"])
    restore_random(state["random"])


def capture_random() -> dict[str, Any]:
    """States of the generators of torch, numpy and Python; tensors, so that ``weights_only`` loads them."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, numbers, next_gauss = random.getstate()
    assert kind == "MT19937"
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy_rest": [int(position), int(has_gauss), float(gauss)],
        "python": torch.tensor(numbers, dtype=torch.int64),
        "python_rest": [version, next_gauss],
    }


def restore_random(state: dict[str, Any]) -> None:
    """Put the states of :func:`capture_random` back."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    position, has_gauss, gauss = state["numpy_rest"]
    np.random.set_state(  # noqa: NPY002
        ("MT19937", state["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss)
    )
    version, next_gauss = state["python_rest"]
    random.setstate((version, tuple(state["python"].tolist()), next_gauss))
