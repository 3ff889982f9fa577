"""Speed of the bare deployed graph in OpenVINO: pictures as arrays in, raw boxes and scores out.

    .venv/bin/python benchmarks/network_speed.py

Throughput mode keeps every core busy with as many requests as OpenVINO wants; its latency is then that of one
request among them. Latency mode runs one request at a time. Of several repetitions the fastest is kept: what
else runs on the machine can only slow one down.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from record import load_average, write_record

from sdgasnet.config.loading import build_recipe
from sdgasnet.models.deploy import deploy
from sdgasnet.models.network import Network

NETWORKS = (("n", 224), ("n", 320), ("n", 640), ("s", 224))
CLASSES = 6
WARM_UP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    load = load_average()
    rows = []
    for preset, side in NETWORKS:
        model = convert(preset, side)
        for mode in ("throughput", "latency"):
            for precision in ("f32", "bf16"):
                row = {
                    "model": preset,
                    "image_size": [side, side],
                    "runtime": f"openvino-{mode}",
                    "precision": precision,
                    "threads": arguments.threads,
                    "batch": 1,
                    "scope": "network",
                }
                compiled = compile_model(model, mode, precision, arguments.threads)
                repetitions = [measure(compiled, side, arguments.seconds) for _ in range(arguments.repetitions)]
                rows.append(row | max(repetitions, key=lambda figures: figures["per_second"]))
                print(rows[-1], flush=True)
    print(write_record("network_speed", rows, ("openvino", "torch", "onnx", "numpy"), load))


def convert(preset: str, side: int) -> ov.Model:
    torch.manual_seed(0)
    graph = deploy(Network(build_recipe({"model": {"preset": preset}}).model, CLASSES))
    picture = torch.zeros((1, side, side, 3), dtype=torch.uint8)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        program = torch.onnx.export(graph, (picture,), dynamo=True, opset_version=18, verbose=False)
        assert program is not None
        path = Path(folder) / "graph.onnx"
        program.save(path)
        return ov.Core().read_model(path)


def compile_model(model: ov.Model, mode: str, precision: str, threads: int) -> ov.CompiledModel:
    settings = {
        "PERFORMANCE_HINT": mode.upper(),
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
    }
    return ov.Core().compile_model(model, "CPU", settings)


def measure(compiled: ov.CompiledModel, side: int, seconds: float) -> dict[str, Any]:
    """Keep all requests busy for some seconds: latencies of the requests, and pictures a second."""
    picture = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    queue = ov.AsyncInferQueue(compiled)
    latencies: list[float] = []
    queue.set_callback(lambda request, _: latencies.append(request.latency))
    for _ in range(WARM_UP):
        queue.start_async({0: picture})
    queue.wait_all()
    latencies.clear()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        queue.start_async({0: picture})
    queue.wait_all()
    elapsed = time.perf_counter() - start
    return {
        "p50_ms": round(float(np.percentile(latencies, 50)), 3),
        "p95_ms": round(float(np.percentile(latencies, 95)), 3),
        "per_second": round(len(latencies) / elapsed, 1),
    }


if __name__ == "__main__":
    main()
