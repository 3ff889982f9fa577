"""Write the graphs of ``build`` in 8 bits, each runtime's own way; run it in the peers' environment.

    .venv-peers/bin/python benchmarks/peers/quantize.py

For OpenVINO that is NNCF with its defaults, for ONNX Runtime static quantisation with its defaults and a scale for
each channel. All networks are treated alike and calibrated with noise: only the speed means
something.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

NETWORKS = Path(__file__).parent / "build"
PICTURES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[224, 320, 640])
    parser.add_argument("--leave-out", nargs="+", default=["s", "dfine-n"], help="networks")
    parser.add_argument("--runtimes", nargs="+", choices=QUANTISERS, default=list(QUANTISERS))
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    for path in sorted(NETWORKS.glob("*.onnx")):
        name, _, side = path.stem.rpartition("-")
        if not side.isdigit() or int(side) not in arguments.sides or name in arguments.leave_out:
            continue
        for runtime in arguments.runtimes:
            try:
                print(QUANTISERS[runtime](path), flush=True)
            except Exception as error:  # one network that a tool can't treat must not keep the others out
                print(f"{path.stem} for {runtime}: left out, {str(error).splitlines()[0]}", flush=True)


def quantize_for_openvino(path: Path) -> Path:
    model = openvino.Core().read_model(path)
    shape = model.input(0).get_partial_shape()
    shape[0] = 1
    model.reshape(shape)
    whole = model.input(0).get_element_type() == openvino.Type.u8
    pictures = make_pictures(tuple(shape.to_shape()), whole)
    quantised = nncf.quantize(model, nncf.Dataset(pictures), subset_size=PICTURES)
    target = path.with_name(f"{path.stem}-openvino-int8.xml")
    openvino.save_model(quantised, target, compress_to_fp16=False)
    return target


def quantize_for_onnxruntime(path: Path) -> Path:
    target = path.with_name(f"{path.stem}-onnxruntime-int8.onnx")
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            Noise(path),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return target


class Noise(CalibrationDataReader):
    """Pictures of noise, one at a time."""

    def __init__(self, path: Path) -> None:
        entry = openvino.Core().read_model(path).input(0)
        shape = entry.get_partial_shape()
        shape[0] = 1
        self._name = entry.get_any_name()
        self._left = make_pictures(tuple(shape.to_shape()), entry.get_element_type() == openvino.Type.u8)

    def get_next(self) -> dict[str, Any] | None:
        return {self._name: self._left.pop()} if self._left else None


def make_pictures(shape: tuple[int, ...], whole: bool) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    pictures = [generator.random(shape, dtype=np.float32) for _ in range(PICTURES)]
    return [(255 * picture).astype(np.uint8) for picture in pictures] if whole else pictures


QUANTISERS: dict[str, Callable[[Path], Path]] = {
    "openvino": quantize_for_openvino,
    "onnxruntime": quantize_for_onnxruntime,
}


if __name__ == "__main__":
    main()
