from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.config.schema import AugmentationConfig
from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.imaging.image import letterbox_value
from sdgasnet.training.augment import (
    Source,
    augment,
    load_source,
    mix,
    mosaic_placements,
    place,
)

STILL = AugmentationConfig(
    mosaic=0, mixup=0, hue=0, saturation=0, value=0, rotate=0, translate=0, scale=0, shear=0,
    flip_horizontal=0, flip_vertical=0,
)  # fmt: skip


def source(
    value: int, size: tuple[int, int] = (64, 64), dtype: type[np.generic] = np.uint8, channels: int = 1
) -> Source:
    image: NDArray[Any] = np.full((*size, channels), value, dtype)
    box = np.array([[0.0, 0.0, size[1], size[0]]])
    return Source(image, np.array([value % 3]), box, np.array([False]))


def draw(config: AugmentationConfig, seed: int = 0, compose: bool = True) -> Any:
    sources = [source(20 + 20 * i) for i in range(8)]
    return augment(3, sources.__getitem__, 8, config, (64, 96), np.random.default_rng(seed), compose)


def test_without_any_change_the_sample_is_the_letterboxed_picture() -> None:
    sample = draw(STILL)
    assert (sample.image[:, 16:80] == 80).all()
    assert (sample.image[:, :16] == letterbox_value(np.uint8)).all()
    assert sample.boxes_xyxy.tolist() == [[16, 0, 80, 64]]


def test_one_generator_state_gives_one_sample() -> None:
    config = AugmentationConfig(mixup=0.5, value=0.4)
    first, again, other = draw(config, 5), draw(config, 5), draw(config, 6)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("seed", range(10))
def test_mosaic_pictures_fill_the_canvas_and_boxes_are_where_their_pictures_are(seed: int) -> None:
    values = (30, 90, 150, 210)
    placements = mosaic_placements([(64, 64)] * 4, (64, 64), np.random.default_rng(seed))
    sample = place([source(value) for value in values], placements, np.eye(3), (64, 64))
    assert set(np.unique(sample.image)) <= set(values)
    by_value = {value: np.argwhere(sample.image[:, :, 0] == value)[:, ::-1] for value in values}
    for label, box in zip(sample.labels, sample.boxes_xyxy, strict=True):
        hulls = [
            [*pixels.min(axis=0), *(pixels.max(axis=0) + 1)]
            for value, pixels in by_value.items()
            if value % 3 == label and len(pixels)
        ]
        assert min(np.abs(hull - box).max() for hull in hulls) <= 0.5


def test_mosaic_of_unlike_sizes_scales_each_as_the_letterbox_would() -> None:
    sizes = [(64, 64), (32, 64), (200, 50), (10, 40)]
    placements = mosaic_placements(sizes, (64, 96), np.random.default_rng(0))
    scales = [placement[0, 0] for placement in placements]
    assert scales == [min(64 / height, 96 / width) for height, width in sizes]
    assert all(placement[0, 0] == placement[1, 1] for placement in placements)


def test_objects_are_found_where_their_boxes_say_after_everything() -> None:
    """A bright object in each picture: inside every box there is one, outside of all boxes there is none."""
    image = np.full((64, 64, 1), 60, np.uint8)
    image[20:40, 10:44] = 250
    thing = Source(image, np.array([0]), np.array([[10.0, 20, 44, 40]]), np.array([False]))
    config = AugmentationConfig(hue=0, saturation=0, value=0, rotate=5, shear=2)
    for seed in range(20):
        sample = augment(0, lambda _: thing, 4, config, (96, 96), np.random.default_rng(seed), True)
        outside = sample.image[:, :, 0].copy()
        for box in sample.boxes_xyxy:
            left, top = np.floor(box[:2]).astype(int)
            right, bottom = np.ceil(box[2:]).astype(int)
            assert (sample.image[top:bottom, left:right] > 200).mean() > 0.4
            outside[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = 0
        slivers = 2 * 96 + 0.1 * 20 * 34 * 1.5**2 * 4  # hardly visible objects have no box
        assert (outside > 200).sum() < slivers


def test_composition_is_off_when_told() -> None:
    config = AugmentationConfig(mosaic=1.0, mixup=1.0)
    counts = [len(draw(config, seed, compose=False).labels) for seed in range(10)]
    assert max(counts) <= 1
    assert max(len(draw(config, seed, compose=True).labels) for seed in range(10)) > 2


def test_boxes_stay_on_the_canvas_and_large_enough() -> None:
    for seed in range(50):
        sample = draw(AugmentationConfig(rotate=15, shear=5, mixup=0.3), seed)
        assert (sample.boxes_xyxy >= 0).all()
        assert (sample.boxes_xyxy[:, [2, 0]] <= 96).all()
        assert (sample.boxes_xyxy[:, 2:] - sample.boxes_xyxy[:, :2] >= 2).all()
        assert len(sample.labels) == len(sample.boxes_xyxy) == len(sample.crowd)


def test_mixup_blends_and_keeps_all_objects() -> None:
    first, second = (place([source(v)], [np.eye(3)], np.eye(3), (64, 64)) for v in (100, 200))
    mixed = mix(first, second, 0.25)
    assert (mixed.image == 175).all()
    assert len(mixed.labels) == 2


def test_depths_meet_at_sixteen_bits() -> None:
    sample = place([source(255), source(65535, dtype=np.uint16)], [np.eye(3)] * 2, np.eye(3), (64, 64))
    assert sample.image.dtype == np.uint16
    assert sample.image.min() == 65535


def test_labels_are_clipped_to_the_picture_and_empty_ones_dropped(tmp_path: Any) -> None:
    objects = (
        ObjectRecord(1, (-5, -5, 20, 20), crowd=True),
        ObjectRecord(0, (70, 0, 90, 5)),
        ObjectRecord(2, (3, 3, 9, 9)),
    )
    record = ImageRecord(tmp_path / "a.png", "a.png", objects)
    loaded = load_source(record, np.zeros((50, 60, 1), np.uint8))
    assert loaded.labels.tolist() == [1, 2]
    assert loaded.boxes_xyxy[0].tolist() == [0, 0, 20, 20]
    assert loaded.crowd.tolist() == [True, False]
