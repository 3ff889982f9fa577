"""Time ours and the peers in turns: same sizes, same runtime, same threads, in one run.

    .venv/bin/python benchmarks/peers/run.py

Every configuration (runtime, precision, mode) has a process of its own. There all networks of one size are loaded,
warmed up, and take turns in rounds whose order is drawn anew each time. A ratio compares two turns of one
round, so what else the machine does meanwhile falls on both; its spread over the rounds says how far it holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
NETWORKS = HERE / "build"
sys.path.insert(0, str(HERE.parent))
REFERENCE = "yolo26n"
PEERS = (REFERENCE, "yolo26n-raw", "yolo11n", "yolov8n", "yolox-nano", "dfine-n")
OURS = ("n", "s")
CLASSES = 6
STREAMS = 2
TURN_WARM_UP = 0.2
"""Share of a turn that isn't counted: caches hold the last network, and its threads may still spin."""

Turn = Callable[[float], list[float]]
"""Work for some seconds; seconds that each picture took."""


@dataclass(frozen=True)
class Configuration:
    """What one process measures: ``latency`` one picture at a time, ``throughput`` with several on their way."""

    runtime: str
    precision: str
    mode: str
    sides: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    threads: int
    rounds: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.25, help="of one turn")
    parser.add_argument("--sides", type=int, nargs="+", default=[224, 320, 640])
    parser.add_argument("--only", nargs="+", help="configurations such as openvino-bf16-latency")
    parser.add_argument("--name", default="peers", help="of the result file")
    parser.add_argument("--export-only", action="store_true", help="write our graphs and stop, to quantise them")
    parser.add_argument("--keep", action="store_true", help="measure the graphs of the last run")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    plan = Plan(arguments.threads, arguments.rounds, arguments.seconds)
    if arguments.worker:
        print(json.dumps(measure(Configuration(**json.loads(arguments.worker)), plan)))
        return
    from record import load_average, write_record

    if not arguments.keep:
        export_ours(arguments.sides)
    if arguments.export_only:
        return
    load, rows = load_average(), []
    for configuration in configurations(tuple(arguments.sides)):
        name = f"{configuration.runtime}-{configuration.precision}-{configuration.mode}"
        if not arguments.only or name in arguments.only:
            now = round(load_average(), 2)
            found = [row | {"load_before": now} for row in measure_apart(configuration, plan)]
            rows += found
            print(format_table(found), flush=True)
    packages = ("openvino", "onnxruntime", "torch", "onnx", "numpy")
    print(write_record(arguments.name, rows, packages, load))


def configurations(sides: tuple[int, ...]) -> list[Configuration]:
    found = [
        Configuration(runtime, precision, "latency", sides)
        for runtime, precision in (
            ("openvino", "bf16"),
            ("openvino", "f32"),
            ("openvino", "int8"),
            ("onnxruntime", "f32"),
            ("onnxruntime", "int8"),
        )
    ]
    found += [
        Configuration("openvino", precision, "throughput", sides[:1]) for precision in ("bf16", "f32", "int8")
    ]
    return found


def export_ours(sides: Sequence[int]) -> None:
    """Write our graphs as bundles hold them, with pictures of 8 bits as input."""
    import torch
    from settle import settle

    from sdgasnet.config.loading import build_recipe
    from sdgasnet.export.onnx import export_onnx
    from sdgasnet.models.deploy import deploy
    from sdgasnet.models.network import Network
    from sdgasnet.runtime.manifest import InputSpec

    NETWORKS.mkdir(exist_ok=True)
    for preset in OURS:
        for side in sides:
            torch.manual_seed(0)
            recipe = build_recipe({"model": {"preset": preset, "image_size": [side, side]}})
            network = settle(Network(recipe.model, CLASSES), side)
            content = export_onnx(deploy(network), InputSpec(image_size=(side, side), channels=3, bits=8))
            (NETWORKS / f"{preset}-{side}.onnx").write_bytes(content)


