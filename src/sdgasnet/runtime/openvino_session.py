"""A bundle in OpenVINO."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sdgasnet.errors import MissingExtraError, ModelError
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.canvas_depth import fit_canvases
from sdgasnet.runtime.manifest import ComputePrecision, graph_precision
from sdgasnet.runtime.openvino_core import openvino_core
from sdgasnet.runtime.session import Canvases, ModelSpec, RawOutputs

ARITHMETIC = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""What OpenVINO computes layers in that are not quantised. It would choose bf16 by itself where the processor has
it; here it is said."""
REQUESTS_A_STREAM = 2
"""One that runs, and one whose input or output is in hand; a single stream answers before it takes the next."""


class OpenVINOSession:
    """Run a bundle on the processor with OpenVINO, picture by picture, several at a time.

    The graph is compiled for one picture: with fixed shapes it is faster than a batch on a processor.

    Args:
        bundle: The bundle.
        threads: Threads of all streams together, >= 1.
        precision: What is computed in.
        streams: Pictures at a time, >= 1.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelError: The bundle has no graph of the precision, or it can't be loaded.
    """

    def __init__(self, bundle: Bundle, threads: int, precision: ComputePrecision, streams: int = 1) -> None:
        try:
            core = openvino_core()
        except ModuleNotFoundError:
            raise MissingExtraError("openvino", f"Opening {bundle.path} with OpenVINO") from None
        self._input = bundle.manifest.input
        self._spec = bundle.spec(graph_precision(precision))
        if precision not in ARITHMETIC:
            raise ModelError(f"On a processor OpenVINO is not run in {precision}; use {', '.join(ARITHMETIC)}.")
        settings: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": ARITHMETIC[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
        }
        try:
            model = core.read_model(bundle.graph(graph_precision(precision)))
            model.reshape([1, *self._input.image_size, self._input.channels])
            compiled = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"OpenVINO can't load {bundle.path}: {reason} Export the model again.") from None
        count = 1 if streams == 1 else REQUESTS_A_STREAM * streams
        self._requests = [compiled.create_infer_request() for _ in range(count)]

    @property
    def spec(self) -> ModelSpec:
        """What the model expects and says."""
        return self._spec

    def run(self, batch: Canvases) -> RawOutputs:
        """Run canvases ``(B, H, W, C)``, B >= 1.

        Raises:
            ModelError: Another shape or type.
        """
        return next(self.run_all([batch]))

    def run_all(self, batches: Iterable[Canvases]) -> Iterator[RawOutputs]:
        """Run batches, several pictures at a time, outputs in their order."""
        sizes: deque[int] = deque()

        def pictures() -> Iterator[Canvases]:
            for batch in batches:
                fitted = fit_canvases(batch, self._input)
                sizes.append(len(fitted))
                yield from np.split(fitted, len(fitted))

        done: list[RawOutputs] = []
        for outputs in self._run_pictures(pictures()):
            done.append(outputs)
            if len(done) == sizes[0]:
                sizes.popleft()
                yield join(done)
                done = []

    def _run_pictures(self, pictures: Iterable[Canvases]) -> Iterator[RawOutputs]:
        free, running = deque(self._requests), deque[tuple[Any, Canvases]]()

        def finish() -> RawOutputs:
            request, _ = running.popleft()
            request.wait()
            free.append(request)
            # The request owns its outputs and writes them anew at the next run.
            return RawOutputs(*(np.array(request.get_tensor(name).data) for name in RawOutputs._fields))

        try:
            for picture in pictures:
                if not free:
                    yield finish()
                request = free.popleft()
                request.start_async({0: picture}, share_inputs=True)
                running.append((request, picture))  # the request reads the picture where it lies
            while running:
                yield finish()
        finally:
            for request, _ in running:
                request.wait()


def join(outputs: Sequence[RawOutputs]) -> RawOutputs:
    """Outputs of several runs as those of one batch."""
    if len(outputs) == 1:
        return outputs[0]
    return RawOutputs(*(np.concatenate(parts) for parts in zip(*outputs, strict=True)))
