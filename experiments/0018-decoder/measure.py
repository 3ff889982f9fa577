"""AP of trained networks under other settings of the decoder, from one pass over val for each.

    python experiments/0018-decoder/measure.py MODEL=DATA [MODEL=DATA ...]

MODEL is a run folder, a model file or the name of a packaged detector. Prints JSON: AP50, AP and AP75 by
`iou_threshold` and `averaging_iou`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.environment import describe_hardware
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.geometry import ResizeMap
from sdgasnet.imaging.image import prepare_image, read_image
from sdgasnet.models.checkpoint import read_model
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.session import RawOutputs, Session

IOU_THRESHOLDS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
AVERAGING_IOUS = (1.0, 0.8, 0.7, 0.6, 0.5)


def main() -> None:
    models = {}
    for pair in sys.argv[1:]:
        model, data = map(Path, pair.split("=", 1))
        models[model.name] = measure_rows(TorchSession(read_model(model), model.name), load_dataset(data))
        print(model.name, "measured", file=sys.stderr)
    print(json.dumps({"split": "val", "hardware": describe_hardware(), "models": models}, indent=1))


def measure_rows(session: Session, index: DatasetIndex) -> list[dict[str, Any]]:
    """AP of every pair of settings."""
    records = require_split(index, "val")
    truth = [record.objects for record in records]
    raw = [run_picture(session, record.path) for record in records]
    rows = []
    for iou_threshold in IOU_THRESHOLDS:
        for averaging_iou in AVERAGING_IOUS:
            settings = DetectionConfig(iou_threshold=iou_threshold, averaging_iou=averaging_iou)
            found = tuple(
                decode_detections(said.boxes_xyxy[0], said.scores[0], resize_map, settings, settings.score_floor)
                for said, resize_map in raw
            )
            measured = compute_average_precision(found, truth, index.class_names)
            figures = {"AP50": measured.AP50, "AP": measured.AP, "AP75": measured.AP75}
            rows.append({"iou_threshold": iou_threshold, "averaging_iou": averaging_iou, **figures})
    return rows


def run_picture(session: Session, path: Path) -> tuple[RawOutputs, ResizeMap]:
    """Raw outputs of one picture, and how it lay on the canvas."""
    canvas, resize_map = prepare_image(read_image(path, session.spec.channels), session.spec.image_size)
    return session.run(canvas[None]), resize_map


if __name__ == "__main__":
    main()
