from __future__ import annotations

import numpy as np
import pytest

from sdgasnet.data.surfaces import board, cast, steel, textile
from sdgasnet.data.surfaces.shapes import within_range
from sdgasnet.data.surfaces.synthesis import (
    CLASS_NAMES,
    PAINTERS,
    Surface,
    add_defects,
    generate_surface,
)

SURFACES: tuple[Surface, ...] = ("steel", "board", "textile", "cast")
VISIBLE = {s: m.VISIBLE for s, m in zip(SURFACES, (steel, board, textile, cast), strict=True)}
WHOLE = (slice(0, 160), slice(0, 160))


@pytest.mark.parametrize("surface", SURFACES)
def test_a_picture_depends_on_seed_and_index_alone(surface: Surface) -> None:
    first = generate_surface(surface, (96, 128), seed=3, index=11, good_share=0.1)
    generate_surface(surface, (96, 128), seed=3, index=12, good_share=0.1)
    again = generate_surface(surface, (96, 128), seed=3, index=11, good_share=0.1)
    other = generate_surface(surface, (96, 128), seed=4, index=11, good_share=0.1)
    assert np.array_equal(first.image, again.image)
    assert first.objects == again.objects
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("size", [(64, 64), (96, 200), (200, 96), (256, 256)])
def test_size_type_and_boxes_within_the_picture(surface: Surface, size: tuple[int, int]) -> None:
    for index in range(8):
        image, objects = generate_surface(surface, size, seed=0, index=index, good_share=0.0)
        assert image.shape == (*size, 1)
        assert image.dtype == np.uint8
        assert image.std() > 2
        for thing in objects:
            x1, y1, x2, y2 = thing.box_xyxy
            assert 0 <= x1 < x2 <= size[1]
            assert 0 <= y1 < y2 <= size[0]


@pytest.mark.parametrize("surface", SURFACES)
def test_every_kind_occurs_and_good_pictures_hold_none(surface: Surface) -> None:
    objects = [
        thing for i in range(80) for thing in generate_surface(surface, (128, 128), 1, i, good_share=0.0).objects
    ]
    assert {thing.label for thing in objects} == set(range(len(CLASS_NAMES[surface])))
    assert not any(generate_surface(surface, (128, 128), 1, i, good_share=1.0).objects for i in range(20))


@pytest.mark.parametrize("surface", SURFACES)
def test_share_of_good_pictures(surface: Surface) -> None:
    good = sum(not generate_surface(surface, (64, 64), 5, i, good_share=0.3).objects for i in range(200))
    assert 35 <= good <= 95


@pytest.mark.parametrize("surface", SURFACES)
def test_boxes_are_the_hull_of_what_changed(surface: Surface) -> None:
    for index in range(60):
        clean = PAINTERS[surface](np.random.default_rng([9, index]), (160, 160)).picture
        painter = PAINTERS[surface](np.random.default_rng([9, index]), (160, 160))
        objects = add_defects(painter, CLASS_NAMES[surface], np.random.default_rng([10, index]), 1, WHOLE)
        changed = np.abs(painter.picture - clean) > VISIBLE[surface]
        if not objects:
            assert not changed.any()
            continue
        rows, columns = np.nonzero(changed)
        hull = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert objects[0].box_xyxy == pytest.approx(hull)


@pytest.mark.parametrize("surface", SURFACES)
def test_defects_stand_out_in_the_photograph(surface: Surface) -> None:
    """With and without its defects, a photograph differs most inside the boxes."""
    inside, outside = [], []
    for index in range(20):
        with_defects = generate_surface(surface, (160, 160), 2, index, good_share=0.0)
        without = generate_surface(surface, (160, 160), 2, index, good_share=1.0)
        difference = np.abs(with_defects.image.astype(int) - without.image.astype(int))[:, :, 0]
        mask = np.zeros((160, 160), bool)
        for thing in with_defects.objects:
            x1, y1, x2, y2 = (int(value) for value in thing.box_xyxy)
            mask[max(0, y1 - 3) : y2 + 3, max(0, x1 - 3) : x2 + 3] = True
        inside.append(difference[mask].mean())
        outside.append(difference[~mask].mean())
    assert np.median(inside) > 5
    assert np.median(outside) < 1


def test_boxes_are_cut_by_the_window_that_is_seen() -> None:
    cut = 0
    for index in range(40):
        whole = PAINTERS["cast"](np.random.default_rng([9, index]), (160, 160))
        part = PAINTERS["cast"](np.random.default_rng([9, index]), (160, 160))
        window = (slice(40, 140), slice(30, 150))
        seen = add_defects(part, CLASS_NAMES["cast"], np.random.default_rng([10, index]), 1, window)
        everything = add_defects(whole, CLASS_NAMES["cast"], np.random.default_rng([10, index]), 1, WHOLE)
        if not seen or not everything or seen[0].label != everything[0].label:
            continue
        if np.array_equal(whole.picture, part.picture):
            x1, y1, x2, y2 = everything[0].box_xyxy
            clipped = (max(x1, 30) - 30, max(y1, 40) - 40, min(x2, 150) - 30, min(y2, 140) - 40)
            assert seen[0].box_xyxy[0] >= clipped[0]
            assert seen[0].box_xyxy[3] <= clipped[3]
            cut += clipped != (x1 - 30, y1 - 40, x2 - 30, y2 - 40)
    assert cut > 3


def test_mixed_takes_the_surfaces_in_turn_and_keeps_their_classes() -> None:
    names = CLASS_NAMES["mixed"]
    assert len(set(names)) == len(names) == sum(len(CLASS_NAMES[surface]) for surface in SURFACES)
    for index, surface in enumerate(SURFACES * 2):
        mixed = generate_surface("mixed", (96, 96), 2, index, good_share=0.0)
        plain = generate_surface(surface, (96, 96), 2, index, good_share=0.0)
        assert np.array_equal(mixed.image, plain.image)
        found = [names[thing.label] for thing in mixed.objects]
        assert found == [CLASS_NAMES[surface][thing.label] for thing in plain.objects]


@pytest.mark.parametrize("surface", ["steel", "textile", "cast"])
def test_a_change_of_nothing_changes_nothing(surface: Surface) -> None:
    """Grounds that left the range of grey were cut by the first defect, and its box held all of them."""
    for index in range(60):
        painter = PAINTERS[surface](np.random.default_rng([4, index]), (96, 96))
        assert np.array_equal(within_range(painter.picture), painter.picture)
