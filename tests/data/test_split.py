from __future__ import annotations

import shutil
from collections import Counter

import pytest

from sdgasnet.data.index import load_dataset
from sdgasnet.data.split import draw_share, parse_parts, split_dataset
from sdgasnet.errors import ConfigError, DataError

PARTS = {"train": 0.6, "val": 0.2, "test": 0.2}


def labels(*classes):
    return "".join(f"{label} 0.5 0.5 0.2 0.{n + 2}\n" for n, label in enumerate(classes))


def test_a_smaller_share_lies_within_a_larger(boards):
    records = [record for split in boards.splits.values() for record in split]
    small, large = draw_share(records, 0.1, seed=3), draw_share(records, 0.5, seed=3)
    paths = [[record.path for record in part] for part in (small, large, records)]
    assert len(small) == round(0.1 * len(records))
    assert len(large) == round(0.5 * len(records))
    assert set(paths[0]) <= set(paths[1])
    assert paths[1] == [path for path in paths[2] if path in set(paths[1])]
    assert draw_share(records, 1.0, seed=0) == records
    assert draw_share(records, 0.1, seed=4) != small
    assert len(draw_share(records, 1e-9, seed=0)) == 1


@pytest.fixture
def boards(make_yolo):
    """Fifty pictures of ten boards: 25 with stains, ten of them with a hole too, and 25 of background."""
    texts = [labels(0, 1)] * 10 + [labels(1)] * 15 + [""] * 25
    return load_dataset(make_yolo({"train": {f"board{n % 10}_{n:02}": text for n, text in enumerate(texts)}}))


def names(index):
    return {part: [record.path.name for record in records] for part, records in index.splits.items()}


def test_every_picture_is_in_one_part(boards):
    parts = split_dataset(boards, PARTS, None, seed=0)
    found = [name for members in names(parts).values() for name in members]
    assert sorted(found) == sorted(r.path.name for r in boards.splits["train"])
    assert all(members == sorted(members) for members in names(parts).values())


def test_labels_and_background_are_shared_out_evenly(boards):
    parts = split_dataset(boards, PARTS, None, seed=0)
    for part, share in PARTS.items():
        mix = Counter(frozenset(o.label for o in r.objects) for r in parts.splits[part])
        assert mix == {frozenset({0, 1}): 10 * share, frozenset({1}): 15 * share, frozenset(): 25 * share}


def test_seed_decides(boards):
    first, again, other = (split_dataset(boards, PARTS, None, seed) for seed in (0, 0, 1))
    assert names(first) == names(again)
    assert first.content_hash == again.content_hash
    assert names(first) != names(other)


@pytest.mark.parametrize("group", [r"^(board\d)_", r"board\d"])
def test_groups_stay_together(boards, group):
    parts = split_dataset(boards, PARTS, group, seed=3)
    members = {part: {name[:6] for name in found} for part, found in names(parts).items()}
    assert [len(members[part]) for part in PARTS] == [6, 2, 2]
    assert not members["train"] & members["val"]
    assert not members["train"] & members["test"]
    assert not members["val"] & members["test"]


def test_equal_files_stay_together_and_join_their_groups(boards):
    pictures = boards.root / "images" / "train"
    shutil.copyfile(pictures / "board0_00.png", pictures / "board1_01.png")
    parts = split_dataset(load_dataset(boards.root), PARTS, r"board\d", seed=0)
    homes = {name[:6]: part for part, found in names(parts).items() for name in found}
    assert homes["board0"] == homes["board1"]


def test_expression_that_matches_nothing(boards):
    with pytest.raises(DataError, match=r"does not match 50 of 50 file names.*board0_00\.png"):
        split_dataset(boards, PARTS, r"coil(\d+)", seed=0)


def test_expression_whose_group_is_optional(boards):
    with pytest.raises(DataError, match="does not match 50 of 50"):
        split_dataset(boards, PARTS, r"board(x)?", seed=0)


def test_expression_that_is_none(boards):
    with pytest.raises(ConfigError, match="no regular expression"):
        split_dataset(boards, PARTS, "(", seed=0)


def test_more_parts_than_groups(boards):
    with pytest.raises(DataError, match="would hold no picture: 1 groups for 3 parts"):
        split_dataset(boards, PARTS, "board", seed=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train",
        "train=0.7",
        "train=0.7,val=0.7",
        "train=a,val=b",
        "train=1,val=0",
        "a=0.5,a=0.5",
        "a/b=0.5,c=0.5",
    ],
)
def test_malformed_parts(text):
    with pytest.raises(ConfigError, match=r"expected something like train=0\.7"):
        parse_parts(text)
