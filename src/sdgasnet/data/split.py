"""Divide a data set into parts with the same mix of classes, keeping groups together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from sdgasnet.data.fingerprint import image_hashes
from sdgasnet.data.layout import build_index
from sdgasnet.data.near_duplicates import find_near_duplicates, group_near_duplicates
from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.errors import ConfigError, DataError

BACKGROUND = -1
"""Label of a picture without objects, so that these are shared out evenly too."""


def parse_parts(text: str) -> dict[str, float]:
    """Names and shares of the parts.

    Args:
        text: ``NAME=SHARE,NAME=SHARE,...``; the shares add up to 1.

    Raises:
        ConfigError: It is of another form.

    Examples:
        >>> parse_parts("train=0.8,val=0.2")
        {'train': 0.8, 'val': 0.2}
    """
    entries = [entry.split("=") for entry in text.split(",")]
    problem = f"Parts '{text}'; expected something like train=0.7,val=0.15,test=0.15"
    if not all(len(entry) == 2 and re.fullmatch(r"\w+", entry[0].strip()) for entry in entries):
        raise ConfigError(f"{problem}.")
    try:
        parts = {name.strip(): float(share) for name, share in entries}
    except ValueError:
        raise ConfigError(f"{problem}, with numbers behind '='.") from None
    if len(parts) < len(entries) or len(parts) < 2:
        raise ConfigError(f"{problem}, two or more parts of different names.")
    if not all(share > 0 for share in parts.values()) or abs(sum(parts.values()) - 1) > 1e-6:
        raise ConfigError(f"{problem}: shares over 0 that add up to 1, not {sum(parts.values()):g}.")
    return parts


def draw_share(records: Sequence[ImageRecord], share: float, seed: int) -> list[ImageRecord]:
    """A random part of some pictures, in their old order; a smaller share of one seed lies within a larger.

    Args:
        records: Pictures.
        share: In (0, 1]; at least one picture is kept.
        seed: Of the random order.

    Examples:
        >>> draw_share([], 0.5, seed=0)
        []
    """
    count = max(1, round(share * len(records)))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(records))[:count])
    return [records[position] for position in chosen.tolist()]


def split_dataset(
    index: DatasetIndex,
    parts: Mapping[str, float],
    group: str | None,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    near_duplicates: bool = True,
) -> DatasetIndex:
    """Share all pictures out anew.

    Pictures of one group come into one part, and so do files that are equal byte for byte and pictures of the same
    piece of surface. Old splits are forgotten.

    Args:
        index: The data set.
        parts: Name -> share of the pictures; shares add up to 1.
        group: Regular expression, searched for in the file name; its first capture group (or the whole match)
            names the group of a picture. None: every picture by itself.
        seed: Of the random order; the same seed gives the same parts.
        progress: Called with (pictures read, pictures in all).
        near_duplicates: Whether pictures of the same piece of surface are looked for. Parts that lie in a fixture
            and hardly differ are taken for one piece.

    Returns:
        The same data set with the parts as splits; pictures in their old order.

    Raises:
        ConfigError: The expression is malformed.
        DataError: The expression doesn't match every name, or a part would stay empty.

    Source:
        Iterative stratification: Sechidis, Tsoumakas, Vlahavas, On the Stratification of Multi-Label Data,
        ECML PKDD 2011; that its units are groups of pictures is ours [O].
    """
    records = list({record.path: record for record in chain.from_iterable(index.splits.values())}.values())
    units = _units(records, group, progress, near_duplicates)
    chosen = _stratify(units, parts, np.random.default_rng(seed))
    part_of = {position: part for unit, part in zip(units, chosen, strict=True) for position in unit.members}
    splits = {part: [r for n, r in enumerate(records) if part_of[n] == part] for part in parts}
    empty = [part for part, members in splits.items() if not members]
    if empty:
        raise DataError(
            f"Part '{empty[0]}' would hold no picture: {len(units)} groups for {len(parts)} parts. "
            "Take fewer parts, or a finer group."
        )
    return build_index(index.root, index.format, index.class_names, splits, index.findings)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Pictures that stay together.

    Attributes:
        members: Positions in the list of records.
        pictures: Label -> pictures that hold it.
    """

    members: tuple[int, ...]
    pictures: Counter[int]


