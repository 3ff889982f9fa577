"""Speed of the deployed network on a GPU: one launch for all of it, pictures in the host's memory, one and many.

    python benchmarks/gpu_speed.py

``run`` is a call of the session: canvases to the GPU, network, raw outputs back. ``network`` replays the captured
graph alone, on pictures that lie on the GPU. The network is untrained.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from record import load_average, write_record

from sdgasnet.config.loading import build_recipe
from sdgasnet.models.checkpoint import ModelFile
from sdgasnet.models.network import Network
from sdgasnet.models.session import Precision, TorchSession

PRESETS = ("s", "n")
PRECISIONS: tuple[Precision, ...] = ("fp16", "bf16", "fp32")
BATCHES = (1, 8, 32, 64)
CLASSES = 6
WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one row")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(2, "error: this benchmark needs a CUDA device; none was found\n")
    load, rows = load_average(), []
    for preset in PRESETS:
        model = build_model(preset, arguments.side)
        for precision in PRECISIONS:
            session = TorchSession(model, preset, "cuda", precision, cuda_graphs=True)
            for batch in BATCHES:
                for scope, figures in measure(session, arguments.side, batch, arguments.seconds).items():
                    rows.append(
                        {
                            "model": preset,
                            "image_size": [arguments.side, arguments.side],
                            "runtime": "torch-cuda-graph",
                            "device": torch.cuda.get_device_name(),
                            "precision": precision,
                            "batch": batch,
                            "scope": scope,
                            **figures,
                        }
                    )
                    print(rows[-1], flush=True)
    print(write_record("gpu_speed", rows, ("torch", "numpy"), load))


def build_model(preset: str, side: int) -> ModelFile:
    recipe = build_recipe({"model": {"preset": preset, "image_size": [side, side]}})
    torch.manual_seed(0)
    names = tuple(f"defect {number}" for number in range(CLASSES))
    return ModelFile(recipe, names, Network(recipe.model, CLASSES).state_dict(), (), 0, {})


def measure(session: TorchSession, side: int, batch: int, seconds: float) -> dict[str, dict[str, float]]:
    """Figures of the whole call, and of the captured graph alone."""
    canvases = np.random.default_rng(0).integers(0, 256, (batch, side, side, session.spec.channels), np.uint8)
    session.run(canvases)
    on_gpu = torch.from_numpy(canvases).cuda()
    return {
        "run": time_calls(lambda: session.run(canvases), batch, seconds),
        "network": time_calls(lambda: session.replay(on_gpu), batch, seconds),
    }


def time_calls(work: Callable[[], Any], batch: int, seconds: float) -> dict[str, float]:
    """Milliseconds of a call and pictures a second, the GPU waited for after each."""
    for _ in range(WARM_UP):
        work()
    torch.cuda.synchronize()
    taken: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() < started + seconds:
        before = time.perf_counter()
        work()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - before)
    p50, p95 = np.percentile(taken, (50, 95)) * 1e3
    return {
        "p50_ms": round(float(p50), 3),
        "p95_ms": round(float(p95), 3),
        "per_second": round(batch * len(taken) / sum(taken), 1),
    }


if __name__ == "__main__":
    main()
