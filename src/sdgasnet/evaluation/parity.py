"""The parity gate: is a bundle, in each runtime and precision, as good as the model it was made from?

Every session sees every picture once, picture after picture, so that memory does not grow with raw outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import ParityConfig
from sdgasnet.data.records import ImageRecord, ObjectRecord
from sdgasnet.data.surfaces.synthesis import generate_surface
from sdgasnet.errors import ModelError
from sdgasnet.evaluation.agreement import Spread, compare_detections, compare_raw
from sdgasnet.evaluation.average_precision import compute_average_precision, require_coco_protocol
from sdgasnet.evaluation.golden import GoldenCheck, check_golden, golden_pictures
from sdgasnet.evaluation.parity_report import Comparison, DifferingPicture, Figures, ParityReport, list_excesses
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import ResizeMap
from sdgasnet.imaging.image import Channels, Image, prepare_image, read_image
from sdgasnet.imaging.template import as_input, require_pair
from sdgasnet.runtime.bundle import Bundle
from sdgasnet.runtime.deployment import RUNTIMES, Deployment, Runtime, is_installed, open_session
from sdgasnet.runtime.host import count_cores
from sdgasnet.runtime.manifest import ComputePrecision
from sdgasnet.runtime.openvino_core import openvino_core
from sdgasnet.runtime.session import RawOutputs, Session

GENERATED_PICTURES = 24
SEED = 7
Way = tuple[Runtime, ComputePrecision]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sample:
    """A picture to compare on.

    Attributes:
        name: What it is called in the report.
        read: Gives its pixels ``(H, W, C)``.
        objects: What is labelled in it; None where nobody looked.
    """

    name: str
    read: Callable[[Channels], Image]
    objects: tuple[ObjectRecord, ...] | None = None


def run_gate(
    reference: Session,
    bundle: Bundle,
    samples: Sequence[Sample],
    tolerances: ParityConfig,
    progress: Progress | None = None,
) -> ParityReport:
    """Compare a bundle with the trained model, in all that it offers and that is installed here.

    Args:
        reference: The trained model in float32.
        bundle: The bundle; it needn't be written yet.
        samples: Pictures, >= 1. With labels in all of them, average precision is compared, too.
        tolerances: How far it may be off.
        progress: Called with pictures done and their number.

    Raises:
        ImageError: A picture can't be read.
        MissingExtraError: There are labels, and faster-coco-eval is not installed.
        ModelError: The bundle takes other pictures or knows other classes than the reference.
    """
    _require_same_task(reference, bundle)
    return _compare(reference, bundle, list_ways(bundle), None, samples, tolerances, progress)


def run_gate_without_model(
    bundle: Bundle, samples: Sequence[Sample], tolerances: ParityConfig, progress: Progress | None = None
) -> ParityReport:
    """Compare a bundle with its own float graph in ONNX Runtime, once golden vectors have proven that one.

    Where they don't, nothing else is compared, and the report has not passed.

    Args:
        bundle: The bundle.
        samples: As for :func:`run_gate`.
        tolerances: As for :func:`run_gate`.
        progress: As for :func:`run_gate`.

    Raises:
        ImageError: A picture can't be read.
        MissingExtraError: As for :func:`run_gate`.
        ModelError: The bundle can't be opened, or has no golden vectors.
    """
    own: Way = ("onnxruntime", "fp32")
    reference = open_session(bundle, _deployment(own))
    golden = check_golden(reference, bundle, tolerances)
    ways = [way for way in list_ways(bundle) if way != own] if golden.passed else []
    return _compare(reference, bundle, ways, golden, samples if golden.passed else (), tolerances, progress)


def list_ways(bundle: Bundle) -> list[Way]:
    """Runtimes that are installed with the precisions that the bundle offers them, refused ones as well."""
    precisions: dict[Runtime, list[ComputePrecision]] = {
        "onnxruntime": [
            name for name in bundle.manifest.graphs if name != "fp16" or bundle.manifest.precision == "fp16"
        ],
        "openvino": [*(name for name in bundle.manifest.graphs if name != "fp16"), "bf16"],
    }
    return [(runtime, name) for runtime in RUNTIMES if is_installed(runtime) for name in precisions[runtime]]


def label_samples(records: Sequence[ImageRecord]) -> list[Sample]:
    """Labelled pictures of a data set."""
    return [Sample(one.name, partial(read_image, one.path), one.objects) for one in records]


def generate_samples(bundle: Bundle) -> list[Sample]:
    """Pictures where there is no data set: the golden ones, and generated surfaces of the size of the canvas."""

    def surface(index: int, channels: Channels) -> Image:
        grey = generate_surface("mixed", bundle.manifest.input.image_size, SEED, index, good_share=0.1).image
        return as_input(grey, channels, bundle.manifest.input.paired)

    def golden(picture: Image, _: Channels) -> Image:
        return picture

    samples = [Sample(name, partial(golden, picture)) for name, picture in golden_pictures(bundle)]
    return samples + [Sample(f"generated {index}", partial(surface, index)) for index in range(GENERATED_PICTURES)]


def find_obstacle(way: Way) -> str | None:
    """Why this processor can't run so, if it can't: OpenVINO would quietly compute in something else."""
    if way != ("openvino", "bf16") or find_spec("openvino") is None:
        return None
    if "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    return "this processor does not compute in bf16"


@dataclass
class _Runner:
    """A session on its way through the pictures, with what is kept of them."""

    session: Session
    found: list[Detections] = field(default_factory=list)
    boxes: list[NDArray[np.float64]] = field(default_factory=list)
    scores: list[NDArray[np.float64]] = field(default_factory=list)

    def run(self, canvas: Image, resize_map: ResizeMap) -> RawOutputs:
        """Run one picture and keep its detections down to the floor."""
        outputs, settings = self.session.run(canvas[None]), self.session.spec.detection
        boxes, scores = outputs.boxes_xyxy[0], outputs.scores[0]
        self.found.append(decode_detections(boxes, scores, resize_map, settings, settings.score_floor))
        return outputs

    def compare(self, canvas: Image, resize_map: ResizeMap, expected: RawOutputs, least_score: float) -> None:
        """Run one picture and keep its differences, too."""
        differences = compare_raw(expected, self.run(canvas, resize_map), least_score)
        self.boxes.append(differences.boxes)
        self.scores.append(differences.scores)

    @property
    def shown(self) -> list[Detections]:
        """Detections at the threshold."""
        return [one.above(self.session.spec.detection.score_threshold) for one in self.found]


def _compare(
    reference: Session,
    bundle: Bundle,
    ways: Sequence[Way],
    golden: GoldenCheck | None,
    samples: Sequence[Sample],
    tolerances: ParityConfig,
    progress: Progress | None,
) -> ParityReport:
    truth = _truth(samples)
    base = _Runner(reference)
    lacking = {way: reason for way in ways if (reason := find_obstacle(way))}
    runners = {way: _open(bundle, way) for way in ways if way not in lacking}
    for number, sample in enumerate(samples, start=1):
        picture = sample.read(reference.spec.channels)
        if reference.spec.paired:
            require_pair(picture, f"Picture {sample.name}")
        canvas, resize_map = prepare_image(picture, reference.spec.image_size)
        expected = base.run(canvas, resize_map)
        for way, runner in runners.items():
            if isinstance(runner, _Runner):
                try:
                    runner.compare(canvas, resize_map, expected, tolerances.raw_score)
                except Exception as error:  # runtimes raise classes of their own without a common base
                    runners[way] = f"fails: {str(error).splitlines()[0]}"
        if progress is not None:
            progress(number, len(samples))
    best = _average_precision(base, truth)
    names = [sample.name for sample in samples]
    comparisons = [Comparison(*way, "not run", (reason,), None) for way, reason in lacking.items()]
    for way, runner in runners.items():
        if isinstance(runner, str):
            comparisons.append(Comparison(*way, "outside", (runner,), None))
        else:
            figures = _measure(base, runner, best, truth, names)
            reasons = list_excesses(figures, len(samples), getattr(tolerances, way[1]))
            comparisons.append(Comparison(*way, "outside" if reasons else "within", reasons, figures))
    own = bundle.manifest.precision
    return ParityReport(reference.spec.name, own, len(samples), *best, golden, tuple(comparisons), tolerances)


def _measure(
    base: _Runner,
    runner: _Runner,
    best: tuple[float | None, float | None],
    truth: list[tuple[ObjectRecord, ...]] | None,
    names: Sequence[str],
) -> Figures:
    ap, ap50 = _average_precision(runner, truth)
    expected, shown = base.shown, runner.shown
    differing = (
        DifferingPicture(name, len(one), len(other))
        for name, one, other in zip(names, expected, shown, strict=True)
        if (len(one) > 0) != (len(other) > 0)
    )
    return Figures(
        points=sum(map(len, runner.boxes)),
        boxes=Spread.of(runner.boxes),
        scores=Spread.of(runner.scores),
        detections=compare_detections(expected, shown),
        AP=ap,
        AP50=ap50,
        AP_difference=None if ap is None or best[0] is None else ap - best[0],
        AP50_difference=None if ap50 is None or best[1] is None else ap50 - best[1],
        differing=tuple(differing),
    )


def _average_precision(
    runner: _Runner, truth: list[tuple[ObjectRecord, ...]] | None
) -> tuple[float | None, float | None]:
    if truth is None:
        return None, None
    found = compute_average_precision(runner.found, truth, runner.session.spec.class_names)
    return found.AP, found.AP50


def _truth(samples: Sequence[Sample]) -> list[tuple[ObjectRecord, ...]] | None:
    labelled = [sample.objects for sample in samples if sample.objects is not None]
    if not labelled or len(labelled) < len(samples):
        return None
    require_coco_protocol()
    return labelled


def _deployment(way: Way) -> Deployment:
    return Deployment(*way, threads=count_cores(), streams=1)


def _open(bundle: Bundle, way: Way) -> _Runner | str:
    try:
        return _Runner(open_session(bundle, _deployment(way)))
    except ModelError as error:
        return f"fails: {str(error).splitlines()[0]}"


def _require_same_task(reference: Session, bundle: Bundle) -> None:
    spec, found = reference.spec, bundle.spec(bundle.manifest.precision)
    ours = (spec.class_names, spec.image_size, spec.channels)
    if ours != (found.class_names, found.image_size, found.channels):
        raise ModelError(
            f"{bundle.path} was not made from {spec.name}: it knows {list(found.class_names)} in pictures of "
            f"{found.image_size} with {found.channels} channels; that knows {list(ours[0])}, {ours[1]}, {ours[2]}."
        )
