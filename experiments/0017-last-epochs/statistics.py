"""AP of trained networks whose batch normalisation has the statistics of other pictures.

    python experiments/0017-last-epochs/statistics.py DATA RUN [RUN ...]

Nothing else of the networks changes: one pass over the training pictures, drawn as each row says, gives exact
means and variances. Prints JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.measure import detect_records
from sdgasnet.models.checkpoint import ModelFile, build_network, read_model
from sdgasnet.models.deploy import normalise
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.detector import Detector
from sdgasnet.training.loader import TrainingSet, collate

BATCH = 32
PLAIN = {"plain_last_epochs": 10**6}
STILL = {"scale": 0.0, "translate": 0.0, "rotate": 0.0, "shear": 0.0, "value": 0.0}
DRAWN: dict[str, dict[str, Any]] = {
    "mosaics": {"plain_last_epochs": 0},
    "mosaics, size kept": {"plain_last_epochs": 0, "scale": 0.0, "translate": 0.0},
    "single pictures, size and place at random": PLAIN,
    "single pictures, size and place kept": {**PLAIN, "scale": 0.0, "translate": 0.0},
    "single pictures as they are measured, but for flips": {**PLAIN, **STILL},
}


def main() -> None:
    data, *runs = map(Path, sys.argv[1:])
    index = load_dataset(data)
    rows: dict[str, list[Any]] = {"as trained": [], **{name: [] for name in DRAWN}}
    for run in runs:
        model = read_model(run / "best.pt")
        rows["as trained"].append(measure(model, index))
        for name, changes in DRAWN.items():
            rows[name].append(measure(with_statistics(model, index, changes), index))
    print(json.dumps({"split": "val", "runs": [run.name for run in runs], "statistics_of": rows}, indent=1))


def with_statistics(model: ModelFile, index: DatasetIndex, changes: dict[str, Any]) -> ModelFile:
    """The model with the means and variances of pictures that are drawn so."""
    augmentation = model.recipe.augmentation.model_copy(update=changes)
    pictures = TrainingSet(
        require_split(index, "train"), model.recipe.model_copy(update={"augmentation": augmentation})
    )
    network = build_network(model)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None  # a mean over all batches
    network.train()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(pictures) - BATCH + 1, BATCH):
            batch = collate([pictures.sample(0, number) for number in range(start, start + BATCH)])
            network(normalise(batch.images))
    return replace(model, weights=network.state_dict())


def measure(model: ModelFile, index: DatasetIndex) -> dict[str, float | None]:
    """AP50 and AP on val."""
    records = require_split(index, "val")
    found = detect_records(Detector(TorchSession(model, "statistics")), records, lambda *_: None)
    measured = compute_average_precision(found, [record.objects for record in records], index.class_names)
    return {"AP50": measured.AP50, "AP": measured.AP}


if __name__ == "__main__":
    main()
