"""Measure a model that is being trained with the detector that ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from sdgasnet.data.records import ImageRecord
from sdgasnet.evaluation.average_precision import AveragePrecision, compute_average_precision
from sdgasnet.imaging.image import Image, read_image
from sdgasnet.models.checkpoint import ModelFile
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.detector import Detector


def validate(
    model: ModelFile,
    records: Sequence[ImageRecord],
    device: torch.device,
    progress: Callable[[int, int], None],
) -> AveragePrecision:
    """AP of a model on labelled pictures.

    Args:
        model: Averaged weights.
        records: Pictures with labels.
        device: Where the model runs.
        progress: Called with pictures done and their number.
    """
    detector = Detector(TorchSession(model, "training", device))

    def pictures() -> Iterator[Image]:
        for number, record in enumerate(records, start=1):
            yield read_image(record.path, detector.spec.channels)
            progress(number, len(records))

    found = list(
        detector.detect_all(pictures(), model.recipe.training.batch_size, model.recipe.detection.score_floor)
    )
    return compute_average_precision(found, [record.objects for record in records], model.class_names)
