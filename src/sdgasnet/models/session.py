"""A trained model in torch, as a session of the one detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sdgasnet.errors import ModelError
from sdgasnet.models.checkpoint import ModelFile, build_network, find_model_file, read_model
from sdgasnet.models.deploy import deploy
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.session import ModelSpec, RawOutputs

Precision = Literal["fp32", "bf16"]


class TorchSession:
    """Run the deployed graph with torch.

    Args:
        model: The model.
        name: How it is called in outputs.
        device: Where it runs.
        precision: ``bf16`` runs convolutions and products in bfloat16; boxes and scores are float32 either way.

    Raises:
        ModelError: The weights don't fit, or there is no such device.
    """

    def __init__(
        self, model: ModelFile, name: str, device: torch.device | str = "cpu", precision: Precision = "fp32"
    ) -> None:
        self._device = find_device(device)
        self._precision = precision
        graph = deploy(build_network(model)).to(self._device)
        self._graph = graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        config = model.recipe.model
        self._spec = ModelSpec(model.class_names, config.image_size, config.channels, model.recipe.detection, name)

    @property
    def spec(self) -> ModelSpec:
        """What the model expects and says."""
        return self._spec

    def run(self, batch: NDArray[np.unsignedinteger[Any]]) -> RawOutputs:
        """Run canvases ``(B, H, W, C)`` uint8 or uint16, H and W multiples of 32.

        Raises:
            ModelError: Another shape or type.
        """
        channels = self._spec.channels
        if batch.ndim != 4 or batch.shape[3] != channels or batch.dtype not in (np.uint8, np.uint16):
            raise ModelError(
                f"The model takes (B, H, W, {channels}) of uint8 or uint16; found {batch.shape} of {batch.dtype}."
            )
        if batch.shape[1] % 32 or batch.shape[2] % 32:
            raise ModelError(f"The model takes sides that are multiples of 32; found {batch.shape[1:3]}.")
        pictures = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
        mixed = torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == "bf16")
        with torch.inference_mode(), mixed:
            outputs = self._graph(pictures)
        return RawOutputs(*(part.cpu().numpy() for part in outputs))


def find_device(device: torch.device | str) -> torch.device:
    """The device, after a look whether it is there.

    Raises:
        ModelError: It isn't.

    Examples:
        >>> find_device("cpu")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ModelError(
            f"Device {str(device)!r} can't be used: {reason} Use 'cpu' or, with a GPU, 'cuda'."
        ) from None
    return found


def load_detector(path: Path, device: torch.device | str = "cpu", precision: Precision = "fp32") -> Detector:
    """Open a trained model.

    Args:
        path: A ``.pt`` file or a run folder.
        device: Where it runs.
        precision: As for :class:`TorchSession`.

    Returns:
        A detector.

    Raises:
        ModelError: The model can't be opened, or there is no such device.
    """
    return Detector(TorchSession(read_model(path), str(find_model_file(path)), device, precision))
