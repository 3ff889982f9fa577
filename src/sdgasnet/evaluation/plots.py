"""Plots of a run and of a measurement."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import OutputError
from sdgasnet.evaluation.figures import (
    COLOURS,
    LINES,
    PANEL_SIZE,
    class_line,
    finish_axes,
    panels,
    paper_colour,
)
from sdgasnet.evaluation.measure import Measurement
from sdgasnet.evaluation.operating_point import THRESHOLDS
from sdgasnet.imaging.image import read_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS_TERMS = ("total", "classes", "boxes", "distribution")
SHOWN_CLASSES = 12
"""A legend with more names would hide the curves; the others are drawn without."""
SIZED_PICTURES = 300
"""Pictures whose size is looked up for the map of positions."""


def plot_training(metrics_file: Path) -> Figure:
    """Loss terms and AP by epoch, from ``metrics.csv``.

    Raises:
        OutputError: It is not such a file.
    """
    rows = read_metrics(metrics_file)
    with panels(1, 2) as (figure, (left, right)):
        draw_losses(left, rows)
        draw_accuracy(right, rows)
    return figure


def plot_curves(measurement: Measurement) -> Figure:
    """Precision against recall a class; precision, recall and F1 against the threshold."""
    with panels(1, 2) as (figure, (left, right)):
        draw_precision_by_recall(left, measurement)
        draw_figures_by_threshold(right, measurement)
    return figure


def plot_confusion(measurement: Measurement) -> Figure:
    """Confusion matrix at the score threshold: counts and shares of the row, shaded by the share."""
    side = max(PANEL_SIZE[0], 1.6 + 0.62 * (len(measurement.class_names) + 1))
    with panels(1, 1, (side, 0.9 * side)) as (figure, (axes,)):
        draw_confusion(axes, measurement)
    return figure


def plot_labels(records: Sequence[ImageRecord], class_names: Sequence[str]) -> Figure:
    """What is labelled: objects a class, sizes and positions of boxes, objects a picture."""
    with panels(2, 2) as (figure, (classes, sizes, places, numbers)):
        draw_class_balance(classes, records, class_names)
        draw_box_sizes(sizes, records, class_names)
        draw_positions(places, records)
        draw_objects_a_picture(numbers, records)
    return figure


def draw_losses(axes: Axes, rows: Sequence[Mapping[str, str]]) -> None:
    """Loss terms by epoch."""
    epochs = [int(row["epoch"]) for row in rows]
    for name, line, colour in zip(LOSS_TERMS, LINES, COLOURS, strict=True):
        axes.plot(epochs, [float(row[name]) for row in rows], line, color=colour, label=name)
    axes.set_ylim(bottom=0)
    axes.legend()
    finish_axes(axes, "Training loss", "epoch", "loss")


def draw_accuracy(axes: Axes, rows: Sequence[Mapping[str, str]]) -> None:
    """AP50 and AP on the val split by epoch."""
    measured = [row for row in rows if row["AP50"]]
    epochs = [int(row["epoch"]) for row in measured]
    for name, line, colour in zip(("AP50", "AP"), LINES, COLOURS, strict=False):
        values = [100 * float(row[name]) for row in measured]
        axes.plot(epochs, values, line, marker="o", markersize=3, color=colour, label=name)
        if values:
            axes.annotate(
                f"{values[-1]:.1f}", (epochs[-1], values[-1]), (0, 5), textcoords="offset points", ha="right"
            )
    axes.set_ylim(0, 100)
    axes.legend()
    finish_axes(axes, "Val split, averaged weights", "epoch", "average precision, %")


def draw_precision_by_recall(axes: Axes, measurement: Measurement) -> None:
    """One curve a class, over all detections down to the score floor."""
    for label, (name, curve) in enumerate(measurement.class_curves.items()):
        ap50 = measurement.average_precision.per_class[name]["AP50"]
        if ap50 is None:
            continue
        recall, precision = (100 * values for values in curve.precision_by_recall())
        caption = f"{name} {100 * ap50:.1f}" if label < SHOWN_CLASSES else None
        axes.plot(recall, precision, class_line(label), color=paper_colour(label), linewidth=1.4, label=caption)
    axes.set(xlim=(0, 100), ylim=(0, 102))
    if axes.get_legend_handles_labels()[1]:
        # Below the panel: weak classes fill the lower left corner, strong ones the upper right.
        axes.legend(title="AP50, %", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)
    finish_axes(axes, "Precision and recall by class, IoU 0.5", "recall, %", "precision, %")


def draw_figures_by_threshold(axes: Axes, measurement: Measurement) -> None:
    """Precision, recall and F1 over all classes, with the threshold in use and that of the best F1."""
    curve = measurement.curve
    lines = (("precision", curve.precision), ("recall", curve.recall), ("F1", curve.f1))
    for (name, values), line, colour in zip(lines, LINES, COLOURS, strict=False):
        axes.plot(THRESHOLDS, 100 * values(THRESHOLDS), line, color=colour, label=name)
    axes.axvline(measurement.score_threshold, color="#555555", linewidth=1, label="threshold in use")
    best = curve.best()
    if best is not None and best["F1"] is not None:
        caption = f"best F1: {100 * best['F1']:.1f} at {best['threshold']:.2f}"
        axes.plot(best["threshold"], 100 * best["F1"], "o", color=COLOURS[2], markersize=6, label=caption)
    axes.set(xlim=(0, 1), ylim=(0, 102))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)
    finish_axes(axes, "All classes by score threshold, IoU 0.5", "score threshold", "%")


def draw_confusion(axes: Axes, measurement: Measurement) -> None:
    """Counts, and shares of what is labelled so."""
    matrix = measurement.confusion
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{count}\n{100 * share[row, column]:.0f} %"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7.5)
    places = range(len(matrix))
    axes.set_xticks(places, [*measurement.class_names, "nothing\n(missed)"], rotation=40, ha="right")
    axes.set_yticks(places, [*measurement.class_names, "nothing\n(false alarm)"])
    axes.spines[:].set_visible(False)
    axes.set(xlabel="detected as", ylabel="labelled as")
    axes.set_title(f"What is taken for what, at score {measurement.score_threshold:g}, IoU 0.5")


def draw_class_balance(axes: Axes, records: Sequence[ImageRecord], class_names: Sequence[str]) -> None:
    """Number of objects a class."""
    labels = np.array([thing.label for record in records for thing in record.objects], dtype=np.int64)
    counts = np.bincount(labels, minlength=len(class_names))
    bars = axes.barh(range(len(class_names)), counts, color=[paper_colour(i) for i in range(len(class_names))])
    axes.bar_label(bars, padding=2, fontsize=8)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    finish_axes(axes, "Objects by class", "objects", "")


def draw_box_sizes(axes: Axes, records: Sequence[ImageRecord], class_names: Sequence[str]) -> None:
    """Width and height of every box, coloured by class."""
    boxes, labels = _all_boxes(records)
    sides = boxes[:, 2:] - boxes[:, :2]
    for label in range(len(class_names)):
        chosen = sides[labels == label]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=7, alpha=0.4, color=paper_colour(label), linewidths=0)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    finish_axes(axes, "Sizes of boxes, by class", "width, pixels", "height, pixels")


def draw_positions(axes: Axes, records: Sequence[ImageRecord]) -> None:
    """Where in the picture the centres of boxes lie, as a map of 20 x 20 fields."""
    chosen = records[:: -(-len(records) // SIZED_PICTURES)] if records else records
    centres = []
    for record in chosen:
        height, width = record.annotated_size or read_image(record.path, 1).shape[:2]
        boxes, _ = _all_boxes([record])
        centres.append((boxes[:, :2] + boxes[:, 2:]) / 2 / (width, height))
    x, y = np.concatenate([np.zeros((0, 2)), *centres]).T
    counts, _, _ = np.histogram2d(y, x, bins=20, range=((0, 1), (0, 1)))
    image = axes.imshow(counts, cmap="Blues", extent=(0, 100, 100, 0))
    axes.figure.colorbar(image, ax=axes, shrink=0.8, label="objects")
    finish_axes(axes, "Centres of boxes in the picture", "% of the width", "% of the height")


def draw_objects_a_picture(axes: Axes, records: Sequence[ImageRecord]) -> None:
    """How many pictures have how many objects."""
    numbers = np.bincount([len(record.objects) for record in records])
    axes.bar(range(len(numbers)), numbers, color=COLOURS[0])
    axes.locator_params(axis="x", integer=True)
    finish_axes(axes, "Objects a picture (0 = background)", "objects", "pictures")


def _all_boxes(records: Sequence[ImageRecord]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    things = [thing for record in records for thing in record.objects]
    boxes = np.array([thing.box_xyxy for thing in things], dtype=np.float64).reshape(-1, 4)
    return boxes, np.array([thing.label for thing in things], dtype=np.int64)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Rows of ``metrics.csv``, one an epoch, at least one.

    Raises:
        OutputError: It is not such a file.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    missing = {"epoch", "AP", "AP50", "train_seconds", *LOSS_TERMS} - set(rows[0] if rows else ())
    if missing:
        raise OutputError(f"{path} is no record of a training: it lacks {', '.join(sorted(missing))}.")
    return rows
