"""A bundle in OpenVINO."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sdgasnet.errors import MissingExtraError, ModelError
from sdgasnet.runtime.bundle import GRAPH_NAME, Bundle
from sdgasnet.runtime.canvas_depth import Canvases, fit_canvases
from sdgasnet.runtime.session import ModelSpec, RawOutputs, spec_of

InferencePrecision = Literal["f32", "bf16"]


class OpenVINOSession:
    """Run a bundle on the processor with OpenVINO, one batch at a time.

    Args:
        bundle: The bundle.
        threads: Threads of one run; 0 leaves the choice to the runtime.
        precision: What convolutions and products are computed in. OpenVINO would choose bf16 by itself where the
            processor has it; here it is said.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelError: The graph can't be loaded.
    """

    def __init__(self, bundle: Bundle, threads: int, precision: InferencePrecision) -> None:
        try:
            import openvino
        except ModuleNotFoundError:
            raise MissingExtraError("openvino", f"Opening {bundle.path} with OpenVINO") from None
        self._input = bundle.manifest.input
        self._spec = spec_of(bundle.manifest, str(bundle.path))
        settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            core = openvino.Core()
            model = core.read_model(bundle.files[GRAPH_NAME])
            self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"OpenVINO can't load {bundle.path}: {reason} Export the model again.") from None

    @property
    def spec(self) -> ModelSpec:
        """What the model expects and says."""
        return self._spec

    def run(self, batch: Canvases) -> RawOutputs:
        """Run canvases ``(B, H, W, C)``.

        Raises:
            ModelError: Another shape or type.
        """
        self._request.infer({0: fit_canvases(batch, self._input)})
        # The request owns its outputs and writes them anew at the next run.
        outputs = (self._request.get_tensor(name).data for name in RawOutputs._fields)
        return RawOutputs(*(np.array(part) for part in outputs))
