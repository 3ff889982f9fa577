"""What near-duplicates of a picture say of its labels: the same piece of surface ought to be labelled the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.near_duplicates import NearDuplicate, find_near_duplicates
from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import ImageError
from sdgasnet.evaluation.matching import GroundTruth
from sdgasnet.imaging.geometry import pairwise_iou
from sdgasnet.imaging.image import read_image

Box = NDArray[np.float64]
"""``(4,)`` x1 y1 x2 y2, pixels."""

INSIDE = 0.9
"""Share of a box that a picture has to show to have an opinion on it."""
THERE_IOU = 0.3
"""Overlap from which a labelled box lies at a place."""
SAME_LOOK = 0.8
"""Correlation of two cuts from which they show the same: a defect that only one of them has is seen in it."""
MARGIN = 0.25
"""Of a box, looked at around it."""
LEAST_MARGIN = 4.0
"""Pixels."""
LOOK_SIDE = 48
"""Side of the cuts that are compared."""
SLIP = 2
"""Pixels of these cuts by which an alignment may be wrong."""
FLAT = 2.0
"""Standard deviation, of 255, below which a cut shows nothing."""
CACHED = 64
"""Pictures kept in memory."""


class Opinion(NamedTuple):
    """One near-duplicate on a place.

    Attributes:
        record: Its position.
        labels: Of what is labelled there.
    """

    record: int
    labels: list[int]


@dataclass(frozen=True, slots=True)
class _Link:
    """To a near-duplicate: its position, and where the content lies there, in shares of the sides."""

    record: int
    shift: tuple[float, float]


class Neighbours:
    """Near-duplicates of the pictures of a data set.

    Args:
        records: Pictures with their labels.
        pairs: Near-duplicates among them, by position.
    """

    def __init__(self, records: Sequence[ImageRecord], pairs: Sequence[NearDuplicate]) -> None:
        self._records = records
        self._truths = [GroundTruth.of([thing for thing in one.objects if not thing.crowd]) for one in records]
        self._links: dict[int, list[_Link]] = defaultdict(list)
        for pair in pairs:
            x, y = pair.shift
            self._links[pair.first].append(_Link(pair.second, (x, y)))
            self._links[pair.second].append(_Link(pair.first, (-x, -y)))
        self._read = lru_cache(CACHED)(self._read_grey)

    @classmethod
    def find(
        cls, records: Sequence[ImageRecord], progress: Callable[[int, int], None] | None = None
    ) -> Neighbours:
        """Look for near-duplicates among pictures."""
        return cls(records, find_near_duplicates([record.path for record in records], progress))

    def __iter__(self) -> Iterator[int]:
        """Positions of the pictures that have a near-duplicate."""
        return iter(sorted(self._links))

    def name(self, record: int) -> str:
        """Name of a picture."""
        return self._records[record].name

    def truth(self, record: int) -> GroundTruth:
        """Labels of a picture, without crowd regions."""
        return self._truths[record]

    def places(self, record: int, box: Box) -> Iterator[tuple[int, Box]]:
        """Near-duplicates that show a place of a picture, and where it lies in them.

        Args:
            record: Position of the picture.
            box: The place.
        """
        for link in self._links.get(record, ()):
            here, there = self._read(record), self._read(link.record)
            if here is None or there is None:
                continue
            scale, step = _map(link, here.shape, there.shape)
            place = box * scale + step
            if _share_inside(place, there.shape) >= INSIDE:
                yield link.record, place

    def labels_at(self, record: int, place: Box) -> list[int]:
        """Labels of a picture whose boxes lie at a place."""
        truth = self._truths[record]
        found: list[int] = truth.labels[pairwise_iou(place[None], truth.boxes_xyxy)[0] >= THERE_IOU].tolist()
        return found

    def agreement(self) -> float:
        """Share of the labelled places, seen in near-duplicates, that have the same label there; 0 without any."""
        asked = agreed = 0
        for record in self:
            truth = self._truths[record]
            for label, box in zip(truth.labels.tolist(), truth.boxes_xyxy, strict=True):
                for other, place in self.places(record, box):
                    asked, agreed = asked + 1, agreed + (label in self.labels_at(other, place))
        return agreed / max(1, asked)

    def opinions(self, record: int, box: Box) -> list[Opinion]:
        """What near-duplicates that show the place as this picture does have labelled there.

        Args:
            record: Position of the picture.
            box: The place.

        Returns:
            One a near-duplicate; those that do not show the place, or show it otherwise (a defect that only one of
            them has), have no opinion.
        """
        here = self._read(record)
        found = []
        for other, place in self.places(record, box):
            there = self._read(other)
            if here is not None and there is not None and _look_same(_cut(here, box), _cut(there, place)):
                found.append(Opinion(other, self.labels_at(other, place)))
        return found

    def labelled_around(self, record: int) -> Iterator[tuple[int, Box]]:
        """Label and box of what near-duplicates have labelled in the part that the picture shows, too, as it lies
        in the picture."""
        here = self._read(record)
        for link in self._links[record] if here is not None else ():
            there = self._read(link.record)
            if here is None or there is None:
                continue
            scale, step = _map(link, here.shape, there.shape)
            truth = self._truths[link.record]
            for label, box in zip(truth.labels.tolist(), (truth.boxes_xyxy - step) / scale, strict=True):
                if _share_inside(box, here.shape) >= INSIDE:
                    yield label, box

    def _read_grey(self, record: int) -> NDArray[np.uint8] | None:
        try:
            image = read_image(self._records[record].path, 1)
        except ImageError:
            return None
        return image[:, :, 0] if image.dtype == np.uint8 else (image[:, :, 0] // 257).astype(np.uint8)


def _map(
    link: _Link, here: tuple[int, ...], there: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and step, ``(4,)`` each, that take a box from one picture to the other."""
    size = np.array([there[1], there[0]])
    return np.tile(size / [here[1], here[0]], 2), np.tile(link.shift * size, 2)


def _share_inside(box: Box, shape: tuple[int, ...]) -> float:
    sides = np.clip(box, 0, [shape[1], shape[0]] * 2)
    return float((sides[2:] - sides[:2]).prod() / max((box[2:] - box[:2]).prod(), 1e-9))


def _cut(image: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
    """The surroundings of a box, smoothed, in one size."""
    margin = np.maximum(MARGIN * (box[2:] - box[:2]), LEAST_MARGIN)
    (x1, y1), (x2, y2) = box[:2] - margin, box[2:] + margin
    scale = np.array([[LOOK_SIDE / (x2 - x1), 0, 0], [0, LOOK_SIDE / (y2 - y1), 0]])
    scale[:, 2] = -scale[:, :2] @ [x1, y1]
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    cut = cv2.warpAffine(
        smooth, scale, (LOOK_SIDE, LOOK_SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return cut.astype(np.float32)


def _look_same(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Whether two cuts show the same, within a slip of the alignment."""
    if min(first.std(), second.std()) < FLAT:
        return bool(max(first.std(), second.std()) < 2 * FLAT)
    inner = first[SLIP:-SLIP, SLIP:-SLIP]
    return float(cv2.matchTemplate(second, inner, cv2.TM_CCOEFF_NORMED).max()) >= SAME_LOOK
