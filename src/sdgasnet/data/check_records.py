"""Findings about single pictures and their labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from sdgasnet.data.picture_facts import PictureFacts
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord, ObjectRecord, Severity
from sdgasnet.data.statistics import is_large

ROUNDING = 0.05
"""Pixels by which relative coordinates of six decimals may miss the border of a very large picture."""
ONE_PIXEL = 1.0
"""Overhang up to here comes from another origin of the coordinates; training clips it."""
LISTED = 5
"""Pictures of a group that are named."""
TINY_SIDE = 3.0
"""Pixels; below, a box is rather a slip of the mouse than a defect."""

BoxFault = Literal["empty-box", "box-out-of-range"]
Box = tuple[float, float, float, float]


def find_box_fault(box_xyxy: Box, size: tuple[int, int]) -> BoxFault | None:
    """What makes a box wrong, if anything does.

    Args:
        box_xyxy: x1 y1 x2 y2 in pixels.
        size: (height, width) of the picture.

    Returns:
        ``empty-box`` if a side is under :data:`ROUNDING` pixels, which no format keeps apart from nothing;
        ``box-out-of-range`` if it sticks out of the picture by more than that.
    """
    x1, y1, x2, y2 = box_xyxy
    if min(x2 - x1, y2 - y1) < ROUNDING:
        return "empty-box"
    return "box-out-of-range" if overhang(box_xyxy, size) > ROUNDING else None


def overhang(box_xyxy: Box, size: tuple[int, int]) -> float:
    """Pixels by which a box sticks out of a picture of (height, width) at most; negative if it lies within."""
    x1, y1, x2, y2 = box_xyxy
    height, width = size
    return max(-x1, -y1, x2 - width, y2 - height)


def box_identity(thing: ObjectRecord) -> tuple[int, Box]:
    """Label and box to 0.0001 px; objects of one picture that are equal in it are the same box drawn again."""
    x1, y1, x2, y2 = (round(value, 4) for value in thing.box_xyxy)
    return thing.label, (x1, y1, x2, y2)


def check_record(record: ImageRecord, class_names: Sequence[str], size: tuple[int, int]) -> Iterator[Finding]:
    """Everything that can be said of one picture and its labels.

    Args:
        record: Picture with labels.
        class_names: Class names in order of the labels.
        size: (height, width) of the picture itself.
    """
    stated = record.annotated_size
    if stated is not None and stated != size:
        hint = " Height and width are exchanged: EXIF rotation?" if stated == size[::-1] else ""
        message = f"The annotation says {_sides(stated)}, the picture is {_sides(size)} (height x width).{hint}"
        yield Finding("error", "size-mismatch", record.name, message)
    for thing in record.objects:
        yield from _check_box(thing, record.name, class_names, size)
    for (label, box), count in Counter(map(box_identity, record.objects)).items():
        if count > 1:
            message = f"{class_names[label]} {_corners(box)} stands there {count} times."
            yield Finding("warning", "duplicate-box", record.name, message)


def _check_box(
    thing: ObjectRecord, where: str, class_names: Sequence[str], size: tuple[int, int]
) -> Iterator[Finding]:
    x1, y1, x2, y2 = thing.box_xyxy
    text = f"{class_names[thing.label]} {_corners(thing.box_xyxy)}"
    fault = find_box_fault(thing.box_xyxy, size)
    if fault == "empty-box":
        yield Finding("error", fault, where, f"{text} has a width or height under {ROUNDING:g} px.")
        return
    if fault == "box-out-of-range":
        outside = overhang(thing.box_xyxy, size)
        severity: Severity = "warning" if outside <= ONE_PIXEL else "error"
        message = f"{text} sticks out of the picture of {_sides(size)} (height x width) by {outside:.4g} px."
        yield Finding(severity, fault, where, message)
    if min(x2 - x1, y2 - y1) < TINY_SIDE:
        yield Finding("warning", "tiny-box", where, f"{text} has a side under {TINY_SIDE:g} px.")
    if is_large(thing, size):
        yield Finding("note", "large-box", where, f"{text} covers over 90 % of the picture.")


def check_identical(index: DatasetIndex, facts: Mapping[Path, PictureFacts]) -> Iterator[Finding]:
    """Pictures that occur more than once: a warning within one split, an error across splits.

    Args:
        index: The data set.
        facts: Facts by picture file.
    """
    groups: dict[str, list[tuple[str, ImageRecord]]] = defaultdict(list)
    for split, records in index.splits.items():
        for record in records:
            if record.path in facts:
                groups[facts[record.path].pixel_hash].append((split, record))
    for members in groups.values():
        if len(members) > 1:
            yield _identical(members, facts)


def _identical(members: Sequence[tuple[str, ImageRecord]], facts: Mapping[Path, PictureFacts]) -> Finding:
    (_, first), *_ = members
    places = ", ".join(f"{record.name} ({split})" for split, record in members)
    others = tuple(record.name for _, record in members[1:])
    same_bytes = len({facts[record.path].file_hash for _, record in members}) == 1
    measure = "byte for byte" if same_bytes else "pixel for pixel"
    differ = "; their labels differ" if len({frozenset(record.objects) for _, record in members}) > 1 else ""
    if len({split for split, _ in members}) > 1:
        message = (
            f"The same picture {measure} in several splits, which makes measurements too good: {places}{differ}."
        )
        return Finding("error", "picture-across-splits", first.name, message, others)
    message = f"The same picture {measure}: {places}{differ}."
    return Finding("warning", "duplicate-picture", first.name, message, others)


def check_near_duplicates(
    members: Sequence[tuple[str, ImageRecord]], groups: Sequence[Sequence[int]], facts: Mapping[Path, PictureFacts]
) -> Iterator[Finding]:
    """Pictures of the same piece of surface: a note within one split, an error across splits.

    Args:
        members: Split and picture.
        groups: Positions in ``members`` of pictures that show the same.
        facts: Facts by picture file; groups of equal pixels only are left to :func:`check_identical`.
    """
    for group in groups:
        if len({facts[members[n][1].path].pixel_hash for n in group}) == 1:
            continue
        splits = {members[n][0] for n in group}
        named = [f"{members[n][1].name} ({members[n][0]})" for n in group]
        # Of a long group the first of each split.
        shown = (
            named
            if len(named) <= LISTED
            else [next(n for n in named if n.endswith(f"({split})")) for split in sorted(splits)]
        )
        more = f" and {len(named) - len(shown)} more" if len(shown) < len(named) else ""
        places = ", ".join(shown) + more
        first, *others = (members[n][1].name for n in group)
        if len(splits) > 1:
            message = f"The same piece of surface in several splits, which makes measurements too good: {places}."
            yield Finding("error", "near-duplicates-across-splits", first, message, tuple(others))
        else:
            message = f"The same piece of surface: {places}."
            yield Finding("note", "near-duplicates", first, message, tuple(others))


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _corners(box: Box) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in box) + ")"
