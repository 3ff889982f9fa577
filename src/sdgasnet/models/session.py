"""A trained model in torch, as a session of the one detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sdgasnet.errors import ModelError
from sdgasnet.models.checkpoint import ModelFile, build_network, find_model_file, read_model
from sdgasnet.models.cuda_graph import CudaGraph
from sdgasnet.models.deploy import GraphOutputs, deploy
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.session import ModelSpec, RawOutputs

Precision = Literal["fp32", "bf16", "fp16"]
ARITHMETIC = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchSession:
    """Run the deployed graph with torch.

    Args:
        model: The model.
        name: How it is called in outputs.
        device: Where it runs.
        precision: ``bf16`` and ``fp16`` run convolutions and products in half precision; boxes and scores are
            float32 either way. ``fp16`` is for GPUs.
        cuda_graphs: On a GPU, launch the whole network at once; the first run of each shape takes longer.

    Raises:
        ModelError: The weights don't fit, there is no such device, or it can't do what is asked of it.
    """

    def __init__(
        self,
        model: ModelFile,
        name: str,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
        cuda_graphs: bool = False,
    ) -> None:
        self._device = find_device(device)
        if self._device.type != "cuda" and (precision == "fp16" or cuda_graphs):
            raise ModelError(f"fp16 and CUDA graphs need a GPU; found device '{self._device}'. Use bf16 there.")
        self._arithmetic = ARITHMETIC[precision]
        graph = deploy(build_network(model)).to(self._device)
        self._graph = graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._captured: dict[tuple[torch.Size, torch.dtype], CudaGraph] | None = None
        if cuda_graphs:
            self._captured = {}
            keep_weights_in(self._graph, self._arithmetic)
        config = model.recipe.model
        self._spec = ModelSpec(
            model.class_names,
            config.image_size,
            config.channels,
            model.recipe.detection,
            name,
            paired=config.paired,
        )

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
        with torch.inference_mode():
            outputs = self._run(pictures) if self._captured is None else self.replay(pictures)
        return RawOutputs(*(part.cpu().numpy() for part in outputs))

    def _run(self, pictures: Tensor) -> GraphOutputs:
        mixed = self._arithmetic != torch.float32
        # Weights that are cast inside a captured graph must not be remembered outside of it.
        kept = self._captured is None
        with torch.autocast(self._device.type, self._arithmetic, enabled=mixed, cache_enabled=kept):
            outputs: GraphOutputs = self._graph(pictures)
        return outputs

    def replay(self, pictures: Tensor) -> GraphOutputs:
        """Run pictures ``(B, H, W, C)`` that lie on the GPU; the outputs lie there until the next run."""
        assert self._captured is not None
        key = (pictures.shape, pictures.dtype)
        with torch.inference_mode():
            if key not in self._captured:
                self._captured[key] = CudaGraph(self._run, pictures)
            return self._captured[key](pictures)


def keep_weights_in(graph: nn.Module, arithmetic: torch.dtype) -> None:
    """Store the weights of convolutions and products, in place, in what autocast would cast them to each time."""
    for part in graph.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.to(arithmetic)


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


def load_detector(
    path: Path, device: torch.device | str = "cpu", precision: Precision = "fp32", cuda_graphs: bool = False
) -> Detector:
    """Open a trained model.

    Args:
        path: A ``.pt`` file or a run folder.
        device: Where it runs.
        precision: As for :class:`TorchSession`.
        cuda_graphs: As for :class:`TorchSession`.

    Returns:
        A detector.

    Raises:
        ModelError: The model can't be opened, or there is no such device.
    """
    return Detector(TorchSession(read_model(path), str(find_model_file(path)), device, precision, cuda_graphs))
