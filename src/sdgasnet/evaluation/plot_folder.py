"""The folder of plots that a run and ``val --plots`` leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.examples import choose_examples, plot_examples
from sdgasnet.evaluation.figures import save_figure
from sdgasnet.evaluation.measure import Measurement
from sdgasnet.evaluation.plots import plot_confusion, plot_curves, plot_labels, plot_training
from sdgasnet.imaging.image import Channels

SHEET_PICTURES = 6


def write_plots(
    folder: Path,
    measurement: Measurement,
    channels: Channels,
    labelled: Sequence[ImageRecord],
    metrics_file: Path | None,
) -> None:
    """Write ``curves.png``, ``confusion.png``, ``predictions.png``, ``labels.png`` and ``losses.png``.

    Args:
        folder: Where to; it is made.
        measurement: What a model does on a split.
        channels: As pictures are read for people.
        labelled: Pictures whose labels ``labels.png`` shows.
        metrics_file: ``metrics.csv`` of the run; None leaves out ``losses.png``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: A file can't be written, or ``metrics_file`` is something else.
    """
    figures = {
        "curves.png": plot_curves(measurement),
        "confusion.png": plot_confusion(measurement),
        "predictions.png": plot_examples(choose_examples(measurement, channels, SHEET_PICTURES)),
        "labels.png": plot_labels(labelled, measurement.class_names),
    }
    if metrics_file is not None:
        figures["losses.png"] = plot_training(metrics_file)
    for name, figure in figures.items():
        save_figure(figure, folder / name)
