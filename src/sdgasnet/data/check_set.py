"""Findings about a data set as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from sdgasnet.data.picture_facts import PictureFacts
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord
from sdgasnet.data.statistics import SMALL_AREA, Statistics

WHERE = "."
"""The data set's folder itself, as a path below it."""
REPEATED_SHARE = 0.1
"""Share of pictures from which on something is no accident of single pictures."""
IMBALANCE = 10
"""Times that the largest class may outnumber the smallest before it is said."""
EXAMPLES = 3
LIGHT_SHIFT = 0.5
"""Difference of mean brightness or contrast to train, in standard deviations of train, from which a split looks
different."""
STORED_ALIKE = 0.5
"""Common share of formats and qualities below which two groups of pictures count as stored differently."""
FEW_PICTURES = 20
"""Groups of fewer pictures differ by chance."""


def check_set(
    index: DatasetIndex, facts: Mapping[Path, PictureFacts], statistics: Statistics
) -> Iterator[Finding]:
    """Everything that can be said of the set as a whole.

    Args:
        index: The data set.
        facts: Facts by picture file.
        statistics: Numbers over the same set.
    """
    for look in _LOOKS:
        yield from look(index, facts, statistics)


def _classes(index: DatasetIndex, _: Mapping[Path, PictureFacts], statistics: Statistics) -> Iterator[Finding]:
    counts = dict.fromkeys(index.class_names, 0)
    for split in statistics.splits.values():
        for name, number in split.class_boxes.items():
            counts[name] += number
    train = statistics.splits.get("train")
    for name in index.class_names:
        if train is not None and not train.class_boxes[name]:
            message = f"Class '{name}' has no box in train and {counts[name]} elsewhere; it can't be learnt."
            yield Finding("warning", "class-without-boxes", WHERE, message)
    plain = Counter("".join(filter(str.isalnum, name.casefold())) for name in index.class_names)
    alike = [n for n in index.class_names if plain["".join(filter(str.isalnum, n.casefold()))] > 1]
    if alike:
        message = f"Class names that differ in case or punctuation only: {', '.join(alike)}."
        yield Finding("warning", "similar-class-names", WHERE, message)
    used = {name: number for name, number in counts.items() if number}
    if used and max(used.values()) > IMBALANCE * min(used.values()):
        most, least = max(used, key=used.__getitem__), min(used, key=used.__getitem__)
        message = f"'{most}' has {used[most]} boxes, '{least}' {used[least]}."
        yield Finding("note", "class-imbalance", WHERE, message)


def _contents(index: DatasetIndex, _: Mapping[Path, PictureFacts], statistics: Statistics) -> Iterator[Finding]:
    boxes, pictures = statistics.boxes, statistics.pictures
    total = sum(split.pictures for split in statistics.splits.values())
    if not any(split.background for split in statistics.splits.values()):
        message = "No picture is without a defect, so false alarms on good parts are neither learnt nor measured."
        yield Finding("note", "no-background", WHERE, message)
    if pictures.several_classes:
        message = f"{pictures.several_classes} of {total} pictures hold objects of more than one class."
        yield Finding("note", "several-classes", WHERE, message)
    if boxes.difficult:
        yield Finding(
            "note", "difficult", WHERE, f"{boxes.difficult} objects are marked difficult; they are kept."
        )
    if boxes.crowd:
        message = f"{boxes.crowd} objects are marked as crowd; they are ignored in training and measuring."
        yield Finding("note", "crowd", WHERE, message)
    strays = _named_after_other_class(index)
    if strays:
        message = (
            f"{len(strays)} pictures are named after one class and hold objects of another; the annotation "
            f"decides, not the name ({_examples(strays)})."
        )
        yield Finding("note", "name-of-other-class", WHERE, message)


def _named_after_other_class(index: DatasetIndex) -> list[ImageRecord]:
    """Pictures with an object of another class than their name says, in sets named that way throughout."""
    records = _records(index)
    by_length = sorted(index.class_names, key=len, reverse=True)
    named = {r.name: next((name for name in by_length if name in r.path.stem), None) for r in records}
    if None in named.values():
        return []
    return [r for r in records if any(index.class_names[o.label] != named[r.name] for o in r.objects)]


def _boxes(index: DatasetIndex, _: Mapping[Path, PictureFacts], statistics: Statistics) -> Iterator[Finding]:
    boxes = statistics.boxes
    total = boxes.small + boxes.medium + boxes.large
    if not total:
        return
    if boxes.near_border[1]:
        shares = ", ".join(f"{n} ({n / total:.1%}) nearer than {d} px" for d, n in boxes.near_border.items())
        yield Finding("note", "boxes-near-border", WHERE, f"Of {total} boxes come to the border: {shares}.")
    if boxes.small > total / 2:
        message = (
            f"{boxes.small} of {total} boxes are smaller than 32x32 in area (< {SMALL_AREA} px; median "
            f"{boxes.width_quantiles[2]:.4g}x{boxes.height_quantiles[2]:.4g}): the pictures are coarse for these "
            "defects, so train at no smaller size."
        )
        yield Finding("note", "small-boxes", WHERE, message)
    if index.format == "voc":
        yield find_origin(index)