def _units(
    records: Sequence[ImageRecord],
    group: str | None,
    progress: Callable[[int, int], None] | None,
    near_duplicates: bool,
) -> list[_Unit]:
    pairs = find_near_duplicates([record.path for record in records], progress) if near_duplicates else []
    alike = {n: str(g) for g, members in enumerate(group_near_duplicates(pairs, len(records))) for n in members}
    near = [alike.get(n, f"alone {n}") for n in range(len(records))]
    names = group_names(records, group) if group is not None else [str(n) for n in range(len(records))]
    merged = _merge([names, image_hashes(records), near])
    members: dict[int, list[int]] = defaultdict(list)
    for position, root in enumerate(merged):
        members[root].append(position)
    return [
        _Unit(tuple(positions), Counter(chain.from_iterable(_labels(records[n]) for n in positions)))
        for positions in members.values()
    ]


def _labels(record: ImageRecord) -> set[int]:
    return {thing.label for thing in record.objects} or {BACKGROUND}


def group_names(records: Sequence[ImageRecord], group: str) -> list[str]:
    """Group of each picture, from its file name.

    Args:
        records: Pictures.
        group: Regular expression; its first capture group (or the whole match) names the group.

    Raises:
        ConfigError: The expression is malformed.
        DataError: It doesn't match every name.
    """
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise ConfigError(f"Group '{group}' is no regular expression: {error}.") from None
    names = [_group_name(pattern, record.path.name) for record in records]
    unmatched = [record.path.name for record, name in zip(records, names, strict=True) if name is None]
    if unmatched:
        raise DataError(
            f"Group '{group}' does not match {len(unmatched)} of {len(records)} file names, for example "
            f"{', '.join(unmatched[:3])}. Write it so that it matches every name."
        )
    return [name for name in names if name is not None]


def _group_name(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.search(name)
    return match and match.group(1 if pattern.groups else 0)


def _merge(keys: Sequence[Sequence[str]]) -> list[int]:
    """Number of the cluster of each position; positions that share a key of any kind are one cluster."""
    parent = list(range(len(keys[0])))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = position = parent[parent[position]]
        return position

    for kind in keys:
        first: dict[str, int] = {}
        for position, key in enumerate(kind):
            parent[root(position)] = root(first.setdefault(key, position))
    return [root(position) for position in range(len(parent))]


def _stratify(units: Sequence[_Unit], parts: Mapping[str, float], random: np.random.Generator) -> list[str]:
    """Part of each unit: the rarest label first, each time to the part that lacks it most."""
    total = sum((unit.pictures for unit in units), Counter[int]())
    pictures = sum(len(unit.members) for unit in units)
    lacks_label = {part: {label: share * n for label, n in total.items()} for part, share in parts.items()}
    lacks = {part: share * pictures for part, share in parts.items()}
    order = [int(n) for n in random.permutation(len(units))]
    order.sort(key=lambda n: -len(units[n].members))
    chosen: dict[int, str] = {}
    while len(chosen) < len(units):
        rest = [n for n in order if n not in chosen]
        frequency = Counter(chain.from_iterable(units[n].pictures for n in rest))
        rarest = min(frequency, key=lambda label: (frequency[label], label))
        for n in rest:
            if rarest in units[n].pictures:
                part = max(parts, key=lambda name: (lacks_label[name][rarest], lacks[name]))
                chosen[n] = part
                lacks[part] -= len(units[n].members)
                for label, number in units[n].pictures.items():
                    lacks_label[part][label] -= number
    return [chosen[n] for n in range(len(units))]
