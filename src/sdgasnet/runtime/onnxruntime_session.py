"""A bundle in ONNX Runtime."""

from __future__ import annotations

import onnxruntime

from sdgasnet.errors import ModelError
from sdgasnet.runtime.bundle import GRAPH_NAME, Bundle
from sdgasnet.runtime.canvas_depth import Canvases, fit_canvases
from sdgasnet.runtime.session import ModelSpec, RawOutputs, spec_of


class OnnxRuntimeSession:
    """Run a bundle on the processor with ONNX Runtime.

    Args:
        bundle: The bundle.
        threads: Threads of one run; 0 leaves the choice to the runtime.

    Raises:
        ModelError: The graph can't be loaded.
    """

    def __init__(self, bundle: Bundle, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._input = bundle.manifest.input
        self._spec = spec_of(bundle.manifest, str(bundle.path))
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.files[GRAPH_NAME], options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime raises classes of its own without a common base
            reason = str(error).splitlines()[0]
            raise ModelError(f"ONNX Runtime can't load {bundle.path}: {reason} Export the model again.") from None
        self._input_name = self._session.get_inputs()[0].name

    @property
    def spec(self) -> ModelSpec:
        """What the model expects and says."""
        return self._spec

    def run(self, batch: Canvases) -> RawOutputs:
        """Run canvases ``(B, H, W, C)``.

        Raises:
            ModelError: Another shape or type.
        """
        return RawOutputs(
            *self._session.run(list(RawOutputs._fields), {self._input_name: fit_canvases(batch, self._input)})
        )
