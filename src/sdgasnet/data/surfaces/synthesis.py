"""Make pictures of surfaces with labelled defects, and data sets of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.data.surfaces import board, steel
from sdgasnet.data.surfaces.canvas import Picture, Size, difference_box, light, photograph
from sdgasnet.imaging.geometry import pairwise_iou

Surface = Literal["steel", "board"]
GENERATOR_VERSION = 1
"""Raised whenever the same seed gives other pictures."""
SMALLEST_SIDE = 64
MOST_DEFECTS = 3
MOST_OVERLAP = 0.05
"""Defects that overlap an earlier one by more (IoU) are left out: nobody could say where one ends."""
SMALLEST_BOX = 3.0
ATTEMPTS = 4

CLASS_NAMES: dict[Surface, tuple[str, ...]] = {
    "steel": tuple(steel.STEEL_DEFECTS),
    "board": tuple(board.BOARD_DEFECTS),
}


class SurfacePicture(NamedTuple):
    """A generated picture.

    Attributes:
        image: ``(H, W, 1)`` uint8.
        objects: Its defects; boxes are the hulls of the pixels that they visibly change.
    """

    image: NDArray[np.uint8]
    objects: tuple[ObjectRecord, ...]


def generate_surface(surface: Surface, size: Size, seed: int, index: int, good_share: float) -> SurfacePicture:
    """Picture number ``index`` of a series; it depends on nothing but the arguments.

    Args:
        surface: Kind of surface.
        size: (height, width), each at least 64.
        seed: Number of the series.
        index: Number of the picture.
        good_share: Share of the pictures without a defect, in [0, 1].

    Returns:
        The picture and its defects.

    Examples:
        >>> picture = generate_surface("steel", (64, 96), seed=1, index=7, good_share=0.0)
        >>> picture.image.shape, len(picture.objects) > 0
        ((64, 96, 1), True)
    """
    background, defects, camera = (np.random.default_rng([seed, index, part]) for part in range(3))
    count = 0 if defects.random() < good_share else int(defects.integers(1, MOST_DEFECTS + 1))
    painter = PAINTERS[surface](background, size)
    objects = add_defects(painter, CLASS_NAMES[surface], defects, count)
    image = photograph(camera, light(camera, painter.picture))
    return SurfacePicture(image, objects)


class SteelPainter:
    """A sheet that takes defects one by one."""

    visible = steel.VISIBLE

    def __init__(self, background: Generator, size: Size) -> None:
        self.picture = steel.draw_steel(background, size)

    def propose(self, name: str, rng: Generator) -> Picture:
        """The picture with one more defect, not yet kept."""
        self._proposed = steel.STEEL_DEFECTS[name](rng, self.picture)
        return self._proposed

    def keep(self) -> None:
        """Keep the last proposal."""
        self.picture = self._proposed


class BoardPainter:
    """A board that takes defects one by one; they change the copper, which is drawn anew."""

    visible = board.VISIBLE

    def __init__(self, background: Generator, size: Size) -> None:
        self._layout = board.plan_board(background, size)
        while not self._layout.traces:
            self._layout = board.plan_board(background, size)
        self._copper = board.draw_copper(self._layout)
        self._finish = board.choose_finish(background, size)
        self.picture = board.render_board(self._layout, self._copper, self._finish)

    def propose(self, name: str, rng: Generator) -> Picture:
        """The picture with one more defect, not yet kept."""
        self._changed = self._copper.copy()
        board.BOARD_DEFECTS[name](rng, self._layout, self._changed)
        self._proposed = board.render_board(self._layout, self._changed, self._finish)
        return self._proposed

    def keep(self) -> None:
        """Keep the last proposal."""
        self._copper, self.picture = self._changed, self._proposed


PAINTERS: dict[Surface, type[SteelPainter] | type[BoardPainter]] = {"steel": SteelPainter, "board": BoardPainter}


def add_defects(
    painter: SteelPainter | BoardPainter, names: tuple[str, ...], rng: Generator, count: int
) -> tuple[ObjectRecord, ...]:
    """Add defects of random kinds; keep those that can be seen and stand apart from the earlier ones.

    Args:
        painter: The surface; changed.
        names: Kinds of defect.
        rng: Source of randomness.
        count: How many; fewer if too many attempts fail.

    Returns:
        What was added.
    """
    objects: list[ObjectRecord] = []
    for _ in range(ATTEMPTS * count):
        if len(objects) == count:
            break
        label = int(rng.integers(len(names)))
        box = difference_box(painter.picture, painter.propose(names[label], rng), painter.visible)
        if box is not None and _stands_apart(box, objects):
            painter.keep()
            objects.append(ObjectRecord(label, box))
    return tuple(objects)


def _stands_apart(box: tuple[float, float, float, float], objects: list[ObjectRecord]) -> bool:
    if min(box[2] - box[0], box[3] - box[1]) < SMALLEST_BOX:
        return False
    if not objects:
        return True
    others = np.array([thing.box_xyxy for thing in objects])
    return bool(pairwise_iou(np.array([box]), others).max() <= MOST_OVERLAP)
