"""Numbers that describe a data set: pictures, classes, box sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.picture_facts import PictureFacts
from sdgasnet.data.records import DatasetIndex, ImageRecord, ObjectRecord

SMALL_AREA, MEDIUM_AREA = 32**2, 96**2
"""Limits of COCO's small and medium objects, square pixels."""
BORDER_DISTANCES = (1, 2, 3)
TRAIN = "train"
"""Split that others are compared with."""
LARGE_SHARE = 0.9
"""Share of the picture over which a box says little more than that something is there."""


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """Pictures and boxes of one split.

    Attributes:
        pictures: Number of pictures.
        background: Pictures without any object.
        boxes: Number of objects.
        class_pictures: Pictures by class that they hold.
        class_boxes: Objects by class.
    """

    pictures: int
    background: int
    boxes: int
    class_pictures: Mapping[str, int]
    class_boxes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BoxStatistics:
    """Sizes and places of all boxes.

    Attributes:
        width_quantiles: Smallest, 5 %, median, 95 % and largest width in pixels; empty without boxes.
        height_quantiles: The same of the height.
        small: Boxes of an area under 32x32.
        medium: Boxes of an area under 96x96.
        large: All others.
        over_90_percent: Boxes that cover over 90 % of their picture.
        near_border: Distance in pixels -> boxes that come nearer than it to the picture's border.
        difficult: Objects marked difficult.
        crowd: Objects marked as crowd.
    """

    width_quantiles: tuple[float, ...]
    height_quantiles: tuple[float, ...]
    small: int
    medium: int
    large: int
    over_90_percent: int
    near_border: Mapping[int, int]
    difficult: int
    crowd: int


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Boxes of one class.

    Attributes:
        boxes: How many.
        side_quantiles: Smallest, 5 %, median, 95 % and largest square root of the area in pixels; empty without
            boxes.
        aspect_quantiles: The same of width divided by height.
        at_border: Boxes that touch the picture's border and so may be cut by it.
    """

    boxes: int
    side_quantiles: tuple[float, ...]
    aspect_quantiles: tuple[float, ...]
    at_border: int


@dataclass(frozen=True, slots=True)
class LightStatistics:
    """Light of the pictures of one split, and how far it is from that of ``train``.

    Attributes:
        brightness: Mean and standard deviation of the pictures' mean grey, shares of full scale.
        contrast: The same of the standard deviation of their grey.
        brightness_shift: Difference of the means to ``train``, in standard deviations of ``train``; None for
            ``train`` itself or without it.
        contrast_shift: The same of the contrast.
    """

    brightness: tuple[float, float]
    contrast: tuple[float, float]
    brightness_shift: float | None
    contrast_shift: float | None


@dataclass(frozen=True, slots=True)
class PictureStatistics:
    """How the pictures are stored.

    Attributes:
        sizes: ``"HEIGHTxWIDTH"`` -> pictures.
        layouts: ``"3 x 8 bit"`` -> pictures.
        equal_channels: Grey pictures stored as colour.
        black_corners: Pictures with four black corners.
        speckled: Pictures with salt-and-pepper noise.
        several_classes: Pictures with objects of two or more classes.
    """

    sizes: Mapping[str, int]
    layouts: Mapping[str, int]
    equal_channels: int
    black_corners: int
    speckled: int
    several_classes: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """All numbers of a data set."""

    splits: Mapping[str, SplitStatistics]
    boxes: BoxStatistics
    pictures: PictureStatistics
    classes: Mapping[str, ClassStatistics]
    light: Mapping[str, LightStatistics]


def compute_statistics(index: DatasetIndex, facts: Mapping[Path, PictureFacts]) -> Statistics:
    """Count what is in a data set.

    Args:
        index: The data set.
        facts: Facts by picture file; unreadable pictures are missing.

    Returns:
        Numbers over all splits, and by split.
    """
    records = list(chain.from_iterable(index.splits.values()))
    return Statistics(
        {split: count_split(members, index.class_names) for split, members in index.splits.items()},
        _boxes(records, facts),
        _pictures(records, facts),
        {name: _class(label, records, facts) for label, name in enumerate(index.class_names)},
        _light(index, facts),
    )


def count_split(records: Sequence[ImageRecord], class_names: Sequence[str]) -> SplitStatistics:
    """Count pictures and boxes of one split, by class in the order of the classes."""
    boxes = Counter(thing.label for record in records for thing in record.objects)
    pictures = Counter(label for record in records for label in {thing.label for thing in record.objects})
    return SplitStatistics(
        pictures=len(records),
        background=sum(not record.objects for record in records),
        boxes=boxes.total(),
        class_pictures={name: pictures[label] for label, name in enumerate(class_names)},
        class_boxes={name: boxes[label] for label, name in enumerate(class_names)},
    )


def _boxes(records: Sequence[ImageRecord], facts: Mapping[Path, PictureFacts]) -> BoxStatistics:
    things = [thing for record in records for thing in record.objects]
    x1, y1, x2, y2 = np.array([thing.box_xyxy for thing in things], np.float64).reshape(-1, 4).T
    widths, heights = x2 - x1, y2 - y1
    areas = widths * heights
    placed = [(thing, facts[r.path].size) for r in records if r.path in facts for thing in r.objects]
    gaps = np.array([border_gap(thing, size) for thing, size in placed])
    return BoxStatistics(
        width_quantiles=_quantiles(widths),
        height_quantiles=_quantiles(heights),
        small=int((areas < SMALL_AREA).sum()),
        medium=int(((areas >= SMALL_AREA) & (areas < MEDIUM_AREA)).sum()),
        large=int((areas >= MEDIUM_AREA).sum()),
        over_90_percent=sum(is_large(thing, size) for thing, size in placed),
        near_border={distance: int((gaps < distance).sum()) for distance in BORDER_DISTANCES},
        difficult=sum(thing.difficult for thing in things),
        crowd=sum(thing.crowd for thing in things),
    )


def _class(label: int, records: Sequence[ImageRecord], facts: Mapping[Path, PictureFacts]) -> ClassStatistics:
    things = [(thing, record.path) for record in records for thing in record.objects if thing.label == label]
    x1, y1, x2, y2 = np.array([thing.box_xyxy for thing, _ in things], np.float64).reshape(-1, 4).T
    widths, heights = np.maximum(x2 - x1, 0.0), np.maximum(y2 - y1, 0.0)
    tall = heights > 0
    return ClassStatistics(
        boxes=len(things),
        side_quantiles=_quantiles(np.sqrt(widths * heights)),
        aspect_quantiles=_quantiles(widths[tall] / heights[tall]),
        at_border=sum(
            border_gap(thing, facts[path].size) < BORDER_DISTANCES[0] for thing, path in things if path in facts
        ),
    )


def _light(index: DatasetIndex, facts: Mapping[Path, PictureFacts]) -> dict[str, LightStatistics]:
    values = {
        split: np.array([(facts[r.path].brightness, facts[r.path].contrast) for r in members if r.path in facts])
        for split, members in index.splits.items()
    }
    values = {split: of for split, of in values.items() if len(of)}
    train = values.get(TRAIN)
    light = {}
    for split, of in values.items():
        mean, spread = of.mean(axis=0), of.std(axis=0)
        shifts: list[float | None] = [None, None]
        if train is not None and split != TRAIN:
            own = train.std(axis=0)
            shifts = [float(d / s) if s > 0 else None for d, s in zip(mean - train.mean(axis=0), own, strict=True)]
        brightness, contrast = (
            (round(float(m), 4), round(float(d), 4)) for m, d in zip(mean, spread, strict=True)
        )
        light[split] = LightStatistics(brightness, contrast, *(None if s is None else round(s, 3) for s in shifts))
    return light


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(q), 2) for q in np.quantile(values, (0, 0.05, 0.5, 0.95, 1))) if len(values) else ()


def border_gap(thing: ObjectRecord, size: tuple[int, int]) -> float:
    """Least distance of a box to the border of its picture of (height, width), in pixels."""
    x1, y1, x2, y2 = thing.box_xyxy
    return min(x1, y1, size[1] - x2, size[0] - y2)


def is_large(thing: ObjectRecord, size: tuple[int, int]) -> bool:
    """Whether a box covers over 90 % of its picture of (height, width)."""
    x1, y1, x2, y2 = thing.box_xyxy
    return (x2 - x1) * (y2 - y1) > LARGE_SHARE * size[0] * size[1]


def _pictures(records: Sequence[ImageRecord], facts: Mapping[Path, PictureFacts]) -> PictureStatistics:
    found = [facts[record.path] for record in records if record.path in facts]
    return PictureStatistics(
        sizes=_counts(f"{fact.size[0]}x{fact.size[1]}" for fact in found),
        layouts=_counts(f"{fact.channels} x {fact.bits} bit" for fact in found),
        equal_channels=sum(fact.equal_channels for fact in found),
        black_corners=sum(fact.black_corners for fact in found),
        speckled=sum(fact.speckled for fact in found),
        several_classes=sum(len({thing.label for thing in record.objects}) > 1 for record in records),
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
