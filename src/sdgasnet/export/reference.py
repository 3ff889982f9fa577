"""Golden vectors: pictures with everything that comes of them, for hosts in other languages."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.evaluation.golden import REFERENCE_FOLDER
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.image import Channels, Image, prepare_image
from sdgasnet.imaging.template import as_input
from sdgasnet.runtime.results import to_objects
from sdgasnet.runtime.session import Session

PICTURES = 3
SURFACES = ("steel", "textile", "cast")
SIZES = ((200, 200), (120, 300), (333, 217))
"""Square, wide and tall, so that the letterbox is seen on all sides."""


def reference_pictures(channels: Channels, paired: bool) -> list[Image]:
    """Generated pictures ``(H, W, C)`` uint8 of different shapes."""
    pictures = []
    for index, (surface, size) in enumerate(zip(SURFACES, SIZES, strict=True)):
        grey = generate_surface(surface, size, seed=2025, index=index, good_share=0.0).image  # type: ignore[arg-type]
        pictures.append(as_input(grey, channels, paired))
    return pictures


def build_reference(session: Session, pictures: Sequence[Image]) -> dict[str, bytes]:
    """Files of ``reference/``: each picture, its canvas, the raw outputs, and the detections over the floor.

    Args:
        session: The reference, torch in float32.
        pictures: ``(H, W, C)`` uint8.

    Returns:
        Name -> content: PNG, .npy (little endian, C order) and JSON.
    """
    spec, files = session.spec, {}
    for number, picture in enumerate(pictures):
        canvas, resize_map = prepare_image(picture, spec.image_size)
        outputs = session.run(canvas[None])
        boxes, scores = outputs.boxes_xyxy[0], outputs.scores[0]
        found = decode_detections(boxes, scores, resize_map, spec.detection, spec.detection.score_floor)
        place = f"{REFERENCE_FOLDER}/{number}"
        files[f"{place}/picture.png"] = _png(picture)
        files[f"{place}/canvas.npy"] = _npy(canvas[None])
        for name, array in outputs._asdict().items():
            files[f"{place}/{name}.npy"] = _npy(array)
        detections = {
            "score_floor": spec.detection.score_floor,
            "detections": to_objects(found, spec.class_names),
        }
        files[f"{place}/detections.json"] = (json.dumps(detections, indent=1) + "\n").encode()
    return files


def _png(picture: Image) -> bytes:
    stored = picture if picture.shape[2] == 1 else picture[:, :, ::-1]
    return bytes(cv2.imencode(".png", stored)[1].tobytes())


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
