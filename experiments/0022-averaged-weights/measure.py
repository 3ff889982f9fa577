"""Figures of networks on val, and of the mean of their weights.

    python experiments/0022-averaged-weights/measure.py DATA MODEL MODEL [MODEL ...]

MODEL is a run folder, a model file or the name of a packaged detector. Prints JSON: AP50, AP and AP75 of each, and
of the mean of all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.environment import describe_hardware
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.image import prepare_image, read_image
from sdgasnet.models.averaging import average_models
from sdgasnet.models.checkpoint import ModelFile, read_model
from sdgasnet.models.session import TorchSession


def main() -> None:
    index = load_dataset(Path(sys.argv[1]))
    names = sys.argv[2:]
    models = [read_model(Path(name)) for name in names]
    labels = [Path(name).parent.name if name.endswith(".pt") else Path(name).name for name in names]
    rows = {label: measure(model, index) for label, model in zip(labels, models, strict=True)}
    rows["mean of all"] = measure(average_models(models, names), index)
    print(json.dumps({"split": "val", "hardware": describe_hardware(), "rows": rows}, indent=1))


def measure(model: ModelFile, index: DatasetIndex) -> dict[str, float | None]:
    """AP of a network on val with the decoder of its recipe."""
    records = require_split(index, "val")
    session = TorchSession(model, "network")
    settings = model.recipe.detection
    found = []
    for record in records:
        canvas, resize_map = prepare_image(read_image(record.path, session.spec.channels), session.spec.image_size)
        said = session.run(canvas[None])
        found.append(
            decode_detections(said.boxes_xyxy[0], said.scores[0], resize_map, settings, settings.score_floor)
        )
    measured = compute_average_precision(found, [record.objects for record in records], index.class_names)
    return {"AP50": measured.AP50, "AP": measured.AP, "AP75": measured.AP75}


if __name__ == "__main__":
    main()
