"""Detections of a whole split as a file, so that detectors can be compared picture by picture later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdgasnet.errors import DataError
from sdgasnet.imaging.detections import Detections
from sdgasnet.output import write_text

BOX_DECIMALS = 2
"""A hundredth of a pixel."""
SCORE_DECIMALS = 6


@dataclass(frozen=True, slots=True, eq=False)
class SplitDetections:
    """What a detector found in the pictures of a split, down to the score floor.

    Attributes:
        class_names: Names of the labels.
        pictures: Name of a picture, as in the index -> detections.
    """

    class_names: tuple[str, ...]
    pictures: dict[str, Detections]


def write_detections(
    path: Path, class_names: Sequence[str], names: Sequence[str], detections: Sequence[Detections]
) -> None:
    """Write ``detections.json``; boxes are rounded to 0.01 pixels, scores to a millionth.

    Args:
        path: The file.
        class_names: Names of the labels.
        names: Of the pictures, as in the index.
        detections: One value a picture, in the same order.

    Raises:
        OutputError: It can't be written.
    """
    pictures = {
        name: {
            "size": list(found.source_size),
            "boxes_xyxy": [[round(side, BOX_DECIMALS) for side in box] for box in found.boxes_xyxy.tolist()],
            "scores": [round(score, SCORE_DECIMALS) for score in found.scores.tolist()],
            "labels": found.labels.tolist(),
        }
        for name, found in zip(names, detections, strict=True)
    }
    document = {"class_names": list(class_names), "pictures": pictures}
    write_text(path, json.dumps(document, separators=(",", ":")) + "\n")


def read_detections(path: Path) -> SplitDetections:
    """Read what :func:`write_detections` wrote.

    Raises:
        DataError: The file is missing or not of that kind.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        pictures = {
            name: Detections(
                np.array(found["boxes_xyxy"], dtype=np.float32).reshape(-1, 4),
                np.array(found["scores"], dtype=np.float32),
                np.array(found["labels"], dtype=np.int64),
                (int(found["size"][0]), int(found["size"][1])),
            )
            for name, found in document["pictures"].items()
        }
        return SplitDetections(tuple(document["class_names"]), pictures)
    except OSError as error:
        raise DataError(
            f"{path} can't be read: {error.strerror or error}. A finished training writes it."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{path} holds no detections of a split: {error!r}. Measure again to write it.") from None
