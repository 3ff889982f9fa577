"""How well templates are found: python registration.py SET TEMPLATES PLACE

Registers the val pictures of SET with their templates, with templates of other places, and with templates that a
camera sees elsewhere: moved, turned and stretched at random, by more from row to row. Prints JSON. An error is the
farthest distance, over four corners 20 pixels inside, from where the template lies after its own registration.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.index import load_dataset, require_split
from sdgasnet.data.templates import find_templates
from sdgasnet.evaluation.environment import describe_hardware
from sdgasnet.imaging.image import Image, read_image
from sdgasnet.imaging.template import LEAST_CORRELATION, lies_on, register

DISPLACEMENTS = ((5, 0.5, 0.002), (20, 1.0, 0.01), (40, 2.0, 0.02), (60, 3.0, 0.03), (80, 5.0, 0.05))
"""Largest movement in pixels, turn in degrees, stretch of the width."""
OTHER = 37
"""A wrong template is that of so many pictures later."""
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


def main() -> None:
    data, folder, place = sys.argv[1:]
    templates = find_templates(Path(folder), place)
    records = require_split(load_dataset(Path(data)), "val")
    pairs = [(read_image(one.path, 1), read_image(templates.of(one.path), 1)) for one in records]
    cv2.setNumThreads(1)
    started = time.perf_counter()
    found = [register(picture, template) for picture, template in pairs]
    milliseconds = 1000 * (time.perf_counter() - started) / len(pairs)
    plain = [lies_on(*pair) for pair in pairs]
    own = [correlation for _, correlation in found]
    wrong = [register(pairs[n][0], pairs[(n + OTHER) % len(pairs)][1])[1] for n in range(len(pairs))]
    rows = [measure_displaced(pairs, found, *most) for most in DISPLACEMENTS]
    document = {
        "split": "val",
        "pictures": len(pairs),
        "hardware": describe_hardware(),
        "milliseconds_a_picture_on_one_thread": round(milliseconds, 1),
        "quantiles": QUANTILES,
        "correlation_of_pairs": quantiles(own),
        "pairs_below_the_limit": sum(one < LEAST_CORRELATION for one in own),
        "of_them_taken_as_they_lie": sum(
            one < LEAST_CORRELATION and lies for one, lies in zip(own, plain, strict=True)
        ),
        "correlation_with_templates_of_other_places": quantiles(wrong),
        "other_places_above_the_limit": sum(one >= LEAST_CORRELATION for one in wrong),
        "displaced": rows,
    }
    print(json.dumps(document, indent=1))


def measure_displaced(
    pairs: list[tuple[Image, Image]],
    found: list[tuple[NDArray[np.float32], float]],
    pixels: float,
    degrees: float,
    stretch: float,
) -> dict[str, Any]:
    """Errors with templates that a camera sees elsewhere; pictures too plain to be registered are left out."""
    rng = np.random.default_rng(0)
    errors, refused = [], 0
    for (picture, template), (own, correlation) in zip(pairs, found, strict=True):
        if correlation < LEAST_CORRELATION:
            continue
        truth = displacement(template, *(rng.uniform(-1, 1, 4) * (pixels, pixels, degrees, stretch)))
        size = template.shape[1], template.shape[0]
        seen = cv2.warpAffine(template, truth, size, borderMode=cv2.BORDER_REPLICATE).reshape(template.shape)
        matrix, correlation = register(picture, seen)
        if correlation < LEAST_CORRELATION:
            refused += 1
            continue
        height, width = picture.shape[:2]
        corners = np.array([(x, y, 1) for x in (20, width - 20) for y in (20, height - 20)]).T
        expected = truth @ np.vstack([own @ corners, np.ones(4)])
        errors.append(float(np.linalg.norm(matrix @ corners - expected, axis=0).max()))
    return {
        "moved_up_to_pixels": pixels,
        "turned_up_to_degrees": degrees,
        "stretched_up_to": stretch,
        "pictures": len(errors) + refused,
        "refused": refused,
        "error_pixels": quantiles(errors),
        "errors_over_two_pixels": sum(error > 2 for error in errors),
    }


def displacement(image: Image, right: float, down: float, degrees: float, stretch: float) -> NDArray[np.float64]:
    """``(2, 3)`` matrix about the middle of a picture."""
    center = image.shape[1] / 2, image.shape[0] / 2
    turn = cv2.getRotationMatrix2D(center, degrees, 1.0)
    turn[:, 2] += (right, down)
    widen = np.array([[1 + stretch, 0, -stretch * center[0]], [0, 1, 0], [0, 0, 1]])
    return np.asarray(turn @ widen)


def quantiles(values: list[float]) -> list[float]:
    """At :data:`QUANTILES`, three digits."""
    return [round(float(value), 3) for value in np.quantile(values, QUANTILES)]


if __name__ == "__main__":
    main()
