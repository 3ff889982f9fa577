"""Figures of networks on val, and of the mean of their weights.

    python experiments/0022-averaged-weights/measure.py DATA RUN RUN [RUN ...]

Prints JSON: how each run was trained, AP50, AP and AP75 of each, of what they were trained on from and of the mean
of all, and how much better the mean is, with 95 % of 1000 resamples of pictures (and of networks, where there are
several).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation.bootstrap import (
    SampledPrecision,
    compute_paired_interval,
    draw_pictures,
    match_classes,
    sample_average_precision,
)
from sdgasnet.evaluation.environment import describe_hardware
from sdgasnet.evaluation.measure import Measurement, measure
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.models.averaging import average_models
from sdgasnet.models.checkpoint import ModelFile, read_model
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.detector import Detector


def main() -> None:
    index = load_dataset(Path(sys.argv[1]))
    paths = [Path(name) for name in sys.argv[2:]]
    models = [read_model(path) for path in paths]
    weights = str(models[0].recipe.weights)
    start = detect(read_model(Path(weights)), index)
    networks = [detect(model, index) for model in models]
    mean = detect(average_models(models, sys.argv[2:]), index)
    rows = {
        path.name: {**how_trained(model), **figures(measured)}
        for path, model, measured in zip(paths, models, networks, strict=True)
    }
    found = {
        "split": "val",
        "commit": describe_commit(),
        "hardware": describe_hardware(),
        "start": {"name": Path(weights).name, **figures(start)},
        "networks": rows,
        "mean of their figures": {
            key: fmean(float(figures(one)[key] or 0.0) for one in networks) for key in figures(mean)
        },
        "mean of the weights": figures(mean),
        "against the networks": compare(mean, networks),
        "against the start": compare(mean, [start]),
    }
    print(json.dumps(found, indent=1))


def how_trained(model: ModelFile) -> dict[str, object]:
    training, weights = model.recipe.training, model.recipe.weights
    return {
        "weights": Path(weights).name if weights else None,
        "seed": training.seed,
        "epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "plain_last_epochs": model.recipe.augmentation.plain_last_epochs,
    }


def detect(model: ModelFile, index: DatasetIndex) -> Measurement:
    detector = Detector(TorchSession(model, "network"))
    return measure(detector, require_split(index, "val"), index.class_names)


def figures(measured: Measurement) -> dict[str, float | None]:
    found = measured.average_precision
    return {"AP50": found.AP50, "AP": found.AP, "AP75": found.AP75}


def compare(mean: Measurement, others: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """Mean difference with its interval, paired by picture."""
    one, rest = resample(mean), [resample(other) for other in others]
    compared = {}
    for key in ("AP50", "AP"):
        interval = compute_paired_interval([getattr(one, key)] * len(rest), [getattr(two, key) for two in rest])
        assert interval is not None
        difference = fmean(float(figures(mean)[key] or 0.0) - float(figures(two)[key] or 0.0) for two in others)
        compared[key] = {"difference": difference, "low": interval.low, "high": interval.high}
    return compared


def resample(measured: Measurement) -> SampledPrecision:
    classes = match_classes(
        measured.detections, [record.objects for record in measured.records], len(measured.class_names)
    )
    return sample_average_precision(classes, draw_pictures(len(measured.records)))


if __name__ == "__main__":
    main()
