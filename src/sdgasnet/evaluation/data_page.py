"""The data page: what the check found, with the pictures it is about, and what the data set is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.check import SEVERITIES, CheckReport
from sdgasnet.data.records import DatasetIndex, Finding, ImageRecord
from sdgasnet.data.statistics import Statistics
from sdgasnet.errors import ImageError
from sdgasnet.evaluation.figures import COLOURS, LINES, paper_colour
from sdgasnet.evaluation.page import fact_table, fill_page, panel, percent, picture
from sdgasnet.imaging.draw import draw_boxes
from sdgasnet.imaging.image import read_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LISTED = 5
"""Messages shown of one kind of finding."""
DRAWN = 4
"""Findings of one kind whose pictures are drawn."""
DRAWN_TOGETHER = 3
"""Pictures drawn of one finding about several."""
CELLS = 40
"""Cells of the heat map along each side."""
BINS = 24


def build_data_page(index: DatasetIndex, report: CheckReport) -> str:
    """The page as text.

    Args:
        index: The data set.
        report: What the check found.

    Returns:
        HTML without any outside reference.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    statistics = report.statistics
    records = list(chain.from_iterable(index.splits.values()))
    sizes = {record: report.facts[record.path].size for record in records if record.path in report.facts}
    light = {
        split: np.array([(seen.brightness, seen.contrast) for r in members if (seen := report.facts.get(r.path))])
        for split, members in index.splits.items()
    }
    light = {split: values for split, values in light.items() if len(values)}
    return fill_page(
        "data_page.html",
        lead=escape(f"{index.root.name}, read as {index.format}"),
        tiles=_tiles(report),
        findings=_finding_table(report.findings),
        pictures=_cards(index, report.findings),
        splits=_split_table(index, statistics),
        classes=_class_table(statistics),
        boxes=panel(_draw_sides, (index, records), "sizes of the boxes by class")
        + panel(_draw_aspects, (index, records), "aspect ratios of the boxes by class")
        + panel(_draw_places, sizes, "where the boxes lie")
        + panel(_draw_counts, index, "boxes in a picture"),
        light=_describe_light(statistics),
        lights=panel(_draw_light, (light, 0, "brightness"), "brightness by split")
        + panel(_draw_light, (light, 1, "contrast"), "contrast by split"),
        facts=fact_table(
            {
                "Data": str(index.root),
                "Content": f"SHA-256 {index.content_hash}",
                "Picture sizes": _most(statistics.pictures.sizes),
                "Channels and depth": _most(statistics.pictures.layouts),
            }
        ),
    )


def _tiles(report: CheckReport) -> str:
    splits = report.statistics.splits.values()
    counts = {severity: sum(found.severity == severity for found in report.findings) for severity in SEVERITIES}
    tiles = (
        (sum(split.pictures for split in splits), "pictures"),
        (sum(split.boxes for split in splits), "labelled objects"),
        (counts["error"], "errors, to be mended before training"),
        (counts["warning"], "warnings, to be looked at"),
    )
    return "".join(f'<div class="tile"><b>{number}</b><span>{text}</span></div>' for number, text in tiles)


def _by_kind(findings: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.kind), []).append(finding)
    return kinds


