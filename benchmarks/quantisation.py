"""What quantising more or fewer kinds of operators, or quantising with NNCF, brings: AP and pictures a second.

    .venv/bin/python benchmarks/quantisation.py runs/neu_det datasets/neu-det

NNCF is measured where it is installed (``pip install nncf``); the product does not need it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from record import load_average, write_record

from sdgasnet.config.schema import ExportConfig
from sdgasnet.data.index import load_dataset, reorder_classes
from sdgasnet.evaluation.measure import measure
from sdgasnet.evaluation.speed import count_results
from sdgasnet.export import quantize
from sdgasnet.export.build import build_bundle
from sdgasnet.export.precision import Calibration, choose_calibration
from sdgasnet.imaging.image import prepare_image, read_image
from sdgasnet.models.checkpoint import read_model
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.deployment import Deployment, Runtime, open_session
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.manifest import ComputePrecision
from sdgasnet.runtime.session import run_all

KINDS = {
    "convolutions": ("Conv", "ConvTranspose"),
    "and concatenation, pooling, resizing": ("Conv", "ConvTranspose", "Concat", "AveragePool", "Resize"),
    "all between the convolutions": quantize.QUANTISED_TYPES,
}
THREADS = 2
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one round")
    arguments = parser.parse_args()
    load = load_average()
    model = read_model(arguments.model)
    bundle = Bundle(arguments.model, *build_bundle(model, "measured", 8))
    index = reorder_classes(load_dataset(arguments.data), model.class_names)
    chosen = choose_calibration(index, ExportConfig())
    size, channels = model.recipe.model.image_size, model.recipe.model.channels
    canvases = [prepare_image(read_image(one.path, channels), size)[0][None] for one in chosen.pictures]
    exact = bundle.graph("fp32")
    ways: list[tuple[str, bytes, Runtime, ComputePrecision]] = [
        ("float", exact, "onnxruntime", "fp32"),
        ("float", exact, "openvino", "fp32"),
        ("float", exact, "openvino", "bf16"),
    ]
    for name, kinds in KINDS.items():
        quantize.QUANTISED_TYPES = kinds
        graph = quantize.Quantiser(exact, canvases).quantize()
        ways += [(name, graph, runtime, "fp32") for runtime in ("onnxruntime", "openvino")]
    rows = [row(bundle, way, chosen, arguments.seconds) for way in ways]
    if find_spec("nncf") is not None:
        with tempfile.TemporaryDirectory() as folder:
            graph = quantize_with_nncf(exact, canvases, Path(folder))
            rows.append(row(bundle, ("NNCF", graph, "openvino", "fp32"), chosen, arguments.seconds))
    packages = ["onnxruntime", "openvino", "numpy", *(["nncf"] if find_spec("nncf") else [])]
    print(write_record("quantisation", rows, packages, load))


def row(
    bundle: Bundle, way: tuple[str, bytes, Runtime, ComputePrecision], chosen: Calibration, seconds: float
) -> dict[str, Any]:
    """AP on the measured pictures, and the best of some rounds through the network, as many streams as threads."""
    name, graph, runtime, precision = way
    held = replace(bundle, files={**bundle.files, "model.onnx": graph})
    session = open_session(held, Deployment(runtime, precision, THREADS, THREADS))
    found = measure(Detector(session), chosen.measured, held.manifest.class_names).average_precision
    spec = session.spec
    canvas = np.random.default_rng(0).integers(0, 256, (1, *spec.image_size, spec.channels), np.uint8)
    speeds = [count_results(run_all(session, cycle([canvas])), seconds)["per_second"] for _ in range(ROUNDS)]
    said = {
        "model": held.manifest.preset,
        "image_size": list(spec.image_size),
        "quantised": name,
        "runtime": runtime,
        "arithmetic": precision if name == "float" else "int8",
        "threads": THREADS,
        "scope": "network",
        "AP": found.AP,
        "AP50": found.AP50,
        "per_second": max(speeds),
        "lowest_per_second": min(speeds),
    }
    print(said, flush=True)
    return said


def quantize_with_nncf(graph: bytes, canvases: list[Any], folder: Path) -> bytes:
    """The ONNX graph, quantised by NNCF's defaults for a processor."""
    import nncf
    import onnx

    quantised = nncf.quantize(
        onnx.load_from_string(graph),
        nncf.Dataset(canvases, lambda canvas: {quantize.INPUT_NAME: canvas}),
        subset_size=len(canvases),
        target_device=nncf.TargetDevice.CPU,
        preset=nncf.QuantizationPreset.MIXED,
    )
    path = folder / "nncf.onnx"
    onnx.save(quantised, path)
    return path.read_bytes()


if __name__ == "__main__":
    main()
