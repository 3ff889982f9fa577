"""Random training samples: mosaic, affine, photometric changes, mixup."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sdgasnet.config.schema import AugmentationConfig
from sdgasnet.data.records import ImageRecord
from sdgasnet.imaging.geometry import ResizeMap
from sdgasnet.imaging.image import Image, letterbox_value
from sdgasnet.training.affine import (
    Matrix,
    clip_to_canvas,
    letterbox_matrix,
    random_affine,
    scaling,
    transform_boxes,
    translation,
    warp_onto,
)
from sdgasnet.training.photometric import blend, change_colours, change_pair, match_depth

MIXUP_SHAPE = 32.0
"""Both parameters of mixup's beta distribution: blends near one half, as detectors use it [O]."""


class Source(NamedTuple):
    """A picture as read, with its objects.

    Attributes:
        image: ``(H, W, C)`` uint8 or uint16.
        labels: ``(N,)`` int64.
        boxes_xyxy: ``(N, 4)`` float64, source pixels, clipped to the picture.
        crowd: ``(N,)`` bool.
    """

    image: Image
    labels: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    crowd: NDArray[np.bool_]


class Sample(NamedTuple):
    """A canvas with its objects; fields as in :class:`Source`, boxes in canvas pixels."""

    image: Image
    labels: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    crowd: NDArray[np.bool_]


def load_source(record: ImageRecord, image: Image) -> Source:
    """Join a picture with its labels; boxes are clipped to the picture and empty ones dropped."""
    height, width = image.shape[:2]
    boxes = np.array([thing.box_xyxy for thing in record.objects], dtype=np.float64).reshape(-1, 4)
    boxes = boxes.clip(0, [width, height, width, height])
    keep = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    labels = np.array([thing.label for thing in record.objects], dtype=np.int64)
    crowd = np.array([thing.crowd for thing in record.objects], dtype=np.bool_)
    return Source(image, labels[keep], boxes[keep], crowd[keep])


def augment(
    index: int,
    load: Callable[[int], Source],
    count: int,
    config: AugmentationConfig,
    image_size: tuple[int, int],
    rng: Generator,
    compose: bool,
    paired: bool = False,
) -> Sample:
    """One random sample.

    Order of work: mosaic of four pictures (or one picture), affine change in the same interpolation,
    photometric change (of pairs also a movement of the template), mixup with a second sample of the same kind.

    Args:
        index: The picture that the sample is about.
        load: Gives picture and objects of an index.
        count: Number of pictures to draw partners from.
        config: Ranges and probabilities.
        image_size: (height, width) of the canvas.
        rng: The sample's own source of randomness.
        compose: Whether mosaic and mixup may be used.
        paired: Whether pictures are pairs, see :mod:`sdgasnet.imaging.template`.

    Returns:
        The sample.
    """
    sample = _draw(index, load, count, config, image_size, rng, compose, paired)
    if compose and rng.random() < config.mixup:
        partner = _draw(int(rng.integers(count)), load, count, config, image_size, rng, compose, paired)
        sample = mix(sample, partner, rng.beta(MIXUP_SHAPE, MIXUP_SHAPE))
    return sample


def _draw(
    index: int,
    load: Callable[[int], Source],
    count: int,
    config: AugmentationConfig,
    image_size: tuple[int, int],
    rng: Generator,
    compose: bool,
    paired: bool,
) -> Sample:
    if compose and rng.random() < config.mosaic:
        sources = [load(index), *(load(int(i)) for i in rng.integers(count, size=3))]
        placements = mosaic_placements([source.image.shape[:2] for source in sources], image_size, rng)
    else:
        sources = [load(index)]
        placements = [letterbox_matrix(ResizeMap.letterbox(sources[0].image.shape[:2], image_size))]
    sample = place(sources, placements, random_affine(config, rng, image_size), image_size)
    if paired:
        return sample._replace(image=change_pair(sample.image, config, rng))
    return sample._replace(image=change_colours(sample.image, config, rng))


def mosaic_placements(
    source_sizes: list[tuple[int, int]], image_size: tuple[int, int], rng: Generator
) -> list[Matrix]:
    """Where four pictures meet at a random point of the canvas, one in each quadrant.

    Each picture is scaled as the letterbox would and lies with one corner at the meeting point. So they never
    overlap and need no cutting: the usual mosaic of twice the canvas' size, of which the canvas is the middle,
    exists only as these matrices.

    Args:
        source_sizes: Four (height, width): upper left, upper right, lower left, lower right.
        image_size: (height, width) of the canvas.
        rng: Source of randomness.

    Returns:
        Four matrices from source to canvas.
    """
    height, width = image_size
    meet_x, meet_y = rng.uniform(0.0, 1.0, 2) * (width, height)
    placements = []
    for number, source_size in enumerate(source_sizes):
        scale = min(height / source_size[0], width / source_size[1])
        left = meet_x - (source_size[1] * scale if number % 2 == 0 else 0.0)
        top = meet_y - (source_size[0] * scale if number < 2 else 0.0)
        placements.append(translation(left, top) @ scaling(scale, scale))
    return placements


def place(sources: list[Source], placements: list[Matrix], change: Matrix, image_size: tuple[int, int]) -> Sample:
    """Draw pictures onto one canvas, each through one composed matrix, and take their boxes along.

    Args:
        sources: Pictures with objects.
        placements: One matrix a picture, source to canvas.
        change: Matrix that is applied after the placement.
        image_size: (height, width) of the canvas.

    Returns:
        The sample; boxes that are hardly visible are dropped.
    """
    dtype = np.result_type(*(source.image.dtype for source in sources))
    canvas = np.full((*image_size, sources[0].image.shape[2]), letterbox_value(dtype), dtype=dtype)
    labels, boxes, crowd = [], [], []
    for source, placement in zip(sources, placements, strict=True):
        matrix = change @ placement
        warp_onto(canvas, match_depth(source.image, dtype), matrix)
        clipped, keep = clip_to_canvas(transform_boxes(source.boxes_xyxy, matrix), image_size)
        labels.append(source.labels[keep])
        boxes.append(clipped[keep])
        crowd.append(source.crowd[keep])
    return Sample(canvas, np.concatenate(labels), np.concatenate(boxes), np.concatenate(crowd))


def mix(first: Sample, second: Sample, share: float) -> Sample:
    """Blend two samples, ``share`` of the first; the objects of both stay.

    Source:
        Zhang et al., mixup, ICLR 2018.
    """
    return Sample(
        blend(first.image, second.image, share),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.boxes_xyxy, second.boxes_xyxy]),
        np.concatenate([first.crowd, second.crowd]),
    )
