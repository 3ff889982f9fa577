"""A bundle in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnxruntime

from sdgasnet.errors import ModelError
from sdgasnet.runtime.ahead import run_ahead
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.canvas_depth import fit_canvases
from sdgasnet.runtime.manifest import Precision
from sdgasnet.runtime.session import Canvases, ModelSpec, RawOutputs

NOT_WANTED = ["WeightBiasQuantization"]
"""An optimisation that quantises what an int8 graph keeps in float, with one scale for all channels at that."""


class OnnxRuntimeSession:
    """Run a bundle on the processor with ONNX Runtime.

    Args:
        bundle: The bundle.
        threads: Threads of all streams together, >= 1.
        precision: Which of its graphs.
        streams: Batches at a time in :meth:`run_all`, >= 1.

    Raises:
        ModelError: The bundle has no such graph, or it can't be loaded.
    """

    def __init__(self, bundle: Bundle, threads: int, precision: Precision, streams: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads // streams)
        options.log_severity_level = 3
        self._input = bundle.manifest.input
        self._spec = bundle.spec(precision)
        self._streams = streams
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.graph(precision),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=NOT_WANTED,
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

    def run_all(self, batches: Iterable[Canvases]) -> Iterator[RawOutputs]:
        """Run batches, several at a time, outputs in their order."""
        if self._streams == 1:
            return map(self.run, batches)
        return run_ahead(self.run, batches, workers=self._streams, most_waiting=2 * self._streams)
