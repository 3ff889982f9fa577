"""Figures of networks on val, and of the mean of their weights.

    python experiments/0022-averaged-weights/measure.py DATA RUN RUN [RUN ...]

Prints JSON: how each run was trained, AP50, AP and AP75 of each, and of the mean of all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation.environment import describe_hardware
from sdgasnet.evaluation.measure import measure
from sdgasnet.models.averaging import average_models
from sdgasnet.models.checkpoint import ModelFile, read_model
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.detector import Detector


def main() -> None:
    index = load_dataset(Path(sys.argv[1]))
    paths = [Path(name) for name in sys.argv[2:]]
    models = [read_model(path) for path in paths]
    mean = average_models(models, sys.argv[2:])
    rows = {
        path.name: {**how_trained(model), **figures(model, index)}
        for path, model in zip(paths, models, strict=True)
    }
    rows["mean of the weights"] = figures(mean, index)
    print(json.dumps({"split": "val", "hardware": describe_hardware(), "rows": rows}, indent=1))


def how_trained(model: ModelFile) -> dict[str, object]:
    training, weights = model.recipe.training, model.recipe.weights
    return {
        "weights": Path(weights).name if weights else None,
        "seed": training.seed,
        "epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "plain_last_epochs": model.recipe.augmentation.plain_last_epochs,
    }


def figures(model: ModelFile, index: DatasetIndex) -> dict[str, float | None]:
    detector = Detector(TorchSession(model, "network"))
    found = measure(detector, require_split(index, "val"), index.class_names).average_precision
    return {"AP50": found.AP50, "AP": found.AP, "AP75": found.AP75}


if __name__ == "__main__":
    main()
