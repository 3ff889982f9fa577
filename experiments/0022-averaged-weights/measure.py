"""Figures of networks on val, and of the mean of their weights.

    python experiments/0022-averaged-weights/measure.py DATA RUN RUN [RUN ...]

Runs that were trained on from one network are a group, and each group has its mean of weights. Prints JSON: how
each run was trained, AP50, AP and AP75 of each, of what it was trained on from and of the mean, and how much
better the means are, with 95 % of 1000 resamples of pictures (and of networks or groups, where there are several).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

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


class Group(NamedTuple):
    """Networks of one start, measured."""

    start: Measurement
    runs: dict[str, ModelFile]
    networks: list[Measurement]
    mean: Measurement


def main() -> None:
    index = load_dataset(Path(sys.argv[1]))
    starts: dict[str, dict[str, ModelFile]] = {}
    for name in sys.argv[2:]:
        model = read_model(Path(name))
        starts.setdefault(str(model.recipe.weights), {})[name] = model
    groups = {name_of(weights): measure_group(weights, runs, index) for weights, runs in starts.items()}
    found = {
        "split": "val",
        "commit": describe_commit(),
        "hardware": describe_hardware(),
        "groups": {name: describe(group) for name, group in groups.items()},
    }
    if len(groups) > 1:
        found["all groups"] = compare_groups(list(groups.values()))
    print(json.dumps(found, indent=1))


def measure_group(weights: str, runs: dict[str, ModelFile], index: DatasetIndex) -> Group:
    return Group(
        start=detect(read_model(Path(weights)), index),
        runs=runs,
        networks=[detect(model, index) for model in runs.values()],
        mean=detect(average_models(list(runs.values()), list(runs)), index),
    )


def detect(model: ModelFile, index: DatasetIndex) -> Measurement:
    detector = Detector(TorchSession(model, "network"))
    return measure(detector, require_split(index, "val"), index.class_names)


def describe(group: Group) -> dict[str, object]:
    return {
        "start": figures(group.start),
        "networks": {
            Path(name).name: {**how_trained(model), **figures(measured)}
            for (name, model), measured in zip(group.runs.items(), group.networks, strict=True)
        },
        "mean of their figures": over(fmean, group.networks),
        "mean of the weights": figures(group.mean),
        "against the networks": compare([group.mean] * len(group.networks), group.networks),
        "against the start": compare([group.mean], [group.start]),
    }


def compare_groups(groups: Sequence[Group]) -> dict[str, object]:
    """Over groups: mean and standard deviation of the means of weights, and how much better they are."""
    means, starts = [group.mean for group in groups], [group.start for group in groups]
    return {
        "starts, mean": over(fmean, starts),
        "starts, standard deviation": over(stdev, starts),
        "means of the weights, mean": over(fmean, means),
        "means of the weights, standard deviation": over(stdev, means),
        "against the starts": compare(means, starts),
    }


def how_trained(model: ModelFile) -> dict[str, object]:
    training = model.recipe.training
    return {
        "seed": training.seed,
        "epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "plain_last_epochs": model.recipe.augmentation.plain_last_epochs,
    }


def name_of(weights: str) -> str:
    """The run of a start, or the name of its file."""
    path = Path(weights)
    return path.parent.name if path.name in ("best.pt", "last.pt") else path.name


def figures(measured: Measurement) -> dict[str, float]:
    found = measured.average_precision
    return {"AP50": found.AP50 or 0.0, "AP": found.AP or 0.0, "AP75": found.AP75 or 0.0}


def over(statistic: Callable[[Sequence[float]], float], measured: Sequence[Measurement]) -> dict[str, float]:
    return {key: statistic([figures(one)[key] for one in measured]) for key in ("AP50", "AP", "AP75")}


def compare(those: Sequence[Measurement], others: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """Mean difference between pairs with its interval, paired by picture."""
    one, two = [resample(measured) for measured in those], [resample(measured) for measured in others]
    compared = {}
    for key in ("AP50", "AP"):
        interval = compute_paired_interval([getattr(x, key) for x in one], [getattr(x, key) for x in two])
        assert interval is not None
        difference = over(fmean, those)[key] - over(fmean, others)[key]
        compared[key] = {"difference": difference, "low": interval.low, "high": interval.high}
    return compared


@cache
def resample(measured: Measurement) -> SampledPrecision:
    classes = match_classes(
        measured.detections, [record.objects for record in measured.records], len(measured.class_names)
    )
    return sample_average_precision(classes, draw_pictures(len(measured.records)))


if __name__ == "__main__":
    main()
