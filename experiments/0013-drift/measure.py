"""How soon the drift watch notices what happens to a camera, and how often it is wrong.

Usage: python experiments/0013-drift/measure.py DATA_ROOT [--out results.json]
DATA_ROOT holds neu-det, deeppcb, textile and pku-pcb. The val part of each set is cut into halves at random: one
is the baseline, streams are drawn from the other, changed from the first picture on.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DriftConfig
from sdgasnet.data.index import load_dataset
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.evaluation.drift import STREAMS, Chart, count_alarms, fit_baseline, measure_novelty
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.export.build import build_bundle
from sdgasnet.imaging.image import Image, read_image
from sdgasnet.models.checkpoint import read_model
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.deployment import Deployment, open_session
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.drift import DriftBaseline, DriftWatch, EmbeddingSpace, measure_picture

SETS = {"neu-det": "steel", "deeppcb": "board", "textile": "textile", "pku-pcb": "board"}
"""Set -> packaged model."""
OTHER_SURFACE = {"neu-det": "cast", "deeppcb": "textile", "textile": "steel", "pku-pcb": "textile"}
"""Set -> generated surface that comes to the line instead."""
OTHER_PICTURES = 60
WITHIN = 200
STREAMS_A_CHANGE = 200
LONG = 20_000
"""Longest stream without a change."""
QUIET_STREAMS = 50
HALVINGS = 3
VERIFY_STEPS = 2000
"""Times the number of streams: a million draws."""


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    arguments = parser.parse_args()
    sets = {}
    for name, model in SETS.items():
        sets[name] = measure_set(arguments.data / name, model, OTHER_SURFACE[name])
        print(name, json.dumps(sets[name], indent=1), flush=True)
    document = {
        "settings": DriftConfig().model_dump(),
        "sets": sets,
        "hardware": describe_hardware(),
        "versions": describe_versions(),
        "commit": describe_commit(),
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def dimmer(image: Image) -> Image:
    """A lamp that gives 15 % less light."""
    return (image * 0.85 + 0.5).astype(image.dtype)


def defocused(image: Image) -> Image:
    """A Gaussian blur of one pixel."""
    return cv2.GaussianBlur(image, (0, 0), 1.0).reshape(image.shape).astype(image.dtype)


def turned(image: Image) -> Image:
    """The camera by 90 degrees."""
    return np.ascontiguousarray(np.rot90(image))


CHANGES: dict[str, Callable[[Image], Image]] = {
    "lamp 15 % dimmer": dimmer,
    "defocus, sigma 1 px": defocused,
    "turned by 90 degrees": turned,
}


def measure_set(path: Path, model: str, other: Any) -> dict[str, Any]:
    """Baselines from halves, streams from the other halves."""
    bundle = Bundle(Path(model), *build_bundle(read_model(Path(model)), model, 8))
    detector = Detector(open_session(bundle, Deployment("onnxruntime", "fp32", 1, 1)))
    records = load_dataset(path).splits["val"]
    images = [read_image(record.path, detector.spec.channels) for record in records]
    size = images[0].shape[:2]
    strange = [generate_surface(other, size, 11, number, 0.5).image for number in range(OTHER_PICTURES)]
    strange = [image.reshape(*size, 1) for image in strange]
    seen = {"nothing": look(detector, images), "new texture": look(detector, strange)}
    for change, apply in CHANGES.items():
        seen[change] = look(detector, [apply(image) for image in images])
    halvings = [measure_halving(seen, len(images), seed) for seed in range(HALVINGS)]
    return {"model": model, "pictures": len(images), "new_texture": f"generated {other}", "halvings": halvings}


Seen = tuple[NDArray[np.float64], NDArray[np.float32]]


def look(detector: Detector, images: Sequence[Image]) -> Seen:
    """Statistics without novelty, and embeddings."""
    threshold = detector.spec.detection.score_threshold
    found = list(detector.inspect_all(images, 8))
    values = [measure_picture(image, one, threshold, None) for image, one in zip(images, found, strict=True)]
    return np.array(values), np.stack([one.embedding for one in found])


def measure_halving(seen: dict[str, Seen], pictures: int, seed: int) -> dict[str, Any]:
    """One cut into baseline and streams."""
    order = np.random.default_rng(seed).permutation(pictures)
    known, held_out = order[: pictures // 2], order[pictures // 2 :]
    values, embeddings = seen["nothing"]
    baseline = fit_baseline(values[known], embeddings[known], ("onnxruntime", "fp32"), DriftConfig())
    rng = np.random.default_rng(100 + seed)
    changes = {}
    for change, (shown, vectors) in seen.items():
        stream = shown if change == "new texture" else shown[held_out]
        stream = stream.copy()
        stream[:, -1] = space_of(baseline).novelty(vectors if change == "new texture" else vectors[held_out])
        if change == "nothing":
            continue
        changes[change] = wait_for_alarms(baseline, stream, rng)
    quiet = values[held_out].copy()
    quiet[:, -1] = space_of(baseline).novelty(embeddings[held_out])
    return {
        "baseline_pictures": len(known),
        "limit": baseline.limit,
        "reference": baseline.reference,
        "stated_usual_rate": baseline.usual_rate,
        "changes": changes,
        "pictures_per_false_alarm_drawn_from_baseline": verify(values[known], embeddings[known], baseline, rng),
        "pictures_per_false_alarm_drawn_from_other_half": run_quietly(baseline, quiet, rng),
    }


def space_of(baseline: DriftBaseline) -> EmbeddingSpace:
    """Where embeddings of the baseline lie."""
    return EmbeddingSpace(np.array(baseline.embedding_mean), np.array(baseline.embedding_axes))


def wait_for_alarms(
    baseline: DriftBaseline, stream: NDArray[np.float64], rng: np.random.Generator
) -> dict[str, Any]:
    """Pictures until the first alarm, over random streams."""
    waited, first = [], Counter[str]()
    for _ in range(STREAMS_A_CHANGE):
        watch = DriftWatch(baseline)
        for number, row in enumerate(rng.integers(len(stream), size=10 * WITHIN), start=1):
            if alarms := watch.update_values(stream[row]):
                waited.append(number)
                first.update([f"{alarms[0].statistic} {alarms[0].direction}"])
                break
        else:
            waited.append(10 * WITHIN)
    return {
        "median": float(np.median(waited)),
        "slowest": int(max(waited)),
        "within_200": float(np.mean(np.array(waited) <= WITHIN)),
        "first": dict(first.most_common(3)),
    }


def verify(
    values: NDArray[np.float64], embeddings: NDArray[np.float32], baseline: DriftBaseline, rng: np.random.Generator
) -> float:
    """A million pictures drawn from the baseline, in streams that start anew after an alarm."""
    # As the limit was set: the novelty of each picture among the others.
    seeded = np.random.default_rng(DriftConfig().seed)
    values = values.copy()
    values[:, -1] = measure_novelty(embeddings, DriftConfig().embedding_axes, seeded)
    steps = Chart.of(values, baseline.reference).steps(values)
    return STREAMS * VERIFY_STEPS / max(1, count_alarms(steps, baseline.limit, VERIFY_STEPS, rng))


def run_quietly(baseline: DriftBaseline, stream: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Pictures until a false alarm on the average, on pictures that the baseline does not hold."""
    waited = []
    for _ in range(QUIET_STREAMS):
        watch = DriftWatch(baseline)
        rows = rng.integers(len(stream), size=LONG)
        waited.append(next((n for n, row in enumerate(rows, start=1) if watch.update_values(stream[row])), LONG))
    return float(np.mean(waited))


if __name__ == "__main__":
    main()
