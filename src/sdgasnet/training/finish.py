"""What a finished run leaves behind besides its model: figures and plots."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sdgasnet.data.index import require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation.measure import Measurement, measure
from sdgasnet.evaluation.plots import (
    plot_confusion,
    plot_curves,
    plot_labels,
    plot_losses,
    plot_sheet,
    save_figure,
    sheet_of_predictions,
)
from sdgasnet.models.checkpoint import ModelFile, read_document
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.detector import Detector
from sdgasnet.training.run_folder import RunFolder

SHEET_PICTURES = 6


def finish_run(
    run_path: Path, model: ModelFile, index: DatasetIndex, progress: Callable[[int, int], None]
) -> Measurement:
    """Measure the last epoch's model on the val split; write ``result.json`` and ``plots/``.

    Args:
        run_path: Folder of the run.
        model: Averaged weights of the last epoch.
        index: The data set.
        progress: Called with pictures measured and their number.

    Returns:
        The measurement.
    """
    run = RunFolder(run_path)
    recipe = model.recipe
    records = require_split(index, recipe.data.val_split)
    detector = Detector(TorchSession(model, str(run.last)))
    measurement = measure(detector, records, model.class_names, progress)
    training = read_document(run.last).get("training", {})
    run.write_result(
        {
            **measurement.to_json(),
            "model": str(run.last),
            "data": str(recipe.data.path),
            "split": recipe.data.val_split,
            "metric_of": "ema-last",
            "epochs": model.epoch,
            "seed": recipe.training.seed,
            "seconds": round(training.get("seconds", 0.0), 1),
            "seconds_per_epoch": round(training.get("seconds", 0.0) / max(1, model.epoch), 2),
            "peak_memory_mebibytes": peak_memory(),
            "data_hash": index.content_hash,
            "hardware": describe_hardware(),
            "versions": describe_versions(),
        }
    )
    save_figure(plot_losses(run.metrics_file), run.plots / "losses.png")
    save_figure(plot_curves(measurement), run.plots / "curves.png")
    save_figure(plot_confusion(measurement), run.plots / "confusion.png")
    train_records = require_split(index, recipe.data.train_split)
    save_figure(plot_labels(train_records, model.class_names), run.plots / "labels.png")
    sheet = sheet_of_predictions(measurement, recipe.model.channels, SHEET_PICTURES, measurement.score_threshold)
    save_figure(plot_sheet(sheet), run.plots / "predictions.png")
    return measurement


def peak_memory() -> dict[str, int]:
    """Largest resident memory in MiB, of this process and of its largest loading process."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"training": own // 1024, "loading": child // 1024}


def describe_hardware() -> dict[str, Any]:
    """Processor, cores, and GPU if there is one."""
    described: dict[str, Any] = {
        "processor": torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def describe_versions() -> dict[str, str]:
    """Versions that figures may depend on."""
    packages = ("sdgasnet", "torch", "numpy", "opencv-python-headless", "faster-coco-eval")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