def find_origin(index: DatasetIndex) -> Finding:
    """Where the coordinates of a VOC set with boxes start; some tools count from 0 against the format."""
    starts = [v for record in _records(index) for thing in record.objects for v in thing.box_xyxy[:2]]
    from_zero = sum(value < 0 for value in starts)
    if from_zero:
        message = (
            f"{from_zero} corners have xmin or ymin of 0: written by a tool that counts from 0. Boxes are read "
            "as VOC defines them, from 1, and so lie one pixel too far left and up."
        )
        return Finding("warning", "counted-from-zero", WHERE, message)
    message = f"Smallest xmin or ymin {min(starts) + 1:g}: counted from 1, both ends included, and read as such."
    return Finding("note", "counted-from-one", WHERE, message)


def _pictures(
    index: DatasetIndex, facts: Mapping[Path, PictureFacts], statistics: Statistics
) -> Iterator[Finding]:
    pictures, total = statistics.pictures, len(facts)
    readable = [record for record in _records(index) if record.path in facts]
    if pictures.equal_channels:
        message = (
            f"{pictures.equal_channels} of {total} pictures are grey and stored as colour with equal channels; "
            "model.channels=1 loses nothing on them."
        )
        yield Finding("note", "grey-as-colour", WHERE, message)
    for kind, counts in (("mixed-layouts", pictures.layouts), ("mixed-sizes", pictures.sizes)):
        if len(counts) > 1:
            shown = ", ".join(f"{number} of {name}" for name, number in list(counts.items())[:EXAMPLES])
            more = f" and {len(counts) - EXAMPLES} more" if len(counts) > EXAMPLES else ""
            yield Finding("note", kind, WHERE, f"The pictures differ: {shown}{more}.")
    stated = [r for r in readable if r.annotated_channels not in (None, facts[r.path].channels)]
    if stated:
        message = (
            f"{len(stated)} annotations state another number of channels than the picture has "
            f"({stated[0].annotated_channels} instead of {facts[stated[0].path].channels}; {_examples(stated)})."
        )
        yield Finding("note", "channels-differ", WHERE, message)
    turned = [record for record in readable if facts[record.path].black_corners]
    if len(turned) > REPEATED_SHARE * total:
        message = (
            f"{len(turned)} of {total} pictures have four black corners, as after turning them "
            f"({_examples(turned)}): rotation is in the pictures already, and boxes turned with them are hulls, "
            "so loose."
        )
        yield Finding("note", "turned-pictures", WHERE, message)
    noisy = [record for record in readable if facts[record.path].speckled]
    if len(noisy) > REPEATED_SHARE * total:
        message = f"{len(noisy)} of {total} pictures hold salt-and-pepper noise ({_examples(noisy)})."
        yield Finding("note", "speckled-pictures", WHERE, message)


def _splits(index: DatasetIndex, _: Mapping[Path, PictureFacts], statistics: Statistics) -> Iterator[Finding]:
    for split, light in statistics.light.items():
        for what, shift in (("brightness", light.brightness_shift), ("contrast", light.contrast_shift)):
            if shift is not None and abs(shift) > LIGHT_SHIFT and len(index.splits[split]) >= FEW_PICTURES:
                message = (
                    f"'{split}' does not look like train: its mean {what} differs by {shift:+.2f} standard "
                    "deviations of train. Figures measured on it may not hold for pictures as in train."
                )
                yield Finding("warning", "split-looks-different", WHERE, message)


def _storage(index: DatasetIndex, facts: Mapping[Path, PictureFacts], _: Statistics) -> Iterator[Finding]:
    """Groups that a network could tell apart by the traces of compression."""
    records = _records(index)
    groups = [
        (
            ("pictures without defects", [r for r in records if not r.objects]),
            ("those with", [r for r in records if r.objects]),
        )
    ]
    if "train" in index.splits:
        train = ("those of train", list(index.splits["train"]))
        others = ((split, list(members)) for split, members in index.splits.items() if split != "train")
        groups += [((f"pictures of '{split}'", members), train) for split, members in others]
    for pair in groups:
        counts = [Counter(facts[r.path].storage for r in members if r.path in facts) for _, members in pair]
        if min(map(Counter.total, counts)) >= FEW_PICTURES and _overlap(*counts) < STORED_ALIKE:
            said = [f"{name} ({_most_common(count)})" for (name, _), count in zip(pair, counts, strict=True)]
            message = (
                f"Stored unlike each other are {said[0]} and {said[1]}. A network can learn the traces of "
                "compression instead of the defects; let one camera and one setting store all of them."
            )
            yield Finding("warning", "stored-differently", WHERE, message)


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    """Common share of two distributions, in [0, 1]."""
    return sum(min(one[kind] / one.total(), other[kind] / other.total()) for kind in one)


def _most_common(counts: Counter[str]) -> str:
    kind, number = counts.most_common(1)[0]
    return f"{number} of {counts.total()}: {kind}"


_Look = Callable[[DatasetIndex, Mapping[Path, PictureFacts], Statistics], Iterator[Finding]]
_LOOKS: tuple[_Look, ...] = (_classes, _contents, _boxes, _pictures, _splits, _storage)


def _records(index: DatasetIndex) -> list[ImageRecord]:
    return list(chain.from_iterable(index.splits.values()))


def _examples(records: list[ImageRecord]) -> str:
    return "for example " + ", ".join(record.name for record in records[:EXAMPLES])
