"""INT8: static quantisation of the exported graph, with pictures that show what values to expect."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    create_calibrator,
)
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from sdgasnet.export.graph_parts import find_tail
from sdgasnet.export.onnx import INPUT_NAME
from sdgasnet.runtime.onnxruntime_session import NOT_WANTED
from sdgasnet.runtime.session import Canvases, RawOutputs

QUANTISED_TYPES = (
    "Conv",
    "ConvTranspose",
    "Relu",
    "Clip",
    "Add",
    "Mul",
    "Concat",
    "Split",
    "Resize",
    "AveragePool",
)
"""Between convolutions all of these stay in 8 bits, so that nothing is converted to float and back on the way."""
SENSITIVITY_PICTURES = 16
"""At most, of the calibration pictures; to rank convolutions by."""
LEAST_SCORE = 0.01
"""Points below say nothing in the reference, and their differences nothing about sensitivity."""


@dataclass(frozen=True)
class Quantised:
    """A graph in 8 bits.

    Attributes:
        graph: ONNX with QuantizeLinear and DequantizeLinear.
        float_layers: Convolutions that stayed in float, most sensitive first.
        quality: What :func:`quantize_until` was told of it.
    """

    graph: bytes
    float_layers: tuple[str, ...]
    quality: float


class Quantiser:
    """Quantise a float graph again and again, calibrated once.

    Weights: int8, symmetric, a scale for each output channel. Activations: uint8, from the least to the greatest
    value seen. What comes after the last convolutions stays in float, and so do the two products of the low-pass.

    Args:
        graph: ONNX in float32, from :func:`~sdgasnet.export.onnx.export_onnx`.
        canvases: Each ``(1, H, W, C)``, of the pictures to calibrate with, >= 1.

    Source:
        https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """

    def __init__(self, graph: bytes, canvases: Sequence[Canvases]) -> None:
        self._graph = graph
        self._canvases = canvases
        model = onnx.load_from_string(graph)
        tail = find_tail(model.graph)
        self._nodes = [
            node.name for node in model.graph.node if node.op_type in QUANTISED_TYPES and node.name not in tail
        ]
        self._convolutions = [node.name for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
        self._ranges = find_ranges(graph, canvases)

    def quantize(self, float_layers: Collection[str] = (), only: Collection[str] | None = None) -> bytes:
        """The graph in 8 bits.

        Args:
            float_layers: Nodes that stay in float.
            only: Nodes that alone are quantised; None means all that can be.
        """
        nodes = [name for name in self._nodes if name not in float_layers and (only is None or name in only)]
        quantizer = QDQQuantizer(
            onnx.load_from_string(self._graph),
            True,  # a scale for each channel
            False,  # of the full range
            QuantType.QInt8,
            QuantType.QUInt8,
            self._ranges,
            nodes,
            [],
            list(QUANTISED_TYPES),
            {},
        )
        with quiet():
            quantizer.quantize_model()
        return bytes(quantizer.model.model.SerializeToString())

    @cached_property
    def ranking(self) -> tuple[str, ...]:
        """Names of the convolutions, the one first that alone in 8 bits moves the outputs most."""
        # Spread over all pictures: data sets often list one class after the other.
        canvases = self._canvases[:: ceil(len(self._canvases) / SENSITIVITY_PICTURES)]
        reference = list(run_graph(self._graph, canvases))
        error = {
            name: output_error(reference, run_graph(self.quantize(only=[name]), canvases))
            for name in self._convolutions
        }
        return tuple(sorted(error, key=error.__getitem__, reverse=True))


def quantize_until(
    quantiser: Quantiser, measure: Callable[[bytes], float], least: float, progress: Callable[[str], None]
) -> Quantised:
    """Quantise, and put the most sensitive convolutions back to float until the quality suffices.

    Args:
        quantiser: The graph and its calibration.
        measure: Quality of a graph, the higher the better.
        least: The quality that suffices.
        progress: Told what is tried.

    Returns:
        The graph with the fewest convolutions in float, of 0, 1, 2, 4, 8, ..., that suffices; if none does, the
        best of them.
    """
    graph = quantiser.quantize()
    best = Quantised(graph, (), measure(graph))
    if best.quality >= least:
        return best
    progress("looking for the most sensitive layers")
    ranked = quantiser.ranking
    count = 1
    while count < len(ranked):
        graph = quantiser.quantize(float_layers=ranked[:count])
        tried = Quantised(graph, ranked[:count], measure(graph))
        progress(f"with {count} layers in float: {tried.quality:.4f}, needed {least:.4f}")
        if tried.quality > best.quality:
            best = tried
        if tried.quality >= least:
            return tried
        count *= 2
    return best


def refit_threshold(float_scores: Sequence[float], scores: Sequence[float], threshold: float) -> float:
    """The threshold at which a quantised model shows as many detections as the float one at its own.

    Args:
        float_scores: Scores of all detections of the float model on some pictures, down to the score floor.
        scores: The same of the quantised one.
        threshold: Of the float model.

    Returns:
        A threshold in [0, 1]; the float model's own where it shows nothing, or where too few are left to say.

    Examples:
        >>> refit_threshold([0.9, 0.8, 0.3], [0.5, 0.4, 0.1], 0.6)
        0.25
    """
    shown = sum(score >= threshold for score in float_scores)
    ordered = sorted(scores, reverse=True)
    if shown == 0 or len(ordered) <= shown:
        return threshold
    return round((ordered[shown - 1] + ordered[shown]) / 2, 4)


def find_ranges(graph: bytes, canvases: Sequence[Canvases]) -> TensorsData:
    """The least and the greatest value of every tensor of a graph on some pictures."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "float.onnx"
        path.write_bytes(graph)
        calibrator = create_calibrator(
            path,
            list(QUANTISED_TYPES),
            augmented_model_path=str(path.with_name("augmented.onnx")),
            calibrate_method=CalibrationMethod.MinMax,
        )
        calibrator.collect_data(_Reader(canvases))
        return calibrator.compute_data()


def run_graph(graph: bytes, canvases: Sequence[Canvases]) -> Iterator[RawOutputs]:
    """Raw outputs of a graph, picture by picture, in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=NOT_WANTED
    )
    for canvas in canvases:
        yield RawOutputs(*session.run(list(RawOutputs._fields), {INPUT_NAME: canvas}))


def output_error(reference: Sequence[RawOutputs], outputs: Iterator[RawOutputs]) -> float:
    """Mean difference of the scores, and of the boxes in shares of the canvas, at points that say something."""
    total, points = 0.0, 0
    for expected, found in zip(reference, outputs, strict=True):
        said = np.maximum(expected.scores, found.scores).max(axis=-1) >= LEAST_SCORE
        extent = float(expected.boxes_xyxy.max()) or 1.0
        total += float(np.abs(expected.scores - found.scores)[said].max(axis=-1).sum())
        total += float(np.abs(expected.boxes_xyxy - found.boxes_xyxy)[said].mean(axis=-1).sum()) / extent
        points += int(said.sum())
    return total / max(points, 1)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, canvases: Sequence[Canvases]) -> None:
        self._rest = iter(canvases)

    def get_next(self) -> dict[str, Any] | None:
        canvas = next(self._rest, None)
        return None if canvas is None else {INPUT_NAME: canvas}


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's advice to pre-process and its remarks on tensors, which say nothing to a user."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
