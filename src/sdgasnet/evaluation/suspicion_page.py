"""The page of suspected labels: each with its picture, what is labelled, and what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import ImageError
from sdgasnet.evaluation.label_errors import WEIGHT, Suspicion
from sdgasnet.evaluation.page import close_up, drawing, fact_table, fill_page, number_table
from sdgasnet.imaging.draw import class_colour, draw_boxes
from sdgasnet.imaging.image import Image, read_image

LABELLED, FOUND, OTHER = 4, 5, 7
"""Blue, vermilion and white of the palette: told apart by the colour-blind, too."""
APART = 1.5
"""Pixels by which a found box is drawn larger, so that it does not hide the labelled one."""
ROUNDED = 0.02
"""Pixels by which boxes of suspicions may differ from the labels."""


def build_suspicion_page(
    suspicions: Sequence[Suspicion],
    records: Mapping[str, ImageRecord],
    class_names: Sequence[str],
    shown: int,
    facts: Mapping[str, str],
) -> str:
    """The page as text.

    Args:
        suspicions: Strongest first.
        records: Pictures by name.
        class_names: Names of the labels.
        shown: So many are drawn.
        facts: What was looked at, by name.

    Returns:
        HTML without any outside reference.
    """
    cards = [
        _card(number, entry, records, class_names) for number, entry in enumerate(suspicions[:shown], start=1)
    ]
    counts = Counter(entry.kind for entry in suspicions)
    return fill_page(
        "suspicion_page.html",
        lead=escape(f"{len(suspicions)} suspicions, the first {len(cards)} are shown"),
        labelled_colour=_hex(LABELLED),
        other_colour=_hex(OTHER),
        found_colour=_hex(FOUND),
        cards="".join(cards) or "<p>None.</p>",
        kinds=number_table(("kind", "suspicions"), [(kind, (str(counts[kind]),)) for kind in WEIGHT]),
        facts=fact_table(facts),
    )


def _card(number: int, entry: Suspicion, records: Mapping[str, ImageRecord], class_names: Sequence[str]) -> str:
    head = (
        f"<p><b>{number}. {escape(entry.picture)}</b> ({entry.kind}, {entry.strength:.2f})<br>"
        f"{escape(describe_suspicion(entry, class_names))}</p>"
    )
    try:
        record = records[entry.picture]
        pixels = read_image(record.path, 3)
        views = [drawing(_draw(pixels, record, entry), entry.picture, "the picture")]
        if entry.unlike:
            other = records[entry.unlike[0]]
            views.append(drawing(_draw(read_image(other.path, 3), other, None), other.name, other.name))
        elif (near := _draw_near(pixels, record, entry)) is not None:
            views.append(drawing(near, entry.picture, "close-up"))
    except ImageError as error:
        return f'<div class="card">{head}<p>{escape(str(error))}</p></div>'
    return f'<div class="card">{head}<div class="pair close">{"".join(views)}</div></div>'


def describe_suspicion(entry: Suspicion, class_names: Sequence[str]) -> str:
    """A suspicion in words, with what to do.

    Examples:
        >>> describe_suspicion(Suspicion("a.png", "missing", 0.9, None, (0, (1.0, 2.0, 3.0, 4.0))), ["pit"])
        'Found pit, where nothing is labelled. Is it one? Then draw its box.'
    """
    labelled, found = (None if thing is None else class_names[thing[0]] for thing in (entry.labelled, entry.found))
    others = f"{len(entry.unlike)} near-duplicates have" if len(entry.unlike) > 1 else "a near-duplicate has"
    if entry.kind == "missing":
        return f"Found {found}, where nothing is labelled. Is it one? Then draw its box."
    if entry.kind == "class":
        return f"Labelled {labelled}, found {found}. Which is right?"
    if entry.kind == "extent":
        return f"The {labelled} was found in another box. Which fits?"
    if entry.kind == "extra":
        return f"Labelled {labelled}, where nothing was found. Is it one? If not, remove its box."
    if labelled is None:
        return f"Nothing is labelled, but {others} {found} here. Label them alike."
    return f"Labelled {labelled}, but {others} {found or 'nothing'} here. Label them alike."


def _draw(
    pixels: Image, record: ImageRecord, entry: Suspicion | None, origin: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.uint8]:
    """All labels, and on top what the suspicion is of, on a cut of the picture that begins at ``origin``."""
    things = [(box, OTHER) for box in _labelled_beside(record, entry)]
    if entry is not None:
        things += [
            (thing[1], colour) for thing, colour in ((entry.labelled, LABELLED), (entry.found, FOUND)) if thing
        ]
    boxes = np.array([box for box, _ in things], np.float64).reshape(-1, 4) - np.tile(origin, 2)
    boxes[[colour == FOUND for _, colour in things]] += APART * np.array([-1.0, -1.0, 1.0, 1.0])
    # The first is drawn on top.
    return draw_boxes(pixels, boxes[::-1], [colour for _, colour in things][::-1], [""] * len(things))


def _labelled_beside(record: ImageRecord, entry: Suspicion | None) -> list[tuple[float, float, float, float]]:
    suspected = None if entry is None or entry.labelled is None else np.array(entry.labelled[1])
    return [
        thing.box_xyxy
        for thing in record.objects
        if suspected is None or np.abs(suspected - thing.box_xyxy).max() > ROUNDED
    ]


def _draw_near(pixels: Image, record: ImageRecord, entry: Suspicion) -> NDArray[np.uint8] | None:
    boxes = np.array([thing[1] for thing in (entry.labelled, entry.found) if thing is not None], np.float64)
    around = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    near = close_up(pixels, around)
    if near is None:
        return None
    left, top = (around - near[1])[:2].tolist()
    return _draw(near[0], record, entry, (left, top))


def _hex(label: int) -> str:
    return "#" + "".join(f"{part:02x}" for part in class_colour(label))
