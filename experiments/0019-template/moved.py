"""AP where templates lie elsewhere and are registered: python moved.py RUN SET TEMPLATES PLACE

RUN is a network of pairs, SET the pictures alone. The templates of its val pictures are moved, turned and
stretched at random, by more from row to row, and registered as at the line; nothing is found in a picture that is
refused. Prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from registration import DISPLACEMENTS, displacement

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.templates import find_templates
from sdgasnet.errors import ImageError
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.image import read_image
from sdgasnet.imaging.template import pair_with_template
from sdgasnet.models.session import load_detector


def main() -> None:
    run, data, folder, place = sys.argv[1:]
    detector, index = load_detector(Path(run)), load_dataset(Path(data))
    templates, records = find_templates(Path(folder), place), require_split(index, "val")
    floor = detector.spec.detection.score_floor
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), (1, 1))
    rows = []
    for pixels, degrees, stretch in ((0, 0.0, 0.0), *DISPLACEMENTS):
        rng = np.random.default_rng(0)
        found, refused = [], 0
        for record in records:
            picture, template = read_image(record.path, 1), read_image(templates.of(record.path), 1)
            truth = displacement(template, *(rng.uniform(-1, 1, 4) * (pixels, pixels, degrees, stretch)))
            size = template.shape[1], template.shape[0]
            seen = cv2.warpAffine(template, truth, size, borderMode=cv2.BORDER_REPLICATE).reshape(template.shape)
            try:
                found.append(detector.detect(pair_with_template(picture, seen), floor))
            except ImageError:
                refused += 1
                found.append(nothing)
        measured = compute_average_precision(found, [one.objects for one in records], index.class_names)
        rows.append(
            {
                "moved_up_to_pixels": pixels,
                "turned_up_to_degrees": degrees,
                "stretched_up_to": stretch,
                "refused": refused,
                "AP50": measured.AP50,
                "AP": measured.AP,
            }
        )
        print(rows[-1], file=sys.stderr)
    print(json.dumps({"split": "val", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