def measure_apart(configuration: Configuration, plan: Plan) -> list[dict[str, Any]]:
    command = [sys.executable, __file__, "--worker", json.dumps(asdict(configuration))]
    for name, value in asdict(plan).items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def measure(configuration: Configuration, plan: Plan) -> list[dict[str, Any]]:
    """Rows of all networks that there are, size by size."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: plan.threads])
    open_turn = {"openvino": open_openvino, "onnxruntime": open_onnxruntime}[configuration.runtime]
    rows = []
    for side in configuration.sides:
        paths = {name: find_network(name, side, configuration) for name in (*OURS, *PEERS)}
        turns = {name: open_turn(path, configuration, plan) for name, path in paths.items() if path is not None}
        for name, figures in take_turns(turns, plan).items():
            rows.append(
                {
                    "model": name,
                    "image_size": [side, side],
                    "runtime": configuration.runtime,
                    "precision": configuration.precision,
                    "mode": configuration.mode,
                    "threads": plan.threads,
                    "batch": 1,
                    "scope": "network",
                    **figures,
                }
            )
    return rows


def find_network(name: str, side: int, configuration: Configuration) -> Path | None:
    """The graph's file; quantised graphs are each runtime's own, see ``quantize.py``."""
    suffix = f"-{configuration.runtime}-int8" if configuration.precision == "int8" else ""
    path = NETWORKS / f"{name}-{side}{suffix}.{'xml' if suffix.startswith('-openvino') else 'onnx'}"
    return path if path.exists() else None


def take_turns(turns: dict[str, Turn], plan: Plan) -> dict[str, dict[str, Any]]:
    """Rounds in which every network has one turn, and what comes of them."""
    order, draw = list(turns), random.Random(0)
    taken: dict[str, list[list[float]]] = {name: [] for name in turns}
    for turn in turns.values():
        turn(plan.seconds)
    for _ in range(plan.rounds):
        draw.shuffle(order)
        for name in order:
            taken[name].append(turns[name](plan.seconds))
    return {name: describe(rounds, taken.get(REFERENCE)) for name, rounds in taken.items()}


def describe(rounds: Sequence[Sequence[float]], reference: Sequence[Sequence[float]] | None) -> dict[str, Any]:
    """Percentiles over all calls, and the ratio of times to the reference's, round by round."""
    p5, p50, p95 = (float(value) * 1e3 for value in np.percentile(np.concatenate(rounds), (5, 50, 95)))
    typical = np.array([np.median(taken) for taken in rounds])
    figures: dict[str, Any] = {
        "p5_ms": round(p5, 3),
        "p50_ms": round(p50, 3),
        "p95_ms": round(p95, 3),
        "per_second": round(1 / float(np.median(typical)), 1),
    }
    if reference is None:
        return figures
    ratios = typical / np.array([np.median(taken) for taken in reference])
    low, middle, high = (round(float(value), 3) for value in np.percentile(ratios, (25, 50, 75)))
    return figures | {
        "reference": REFERENCE,
        "ratio": middle,
        "ratio_quartiles": [low, high],
        "rounds": len(rounds),
    }


def open_openvino(path: Path, configuration: Configuration, plan: Plan) -> Turn:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    shape = model.input(0).get_partial_shape()
    shape[0] = 1
    model.reshape(shape)
    settings = {
        "PERFORMANCE_HINT": configuration.mode.upper(),
        "INFERENCE_PRECISION_HINT": "bf16" if configuration.precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": plan.threads,
        "NUM_STREAMS": 1 if configuration.mode == "latency" else STREAMS,
    }
    compiled = core.compile_model(model, "CPU", settings)
    picture = make_picture(tuple(shape.to_shape()), model.input(0).get_element_type() == openvino.Type.u8)
    if configuration.mode == "latency":
        request = compiled.create_infer_request()
        request.get_input_tensor().data[:] = picture
        return one_by_one(lambda: request.infer(share_outputs=True))
    queue = openvino.AsyncInferQueue(compiled, 2 * STREAMS)

    def turn(seconds: float) -> list[float]:
        count_passed(queue, picture, TURN_WARM_UP * seconds)
        return [1 / count_passed(queue, picture, seconds)]

    return turn


def count_passed(queue: Any, picture: np.ndarray, seconds: float) -> float:
    """Pictures a second with every request busy."""
    started, count = time.perf_counter(), 0
    while not count or time.perf_counter() < started + seconds:
        queue.start_async({0: picture}, share_inputs=True)
        count += 1
    queue.wait_all()
    return count / (time.perf_counter() - started)


def open_onnxruntime(path: Path, configuration: Configuration, plan: Plan) -> Turn:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    picture = make_picture((1, *entry.shape[1:]), entry.type == "tensor(uint8)")
    return one_by_one(lambda: session.run(None, {entry.name: picture}))


def make_picture(shape: tuple[int, ...], whole: bool) -> np.ndarray:
    generator = np.random.default_rng(0)
    return (
        generator.integers(0, 256, shape, dtype=np.uint8) if whole else generator.random(shape, dtype=np.float32)
    )


def one_by_one(call: Callable[[], Any]) -> Turn:
    """Turns of one call after the other."""

    def turn(seconds: float) -> list[float]:
        end = time.perf_counter() + TURN_WARM_UP * seconds
        while time.perf_counter() < end:
            call()
        taken: list[float] = []
        started = before = time.perf_counter()
        while not taken or before < started + seconds:
            call()
            now = time.perf_counter()
            taken.append(now - before)
            before = now
        return taken

    return turn


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    first = rows[0]
    lines = [f"\n{first['runtime']} {first['precision']} {first['mode']}, {first['threads']} threads"]
    lines.append("| network | size | p5 ms | p50 ms | p95 ms | per second | time / YOLO26n | quartiles |")
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        low, high = row.get("ratio_quartiles", ("", ""))
        lines.append(
            f"| {row['model']} | {row['image_size'][0]} | {row['p5_ms']:.2f} | {row['p50_ms']:.2f} | "
            f"{row['p95_ms']:.2f} | {row['per_second']:.1f} | {row.get('ratio', '')} | {low} to {high} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
