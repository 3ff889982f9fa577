"""A float bundle in another precision; its float graph stays in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdgasnet.config.schema import DataConfig, ExportConfig
from sdgasnet.data.index import require_split
from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.errors import DataError
from sdgasnet.evaluation.measure import detect_records, measure
from sdgasnet.export.half import halve
from sdgasnet.export.quantize import Quantiser, quantize_until, refit_threshold
from sdgasnet.imaging.image import prepare_image
from sdgasnet.imaging.template import read_input
from sdgasnet.runtime.bundle import FLOAT_GRAPH_NAME, GRAPH_NAME, Bundle
from sdgasnet.runtime.canvas_depth import fit_canvases
from sdgasnet.runtime.deployment import RUNTIMES, Deployment, Runtime, is_installed, open_session
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.host import count_cores
from sdgasnet.runtime.manifest import Graph, Precision

REPORT_NAME = "quantization.json"


@dataclass(frozen=True)
class Calibration:
    """Labelled pictures to quantise with.

    Attributes:
        pictures: To calibrate on.
        split: Where they come from.
        measured: To measure the loss of AP50 on.
        measured_split: Where those come from.
    """

    pictures: tuple[ImageRecord, ...]
    split: str
    measured: tuple[ImageRecord, ...]
    measured_split: str


def choose_calibration(index: DatasetIndex, config: ExportConfig) -> Calibration:
    """Pictures to calibrate on and to measure with.

    The first are of the calibration split, else of the training split. The loss is measured on the calibration
    split, too, where something is labelled there, so that val stays unseen; else on val, else on the same split.

    Raises:
        DataError: There is neither, or it holds no pictures.
    """
    known = index.splits
    split = next((name for name in (config.calibration_split, DataConfig().train_split) if name in known), None)
    if split is None:
        raise DataError(
            f"{index.root} has neither a split '{config.calibration_split}' nor '{DataConfig().train_split}' to "
            f"calibrate on; it has {', '.join(known) or 'none'}. Make one: sdgasnet data split."
        )
    records = require_split(index, split)
    unseen = split == config.calibration_split and any(record.objects for record in records)
    measured = DataConfig().val_split if not unseen and DataConfig().val_split in known else split
    return Calibration(
        draw_evenly(records, config.calibration_pictures), split, tuple(require_split(index, measured)), measured
    )


def draw_evenly(records: Sequence[ImageRecord], count: int) -> tuple[ImageRecord, ...]:
    """At most ``count`` records, spread over all of them."""
    if len(records) <= count:
        return tuple(records)
    return tuple(records[number * len(records) // count] for number in range(count))


def halve_bundle(bundle: Bundle) -> Bundle:
    """The bundle in fp16, for GPUs."""
    graph = halve(bundle.graph("fp32"))
    return with_graph(bundle, "fp16", graph, bundle.spec("fp32").detection.score_threshold, {})


def quantize_bundle(
    bundle: Bundle, calibration: Calibration, config: ExportConfig, say: Callable[[str], None]
) -> Bundle:
    """The bundle in int8; sensitive layers stay in float, and the threshold is fitted anew.

    Args:
        bundle: In float.
        calibration: Pictures with labels, of the model's classes.
        config: What loss is allowed.
        say: Told what is done and found.

    Raises:
        ImageError: A picture can't be read.
    """
    spec = bundle.spec("fp32")
    canvases = [
        fit_canvases(
            prepare_image(read_input(one.path, spec.channels, spec.paired), spec.image_size)[0][None],
            bundle.manifest.input,
        )
        for one in calibration.pictures
    ]
    say(f"calibrating on {len(canvases)} pictures of the split '{calibration.split}'")
    quantiser = Quantiser(bundle.graph("fp32"), canvases)
    threshold = spec.detection.score_threshold

    def measure_graph(graph: bytes) -> float:
        candidate = with_graph(bundle, "int8", graph, threshold, {})
        return measure_AP50(candidate, "int8", calibration.measured)

    before = measure_AP50(bundle, "fp32", calibration.measured)
    found = quantize_until(quantiser, measure_graph, before - config.AP50_loss, say)
    candidate = with_graph(bundle, "int8", found.graph, threshold, {})
    exact = list_scores(bundle, "fp32", calibration)
    fitted = refit_threshold(exact, list_scores(candidate, "int8", calibration), threshold)
    say(f"AP50 on '{calibration.measured_split}': {100 * before:.1f} in fp32, {100 * found.quality:.1f} in int8")
    say(f"layers left in float: {', '.join(found.float_layers) or 'none'}")
    say(f"score threshold {threshold:g} in fp32, {fitted:g} in int8 for as many detections")
    report = {
        "calibration": {"split": calibration.split, "pictures": len(calibration.pictures)},
        "measured_on": {"split": calibration.measured_split, "pictures": len(calibration.measured)},
        "AP50": {"fp32": before, "int8": found.quality, "allowed_loss": config.AP50_loss},
        "float_layers": list(found.float_layers),
        "score_threshold": {"fp32": threshold, "int8": fitted},
    }
    return with_graph(bundle, "int8", found.graph, fitted, report)


def with_graph(
    bundle: Bundle, precision: Precision, graph: bytes, score_threshold: float, report: dict[str, Any]
) -> Bundle:
    """A float bundle whose own precision is another one; the float graph goes to a file of its own."""
    own = bundle.manifest.graphs["fp32"]
    detection = own.detection.model_copy(update={"score_threshold": score_threshold})
    graphs = {
        precision: Graph(file=GRAPH_NAME, detection=detection),
        "fp32": Graph(file=FLOAT_GRAPH_NAME, detection=own.detection),
    }
    files = {**bundle.files, GRAPH_NAME: graph, FLOAT_GRAPH_NAME: bundle.graph("fp32")}
    if report:
        files[REPORT_NAME] = (json.dumps(report, indent=1) + "\n").encode()
    manifest = bundle.manifest.model_copy(update={"precision": precision, "graphs": graphs})
    return replace(bundle, manifest=manifest, files=files)


def measure_AP50(bundle: Bundle, precision: Precision, records: Sequence[ImageRecord]) -> float:  # noqa: N802
    """AP50 of a bundle: the lowest of the runtimes that are installed, for their 8 bits differ a little.

    Raises:
        DataError: Nothing is labelled in the pictures.
    """
    figures = []
    for runtime in filter(is_installed, RUNTIMES):
        detector = open_detector(bundle, precision, runtime)
        found = measure(detector, records, bundle.manifest.class_names).average_precision.AP50
        if found is None:
            raise DataError(
                f"No box is labelled in the {len(records)} pictures that int8 is measured on. "
                "Use a set with labels."
            )
        figures.append(found)
    return min(figures)


def list_scores(bundle: Bundle, precision: Precision, calibration: Calibration) -> list[float]:
    """Scores of all detections on the calibration pictures, down to the score floor."""
    found = detect_records(open_detector(bundle, precision, "onnxruntime"), calibration.pictures)
    return [float(score) for one in found for score in one.scores]


def open_detector(bundle: Bundle, precision: Precision, runtime: Runtime) -> Detector:
    """A bundle that needn't be written yet."""
    return Detector(open_session(bundle, Deployment(runtime, precision, count_cores(), 1)))
