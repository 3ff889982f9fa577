"""What ``sdgasnet tune`` found for a bundle on a computer: a small file beside the bundle."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sdgasnet.errors import ModelError
from sdgasnet.output import write_text
from sdgasnet.runtime.bundle import ARCHIVE_SUFFIX, Bundle
from sdgasnet.runtime.deployment import ANY_THREADS, Deployment, Purpose, Runtime, default_deployment
from sdgasnet.runtime.host import count_cores, describe_processor
from sdgasnet.runtime.manifest import ComputePrecision

SUFFIX = ".tuned.json"


class Tuned(BaseModel):
    """The fastest ways to run a bundle on a computer.

    Attributes:
        bundle: Digest of the bundle.
        processor: Of the computer.
        cores: Of the computer.
        latency: Fastest for one picture.
        throughput: Fastest for many.
        rows: Everything that was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    processor: str
    cores: int
    latency: Deployment
    throughput: Deployment
    rows: list[dict[str, Any]]


def tuned_file(bundle_path: Path) -> Path:
    """Where the file lies: beside the bundle.

    Examples:
        >>> tuned_file(Path("models/steel.sdg")).name, tuned_file(Path("models/steel")).name
        ('steel.tuned.json', 'steel.tuned.json')
    """
    stem = bundle_path.stem if bundle_path.suffix == ARCHIVE_SUFFIX else bundle_path.name
    return bundle_path.with_name(stem + SUFFIX)


def write_tuned(bundle: Bundle, latency: Deployment, throughput: Deployment, rows: list[dict[str, Any]]) -> Path:
    """Keep what was found for this computer.

    Returns:
        The file.

    Raises:
        OutputError: It can't be written.
    """
    found = {
        "bundle": bundle.digest,
        "processor": describe_processor(),
        "cores": count_cores(),
        "latency": asdict(latency),
        "throughput": asdict(throughput),
        "rows": rows,
    }
    path = tuned_file(bundle.path)
    write_text(path, json.dumps(found, indent=1) + "\n")
    return path


def read_tuned(bundle: Bundle) -> Tuned | None:
    """What was found for this bundle on this computer; None where nothing was, or for others.

    Raises:
        ModelError: The file is damaged.
    """
    path = tuned_file(bundle.path)
    if not path.is_file():
        return None
    try:
        tuned = Tuned.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise ModelError(f"{path} is damaged. Remove it, or write it anew: sdgasnet tune {bundle.path}") from None
    here = (bundle.digest, describe_processor(), count_cores())
    return tuned if (tuned.bundle, tuned.processor, tuned.cores) == here else None


def choose_deployment(
    bundle: Bundle,
    purpose: Purpose,
    runtime: Runtime | Literal["auto"] = "auto",
    precision: ComputePrecision | Literal["auto"] = "auto",
    threads: int = ANY_THREADS,
) -> Deployment:
    """What was asked for, and for the rest what was found here or is a good guess.

    Args:
        bundle: The bundle.
        purpose: What it is opened for.
        runtime: ``auto`` leaves the choice.
        precision: ``auto`` leaves the choice.
        threads: :data:`ANY_THREADS` leaves the choice.
    """
    guess = default_deployment(bundle, purpose, runtime)
    tuned = read_tuned(bundle)
    chosen: Deployment = getattr(tuned, purpose) if tuned is not None else guess
    if runtime not in ("auto", chosen.runtime):
        chosen = guess
    if precision != "auto":
        chosen = replace(chosen, precision=precision)
    if threads != ANY_THREADS:
        chosen = replace(chosen, threads=threads, streams=min(chosen.streams, threads))
    return chosen
