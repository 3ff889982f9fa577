"""How a bundle runs on a computer: runtime, precision, threads, streams."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

from sdgasnet.errors import MissingExtraError, ModelError
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.host import count_cores
from sdgasnet.runtime.manifest import ComputePrecision
from sdgasnet.runtime.session import Session

Runtime = Literal["onnxruntime", "openvino"]
Purpose = Literal["latency", "throughput"]
"""One picture as soon as possible, or as many as possible."""
ANY_THREADS = 0
"""Leaves the number of threads to what was tuned, or to the number of cores."""
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)


@dataclass(frozen=True)
class Deployment:
    """Settings of a computer, not of a model.

    Attributes:
        runtime: What runs the graph.
        precision: What it is computed in.
        threads: Of all streams together, >= 1.
        streams: Pictures at a time, >= 1.
    """

    runtime: Runtime
    precision: ComputePrecision
    threads: int
    streams: int

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}, {self.threads} threads, {self.streams} streams"


def is_installed(runtime: Runtime) -> bool:
    """Whether a runtime can be imported here."""
    return find_spec(runtime) is not None


def default_deployment(
    bundle: Bundle, purpose: Purpose, runtime: Runtime | Literal["auto"] = "auto"
) -> Deployment:
    """What runs where nothing was measured: all cores, and the first way that the parity gate did not refuse.

    OpenVINO if it is installed, before ONNX Runtime; the bundle's own precision, before float. If all were
    refused, the bundle was exported by force, and the first of them runs.

    Args:
        bundle: The bundle.
        purpose: What it is opened for.
        runtime: ``auto`` leaves the choice.
    """
    cores = count_cores()
    own = bundle.manifest.precision
    # fp16 is made for GPUs; a processor is slower with it than in float.
    precisions: tuple[ComputePrecision, ...] = ("fp32",) if own == "fp16" else (own, "fp32")
    installed: tuple[Runtime, ...] = ("openvino", "onnxruntime") if is_installed("openvino") else ("onnxruntime",)
    runtimes = installed if runtime == "auto" else (runtime,)
    ways = [(name, precision) for precision in precisions for name in runtimes]
    chosen, computed = next((way for way in ways if " ".join(way) not in bundle.manifest.refused), ways[0])
    return Deployment(chosen, computed, cores, cores if purpose == "throughput" else 1)


def list_precisions(bundle: Bundle, runtime: Runtime) -> list[ComputePrecision]:
    """What a runtime can compute a bundle in on a processor, without what the parity gate refused."""
    known: list[ComputePrecision] = [name for name in bundle.manifest.graphs if name != "fp16"]
    if runtime == "openvino":
        known.append("bf16")
    return [name for name in known if f"{runtime} {name}" not in bundle.manifest.refused]


def open_session(bundle: Bundle, deployment: Deployment) -> Session:
    """A bundle in a runtime.

    Raises:
        MissingExtraError: The runtime is not installed.
        ModelError: The bundle has no graph of the precision, or it can't be loaded.
    """
    if not is_installed(deployment.runtime):
        raise MissingExtraError("openvino", f"Opening {bundle.path} with OpenVINO")
    if deployment.runtime == "openvino":
        from sdgasnet.runtime.openvino_session import OpenVINOSession

        return OpenVINOSession(bundle, deployment.threads, deployment.precision, deployment.streams)
    if deployment.precision == "bf16":
        raise ModelError("ONNX Runtime does not compute in bf16; use --runtime openvino, or another --precision.")
    from sdgasnet.runtime.onnxruntime_session import OnnxRuntimeSession

    return OnnxRuntimeSession(bundle, deployment.threads, deployment.precision, deployment.streams)
