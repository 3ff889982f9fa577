"""Plots of a run, in one style, with colours that a colour-blind person can tell apart."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import MissingExtraError
from sdgasnet.evaluation.measure import Measurement
from sdgasnet.imaging.draw import draw_boxes, draw_detections
from sdgasnet.imaging.image import Channels, read_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito, Color Universal Design, 2008."""
LINES = ("-", "--", "-.", ":")
DPI = 130


def plot_losses(metrics_file: Path) -> Figure:
    """Loss terms and AP by epoch, from ``metrics.csv``."""
    with metrics_file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    figure, (left, right) = _figure(2)
    epochs = [int(row["epoch"]) for row in rows]
    for number, name in enumerate(("total", "classes", "boxes", "distribution")):
        left.plot(epochs, [float(row[name]) for row in rows], LINES[number], color=COLOURS[number], label=name)
    _finish(left, "Training loss", "epoch", "loss")
    measured = [row for row in rows if row["AP50"]]
    for number, name in enumerate(("AP50", "AP")):
        values = [float(row[name]) for row in measured]
        right.plot(
            [int(row["epoch"]) for row in measured], values, "o-", color=COLOURS[number], label=name, markersize=3
        )
    right.set_ylim(0, 1)
    _finish(right, "Val split, averaged weights", "epoch", "average precision")
    return figure


def plot_curves(measurement: Measurement) -> Figure:
    """Precision against recall a class; precision, recall and F1 against the threshold."""
    figure, (left, right) = _figure(2)
    for number, (name, curve) in enumerate(measurement.class_curves.items()):
        shown = curve.recall > 0
        style = LINES[number // len(COLOURS) % len(LINES)]
        ap50 = measurement.average_precision.per_class[name]["AP50"]
        label = f"{name} ({ap50:.2f})" if ap50 is not None else f"{name} (no label)"
        left.plot(
            curve.recall[shown], curve.precision[shown], style, color=COLOURS[number % len(COLOURS)], label=label
        )
    left.set(xlim=(0, 1), ylim=(0, 1.02))
    _finish(left, "Precision and recall at IoU 0.5 (AP50)", "recall", "precision")
    curve, best = measurement.curve, measurement.curve.best()
    for number, (name, values) in enumerate(
        (("precision", curve.precision), ("recall", curve.recall), ("F1", curve.f1))
    ):
        right.plot(curve.thresholds, values, LINES[number], color=COLOURS[number], label=name)
    right.axvline(best["threshold"], color="#999999", linewidth=1)
    right.annotate(f"best F1 {best['F1']:.2f} at {best['threshold']:.2f}", (best["threshold"], 0.03), fontsize=8)
    right.set(xlim=(0, 1), ylim=(0, 1.02))
    _finish(right, "All classes by score threshold", "score threshold", "")
    return figure


def plot_confusion(measurement: Measurement) -> Figure:
    """Confusion matrix at the model's threshold: counts, shaded by the share of the true class."""
    matrix = measurement.confusion
    names = [*measurement.class_names, "background"]
    figure, (axes,) = _figure(1)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="detected as", ylabel="labelled as")
    axes.set_title(f"Confusion at score {measurement.score_threshold:g}, IoU 0.5", fontsize=10)
    return figure


def plot_labels(records: Sequence[ImageRecord], class_names: Sequence[str]) -> Figure:
    """What is labelled: objects a class, sizes of boxes, objects a picture."""
    figure, (left, middle, right) = _figure(3)
    labels = [thing.label for record in records for thing in record.objects]
    counts = np.bincount(labels, minlength=len(class_names)) if labels else np.zeros(len(class_names), int)
    left.barh(range(len(class_names)), counts, color=COLOURS[0])
    left.set_yticks(range(len(class_names)), class_names, fontsize=8)
    left.invert_yaxis()
    _finish(left, "Objects a class", "objects", "", legend=False)
    sides = np.array(
        [
            (thing.box_xyxy[2] - thing.box_xyxy[0], thing.box_xyxy[3] - thing.box_xyxy[1])
            for record in records
            for thing in record.objects
        ]
    ).reshape(-1, 2)
    middle.scatter(sides[:, 0], sides[:, 1], s=6, alpha=0.3, color=COLOURS[1], linewidths=0)
    _finish(middle, "Sizes of boxes", "width, pixels", "height, pixels", legend=False)
    numbers = np.bincount([len(record.objects) for record in records])
    right.bar(range(len(numbers)), numbers, color=COLOURS[2])
    _finish(right, "Objects a picture (0 = background)", "objects", "pictures", legend=False)
    return figure


def sheet_of_predictions(
    measurement: Measurement, channels: Channels, count: int, score_threshold: float
) -> list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Pictures spread evenly over the split, labelled and detected.

    Args:
        measurement: Detections and labels.
        channels: As the model reads them.
        count: How many pictures at most.
        score_threshold: Detections below are not drawn.

    Returns:
        (name, picture with labels, picture with detections).
    """
    total = len(measurement.records)
    chosen = sorted({round(i) for i in np.linspace(0, total - 1, min(count, total))})
    sheet = []
    for number in chosen:
        record = measurement.records[number]
        image = read_image(record.path, channels)
        boxes = np.array([thing.box_xyxy for thing in record.objects], dtype=np.float64).reshape(-1, 4)
        labels = [thing.label for thing in record.objects]
        truth = draw_boxes(image, boxes, labels, [measurement.class_names[label] for label in labels])
        found = measurement.detections[number].above(score_threshold)
        sheet.append((record.name, truth, draw_detections(image, found, measurement.class_names)))
    return sheet


def plot_sheet(sheet: Sequence[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]) -> Figure:
    """Labels (upper row) above detections (lower row)."""
    pyplot = _pyplot()
    columns = max(1, len(sheet))
    figure, axes = pyplot.subplots(2, columns, figsize=(3.2 * columns, 6.8), squeeze=False, layout="constrained")
    for column, (name, truth, found) in enumerate(sheet):
        for row, picture in enumerate((truth, found)):
            axes[row, column].imshow(picture)
            axes[row, column].set_axis_off()
        axes[0, column].set_title(f"{Path(name).name}\nlabelled", fontsize=9)
        axes[1, column].set_title("detected", fontsize=9)
    return figure  # type: ignore[no-any-return]


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, with its folder, and free it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
    _pyplot().close(figure)


def _figure(panels: int) -> tuple[Figure, tuple[Axes, ...]]:
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(1, panels, figsize=(5.2 * panels, 4.4), squeeze=False, layout="constrained")
    return figure, tuple(axes[0])


def _finish(axes: Axes, title: str, x: str, y: str, legend: bool = True) -> None:
    axes.set_title(title, fontsize=10)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(fontsize=8, frameon=False)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("eval", "Plotting") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
