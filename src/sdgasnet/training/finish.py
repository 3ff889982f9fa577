"""What a finished run leaves behind besides its model: figures and plots."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sdgasnet.data.index import require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.evaluation import environment
from sdgasnet.evaluation.detections_file import write_detections
from sdgasnet.evaluation.measure import Measurement, measure
from sdgasnet.evaluation.plot_folder import write_plots
from sdgasnet.evaluation.revision import describe_commit
from sdgasnet.imaging.template import shown_channels
from sdgasnet.models.checkpoint import ModelFile, read_document
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.detector import Detector
from sdgasnet.training.run_folder import RunFolder


def finish_run(
    run_path: Path, model: ModelFile, index: DatasetIndex, progress: Callable[[int, int], None]
) -> Measurement:
    """Measure the last epoch's model on the val split; write ``detections.json``, ``result.json`` and ``plots/``.

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
    names = [record.name for record in records]
    write_detections(run.detections_file, model.class_names, names, measurement.detections)
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
            "weights": recipe.weights,
            "teacher": recipe.distillation.teacher,
            "seconds": round(training.get("seconds", 0.0), 1),
            "seconds_per_epoch": round(training.get("seconds", 0.0) / max(1, model.epoch), 2),
            "peak_memory_mebibytes": peak_memory(),
            "data_hash": index.content_hash,
            "hardware": describe_training_hardware(),
            "versions": environment.describe_versions(),
            "commit": describe_commit(),
        }
    )
    labelled = require_split(index, recipe.data.train_split)
    shown = shown_channels(recipe.model.channels, recipe.model.paired)
    write_plots(run.plots, measurement, shown, labelled, run.metrics_file)
    return measurement


def peak_memory() -> dict[str, int]:
    """Largest resident memory in MiB, of this process and of its largest loading process."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"training": own // 1024, "loading": child // 1024}


def describe_training_hardware() -> dict[str, Any]:
    """Processor, cores, threads, and GPU if there is one."""
    described: dict[str, Any] = {**environment.describe_hardware(), "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described
