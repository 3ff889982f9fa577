"""Make pictures of surfaces with labelled defects, and data sets of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.data.records import ObjectRecord
from sdgasnet.data.surfaces import board, cast, steel, textile
from sdgasnet.data.surfaces.canvas import Picture, Size, difference_box, light, photograph
from sdgasnet.data.surfaces.shapes import Ground
from sdgasnet.imaging.geometry import pairwise_iou

Surface = Literal["steel", "board", "textile", "cast", "mixed"]
"""`mixed` takes the others in turn and has the classes of all: for pre-training."""
Window = tuple[slice, slice]
GENERATOR_VERSION = 4
"""Raised whenever the same seed gives other pictures."""
SMALLEST_SIDE = 64
MOST_DEFECTS = 5
LARGEST_SURFACE = 2.0
"""Side of the largest surface, of which the picture shows a part, in sides of the picture."""
MOST_OVERLAP = 0.05
"""Defects that overlap an earlier one by more (IoU) are left out: nobody could say where one ends."""
SMALLEST_BOX = 3.0
ATTEMPTS = 6

SURFACE_DEFECTS: dict[Surface, tuple[str, ...]] = {
    "steel": tuple(steel.STEEL_DEFECTS),
    "board": tuple(board.BOARD_DEFECTS),
    "textile": tuple(textile.TEXTILE_DEFECTS),
    "cast": tuple(cast.CAST_DEFECTS),
}
CLASS_NAMES: dict[Surface, tuple[str, ...]] = {
    **SURFACE_DEFECTS,
    "mixed": tuple(chain.from_iterable(SURFACE_DEFECTS.values())),
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
    if surface == "mixed":
        names = CLASS_NAMES[surface]
        part = tuple(SURFACE_DEFECTS)[index % len(SURFACE_DEFECTS)]
        image, objects = generate_surface(part, size, seed, index, good_share)
        offset = names.index(SURFACE_DEFECTS[part][0])
        return SurfacePicture(image, tuple(replace(thing, label=thing.label + offset) for thing in objects))
    background, defects, camera = (np.random.default_rng([seed, index, part]) for part in range(3))
    count = 0 if defects.random() < good_share else int(defects.integers(1, MOST_DEFECTS + 1))
    whole, window = choose_window(camera, size)
    painter = PAINTERS[surface](background, whole)
    objects = add_defects(painter, CLASS_NAMES[surface], defects, count, window)
    image = photograph(camera, light(camera, painter.picture[window]))
    return SurfacePicture(image, objects)


class GroundPainter:
    """A grey surface that takes defects one by one."""

    def __init__(
        self,
        ground: Callable[[Generator, Size], Ground],
        defects: Mapping[str, Callable[[Generator, Ground], Picture]],
        visible: float,
        rng: Generator,
        size: Size,
    ) -> None:
        self.visible = visible
        self._defects = defects
        self._ground = ground(rng, size)
        self.picture = self._ground.grey

    def propose(self, name: str, rng: Generator) -> Picture:
        """The picture with one more defect, not yet kept."""
        self._proposed = self._defects[name](rng, self._ground)
        return self._proposed

    def keep(self) -> None:
        """Keep the last proposal."""
        self.picture = self._proposed
        self._ground = replace(self._ground, grey=self.picture)


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


Painter = GroundPainter | BoardPainter
PAINTERS: dict[Surface, Callable[[Generator, Size], Painter]] = {
    "steel": partial(GroundPainter, steel.draw_sheet, steel.STEEL_DEFECTS, steel.VISIBLE),
    "board": BoardPainter,
    "textile": partial(GroundPainter, textile.draw_cloth, textile.TEXTILE_DEFECTS, textile.VISIBLE),
    "cast": partial(GroundPainter, cast.draw_skin, cast.CAST_DEFECTS, cast.VISIBLE),
}


def add_defects(
    painter: Painter, names: tuple[str, ...], rng: Generator, count: int, window: Window
) -> tuple[ObjectRecord, ...]:
    """Add defects of random kinds; keep those that can be seen and stand apart from the earlier ones.

    Args:
        painter: The surface; changed.
        names: Kinds of defect.
        rng: Source of randomness.
        count: How many; fewer if too many attempts fail.
        window: The part of the surface that will be seen; defects may reach beyond it.

    Returns:
        What was added; boxes in pixels of the window.
    """
    objects: list[ObjectRecord] = []
    for _ in range(ATTEMPTS * count):
        if len(objects) == count:
            break
        label = int(rng.integers(len(names)))
        before, after = painter.picture, painter.propose(names[label], rng)
        box = difference_box(before[window], after[window], painter.visible)
        if box is not None and _stands_apart(box, objects):
            painter.keep()
            objects.append(ObjectRecord(label, box))
    return tuple(objects)


def choose_window(rng: Generator, size: Size) -> tuple[Size, Window]:
    """Size of the surface, up to ``LARGEST_SURFACE`` times the picture's, and the part of it that is seen.

    So defects come in more sizes, and are cut by the border as on real pictures.
    """
    zoom = max(1.0, rng.uniform(0.6, LARGEST_SURFACE))
    whole = round(size[0] * zoom), round(size[1] * zoom)
    top, left = (int(rng.integers(0, large - small + 1)) for large, small in zip(whole, size, strict=True))
    return whole, (slice(top, top + size[0]), slice(left, left + size[1]))


def _stands_apart(box: tuple[float, float, float, float], objects: list[ObjectRecord]) -> bool:
    if min(box[2] - box[0], box[3] - box[1]) < SMALLEST_BOX:
        return False
    if not objects:
        return True
    others = np.array([thing.box_xyxy for thing in objects])
    return bool(pairwise_iou(np.array([box]), others).max() <= MOST_OVERLAP)
