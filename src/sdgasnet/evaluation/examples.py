"""Pictures with their labels beside what was detected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdgasnet.evaluation.figures import panels
from sdgasnet.evaluation.measure import Measurement
from sdgasnet.imaging.draw import draw_boxes, draw_detections, reduce_for_page
from sdgasnet.imaging.image import Channels, read_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One picture, twice.

    Attributes:
        name: Of the picture.
        labelled: ``(H, W, 3)`` uint8 RGB with the labels drawn.
        detected: The same with the detections.
    """

    name: str
    labelled: NDArray[np.uint8]
    detected: NDArray[np.uint8]


def choose_examples(measurement: Measurement, channels: Channels, count: int) -> list[Example]:
    """Pictures spread evenly over the split, not the best ones, at the measured score threshold.

    Args:
        measurement: Detections and labels.
        channels: As pictures are read for people.
        count: How many pictures at most.

    Returns:
        In the order of the split.

    Raises:
        ImageError: A picture can't be read.
    """
    total = len(measurement.records)
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    return [_draw(measurement, channels, number) for number in chosen]


def plot_examples(examples: Sequence[Example]) -> Figure:
    """Labels above detections, one column a picture."""
    count = max(1, len(examples))
    with panels(2, count, (3.2, 3.4)) as (figure, axes):
        for example, above, below in zip(examples, axes[:count], axes[count:], strict=False):
            above.imshow(example.labelled)
            above.set_title(f"{Path(example.name).name}\nlabelled")
            below.imshow(example.detected)
            below.set_title("detected")
        for one in axes:
            one.set_axis_off()
    return figure


def _draw(measurement: Measurement, channels: Channels, number: int) -> Example:
    record, names = measurement.records[number], measurement.class_names
    image = read_image(record.path, channels)
    boxes = np.array([thing.box_xyxy for thing in record.objects], dtype=np.float64).reshape(-1, 4)
    labels = [thing.label for thing in record.objects]
    labelled = draw_boxes(image, boxes, labels, [names[label] for label in labels])
    found = measurement.detections[number].above(measurement.score_threshold)
    return Example(record.name, reduce_for_page(labelled), reduce_for_page(draw_detections(image, found, names)))