def _finding_table(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>Nothing.</p>"
    rows = []
    for (severity, kind), members in _by_kind(findings).items():
        lines = [found.text for found in members]
        more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
        text = "<br>".join(escape(line) for line in [*lines[:LISTED], *more])
        rows.append(f"<tr><th>{severity}</th><td>{escape(kind)}</td><td>{len(members)}</td><td>{text}</td></tr>")
    head = "<tr><th></th><th>kind</th><th>count</th><th>what, where</th></tr>"
    return f'<table class="findings"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _cards(index: DatasetIndex, findings: Sequence[Finding]) -> str:
    records = {record.name: record for record in chain.from_iterable(index.splits.values())}
    records |= {record.annotation.name: record for record in records.values() if record.annotation is not None}
    parts = []
    for (severity, kind), members in _by_kind(findings).items():
        shown = [found for found in members if found.where in records]
        cards = [card for found in shown[:DRAWN] if (card := _card(found, records, index.class_names))]
        if cards:
            more = f", {len(members) - len(cards)} more are not drawn" if len(members) > len(cards) else ""
            parts.append(f"<p><b>{escape(kind)}</b> ({severity}){more}</p>")
            parts.append(f'<div class="cards">{"".join(cards)}</div>')
    return "".join(parts) or "<p>No finding is about single pictures.</p>"


def _card(finding: Finding, records: Mapping[str, ImageRecord], class_names: Sequence[str]) -> str:
    figures = []
    for name in (finding.where, *finding.others)[:DRAWN_TOGETHER]:
        record = records.get(name)
        if record is None:
            continue
        try:
            pixels = read_image(record.path, 3)
        except ImageError:
            continue
        boxes = np.array([thing.box_xyxy for thing in record.objects], np.float32).reshape(-1, 4)
        labels = [thing.label for thing in record.objects]
        drawn = draw_boxes(pixels, boxes, labels, [class_names[label] for label in labels])
        figures.append(f"<figure>{picture(drawn, name)}<figcaption>{escape(name)}</figcaption></figure>")
    if not figures:
        return ""
    inside = f'<div class="pair">{"".join(figures)}</div>' if len(figures) > 1 else figures[0]
    return f'<div class="card"><p>{escape(finding.message)}</p>{inside}</div>'


def _split_table(index: DatasetIndex, statistics: Statistics) -> str:
    splits = statistics.splits.values()
    head = "".join(f"<th>{escape(split)}</th>" for split in statistics.splits)
    rows = [
        (
            escape(name),
            [f"{part.class_boxes[name]} in {part.class_pictures[name]}" for part in statistics.splits.values()],
        )
        for name in index.class_names
    ]
    background = [percent(part.background / part.pictures if part.pictures else None, " %") for part in splits]
    rows += [("without a box", background), ("pictures", [str(part.pictures) for part in splits])]
    body = "".join(f"<tr><th>{name}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>" for name, cells in rows)
    head = f"<tr><th>boxes in pictures</th>{head}</tr>"
    return f'<table class="numbers"><thead>{head}</thead><tbody>{body}</tbody></table>'


def _class_table(statistics: Statistics) -> str:
    rows = []
    for label, (name, of) in enumerate(statistics.classes.items()):
        swatch = f'<span class="swatch" style="background:{paper_colour(label)}"></span>'
        border = percent(of.at_border / of.boxes if of.boxes else None, " %")
        cells = (str(of.boxes), _range(of.side_quantiles, 0), _range(of.aspect_quantiles, 2), border)
        rows.append(f"<tr><th>{swatch}{escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "<tr><th>class</th><th>boxes</th><th>side px</th><th>aspect</th><th>at the border</th></tr>"
    return f'<table class="numbers plain"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _range(quantiles: Sequence[float], decimals: int) -> str:
    if not quantiles:
        return "–"
    _, low, median, high, _ = quantiles
    return f"{median:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


def _describe_light(statistics: Statistics) -> str:
    sentences = []
    for split, light in statistics.light.items():
        if light.brightness_shift is None or light.contrast_shift is None:
            continue
        sentences.append(
            f"The mean brightness of '{split}' differs from that of train by {light.brightness_shift:+.2f} "
            f"standard deviations of train, its contrast by {light.contrast_shift:+.2f}."
        )
    return escape(" ".join(sentences) or "There is no other split to compare with train.")


def _most(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name}: {number}" for name, number in list(counts.items())[:LISTED])
    return shown + (f" and {len(counts) - LISTED} others" if len(counts) > LISTED else "")


def _boxes_of(records: Sequence[ImageRecord], label: int) -> NDArray[np.float64]:
    return np.array(
        [thing.box_xyxy for record in records for thing in record.objects if thing.label == label], np.float64
    ).reshape(-1, 4)


def _draw_sides(axes: Axes, what: tuple[DatasetIndex, Sequence[ImageRecord]]) -> None:
    def side(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        areas: NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        return np.sqrt(np.maximum(areas, 1.0))

    _draw_by_class(axes, what, side, "square root of the area, pixels")


def _draw_aspects(axes: Axes, what: tuple[DatasetIndex, Sequence[ImageRecord]]) -> None:
    def aspect(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.5)
        ratio: NDArray[np.float64] = sides[:, 0] / sides[:, 1]
        return ratio

    _draw_by_class(axes, what, aspect, "width divided by height")


def _draw_by_class(
    axes: Axes,
    what: tuple[DatasetIndex, Sequence[ImageRecord]],
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    label: str,
) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    index, records = what
    values = [measure(_boxes_of(records, number)) for number in range(len(index.class_names))]
    joined = np.concatenate([*values, np.zeros(0)])
    low, high = (float(joined.min()), float(joined.max())) if len(joined) else (1.0, 10.0)
    edges = np.geomspace(low, max(high, low * 1.01), BINS + 1)
    for number, (name, of) in enumerate(zip(index.class_names, values, strict=True)):
        if len(of):
            steps = axes.stairs(np.histogram(of, edges)[0], edges, linewidth=1.8, label=name)
            steps.set(color=paper_colour(number), linestyle=LINES[number % len(LINES)])
    axes.set(xscale="log", xlabel=label, ylabel="boxes")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if len(joined):
        axes.legend(fontsize="small")


def _draw_places(axes: Axes, sizes: Mapping[ImageRecord, tuple[int, int]]) -> None:
    covered = np.zeros((CELLS, CELLS))
    for record, (height, width) in sizes.items():
        seen = np.zeros_like(covered, dtype=np.bool_)
        for thing in record.objects:
            x1, y1, x2, y2 = np.array(thing.box_xyxy) / (width, height, width, height) * CELLS
            seen[max(0, int(y1)) : max(1, int(np.ceil(y2))), max(0, int(x1)) : max(1, int(np.ceil(x2)))] = True
        covered += seen
    shown = axes.imshow(100 * covered / max(len(sizes), 1), cmap="cividis", extent=(0, 1, 1, 0), vmin=0)
    axes.set(xlabel="across the picture", ylabel="down the picture")
    axes.figure.colorbar(shown, ax=axes, label="% of pictures with a box there")


def _draw_counts(axes: Axes, index: DatasetIndex) -> None:
    most = max((len(record.objects) for members in index.splits.values() for record in members), default=0)
    numbers = {split: [len(record.objects) for record in members] for split, members in index.splits.items()}
    _draw_by_split(axes, numbers, np.arange(most + 2, dtype=np.float64) - 0.5)
    axes.set(xlabel="boxes in a picture", ylabel="% of the split's pictures")


def _draw_light(axes: Axes, what: tuple[Mapping[str, NDArray[np.float64]], int, str]) -> None:
    light, column, name = what
    values = {split: 100 * of[:, column] for split, of in light.items()}
    joined = np.concatenate([*values.values(), np.zeros(0)])
    low, high = (float(joined.min()), float(joined.max())) if len(joined) else (0.0, 100.0)
    edges: NDArray[np.float64] = np.linspace(low, max(high, low + 0.1), BINS + 1)
    _draw_by_split(axes, values, edges)
    axes.set(xlabel=f"{name} of a picture, % of full scale", ylabel="% of the split's pictures")


def _draw_by_split(
    axes: Axes, values: Mapping[str, Sequence[float] | NDArray[np.float64]], edges: NDArray[np.float64]
) -> None:
    for number, (split, of) in enumerate(values.items()):
        counts, _ = np.histogram(of, edges)
        steps = axes.stairs(100 * counts / max(1, counts.sum()), edges, linewidth=1.8, label=split)
        steps.set(color=COLOURS[number % len(COLOURS)], linestyle=LINES[number % len(LINES)])
    if values:
        axes.legend(fontsize="small")
