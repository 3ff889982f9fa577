"""How long each stage of detecting takes, on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.image import Image, prepare_image
from sdgasnet.imaging.template import read_input
from sdgasnet.runtime.ahead import run_ahead
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.session import Session, run_all

Item = TypeVar("Item")
WARM_UP_SHARE = 0.2
"""Share of the time that is run before and not counted."""
READ_AHEAD = 8
"""Pictures that are read while the network works, in one thread."""


def time_stages(
    session: Session, files: Sequence[Path], images: Sequence[Image], batch: int, seconds: float
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Time one stage after the other, each on all pictures in turn, one at a time.

    Args:
        session: The model.
        files: Picture files; empty where there are none.
        images: Pictures in memory.
        batch: Size of the batches of the last row, > 1 to have one.
        seconds: Time for each stage.

    Returns:
        Scope, batch size and figures of each: ``read`` (decode a file), ``prepare`` (onto the canvas),
        ``network`` (canvas to raw outputs), ``boxes`` (raw outputs to detections), ``array`` (picture in memory
        to detections), ``file`` (the same from the file).
    """
    detector = Detector(session)
    spec = session.spec
    prepared = [prepare_image(image, spec.image_size) for image in images]
    canvases = [canvas[None] for canvas, _ in prepared]
    raw = [(session.run(canvas), resize_map) for canvas, (_, resize_map) in zip(canvases, prepared, strict=True)]
    threshold = spec.detection.score_threshold
    stages: dict[str, Callable[[], dict[str, float]]] = {
        "read": lambda: time_calls(lambda file: read_input(file, spec.channels, spec.paired), files, seconds),
        "prepare": lambda: time_calls(lambda image: prepare_image(image, spec.image_size), images, seconds),
        "network": lambda: time_calls(session.run, canvases, seconds),
        "boxes": lambda: time_calls(
            lambda said: decode_detections(
                said[0].boxes_xyxy[0], said[0].scores[0], said[1], spec.detection, threshold
            ),
            raw,
            seconds,
        ),
        "array": lambda: time_calls(detector.detect, images, seconds),
        "file": lambda: time_calls(
            lambda file: detector.detect(read_input(file, spec.channels, spec.paired)), files, seconds
        ),
    }
    for scope, measure in stages.items():
        if files or scope not in ("read", "file"):
            yield scope, 1, measure()
    if batch > 1:
        chosen = [canvases[number % len(canvases)] for number in range(batch)]
        figures = time_calls(session.run, [np.concatenate(chosen)], seconds)
        yield "network", batch, {**figures, "per_second": round(figures["per_second"] * batch, 1)}


def time_streams(
    session: Session, files: Sequence[Path], images: Sequence[Image], seconds: float
) -> Iterator[tuple[str, dict[str, float]]]:
    """Count how many pictures pass in a time where several are on their way.

    Args:
        session: The model.
        files: Picture files; empty where there are none.
        images: Pictures in memory.
        seconds: Time for each stage.

    Returns:
        Scope (``network``, ``array``, ``file`` as in :func:`time_stages`) and figures of each.
    """
    detector = Detector(session)
    spec = session.spec
    canvases = [prepare_image(image, spec.image_size)[0][None] for image in images]
    yield "network", count_results(run_all(session, cycle(canvases)), seconds)
    yield "array", count_results(detector.detect_all(cycle(images), batch_size=1), seconds)
    if files:
        reading = run_ahead(lambda file: read_input(file, spec.channels, spec.paired), cycle(files), 1, READ_AHEAD)
        yield "file", count_results(detector.detect_all(reading, batch_size=1), seconds)


def time_calls(work: Callable[[Item], Any], items: Sequence[Item], seconds: float) -> dict[str, float]:
    """Call ``work`` on the items in turn for some seconds.

    Returns:
        ``p50_ms`` and ``p95_ms`` of a call, and calls ``per_second`` over the whole time.

    Examples:
        >>> sorted(time_calls(abs, [1, -1], 0.001))
        ['p50_ms', 'p95_ms', 'per_second']
    """
    turning = cycle(items)
    end = time.perf_counter() + WARM_UP_SHARE * seconds
    while time.perf_counter() < end:
        work(next(turning))
    taken: list[float] = []
    started = time.perf_counter()
    while not taken or time.perf_counter() < started + seconds:
        before = time.perf_counter()
        work(next(turning))
        taken.append(time.perf_counter() - before)
    elapsed = time.perf_counter() - started
    return {**percentiles(taken), "per_second": round(len(taken) / elapsed, 1)}


def count_results(results: Iterable[Any], seconds: float) -> dict[str, float]:
    """Take results for some seconds from an endless supply.

    Returns:
        ``p50_ms`` and ``p95_ms`` between one result and the next, and results ``per_second``.

    Examples:
        >>> sorted(count_results(cycle([1]), 0.001))
        ['p50_ms', 'p95_ms', 'per_second']
    """
    supply = iter(results)
    end = time.perf_counter() + WARM_UP_SHARE * seconds
    while time.perf_counter() < end:
        next(supply)
    started = before = time.perf_counter()
    taken: list[float] = []
    while not taken or before < started + seconds:
        next(supply)
        now = time.perf_counter()
        taken.append(now - before)
        before = now
    return {**percentiles(taken), "per_second": round(len(taken) / (before - started), 1)}


def percentiles(taken: Sequence[float]) -> dict[str, float]:
    """Seconds as ``p50_ms`` and ``p95_ms``."""
    p50, p95 = (float(value) * 1e3 for value in np.percentile(taken, (50, 95)))
    return {"p50_ms": round(p50, 3), "p95_ms": round(p95, 3)}
