"""Make a bundle from a trained model."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from sdgasnet.evaluation.environment import describe_versions
from sdgasnet.evaluation.parity_report import REPORT_NAME as PARITY_NAME
from sdgasnet.evaluation.parity_report import ParityReport
from sdgasnet.export.onnx import export_onnx
from sdgasnet.export.reference import build_reference, reference_pictures
from sdgasnet.imaging.image import LETTERBOX_GREY
from sdgasnet.imaging.template import describe_channels
from sdgasnet.models.checkpoint import ModelFile, build_network
from sdgasnet.models.deploy import deploy
from sdgasnet.models.session import TorchSession
from sdgasnet.runtime.bundle import GRAPH_NAME, Bundle
from sdgasnet.runtime.manifest import Graph, InputSpec, Manifest, Preparation, Training
from sdgasnet.runtime.training_pictures import TRAINING_NAME, list_digests

CARD_NAME = "README.md"


def build_bundle(model: ModelFile, name: str, bits: Literal[8, 16]) -> tuple[Manifest, dict[str, bytes]]:
    """Manifest and files of a bundle in float32.

    Args:
        model: The trained model.
        name: What it is called.
        bits: Of the pictures' pixels.

    Returns:
        The manifest, not yet with digests, and name -> content.
    """
    config = model.recipe.model
    spec = InputSpec(image_size=config.image_size, channels=config.channels, bits=bits, paired=config.paired)
    manifest = Manifest(
        name=name,
        preset=config.preset,
        precision="fp32",
        input=spec,
        preparation=Preparation(padding=LETTERBOX_GREY),
        class_names=model.class_names,
        graphs={"fp32": Graph(file=GRAPH_NAME, detection=model.recipe.detection)},
        training=describe_training(model),
        versions=describe_versions(),
        files={},
    )
    files = {
        GRAPH_NAME: export_onnx(deploy(build_network(model)), spec),
        CARD_NAME: write_card(manifest).encode(),
        **build_reference(TorchSession(model, name), reference_pictures(config.channels, config.paired)),
    }
    if model.image_hashes:
        files[TRAINING_NAME] = list_digests(model.image_hashes)
    return manifest, files


def seal(bundle: Bundle, report: ParityReport) -> Bundle:
    """The bundle with the verdict of the parity gate and its card; what is left is to write it."""
    verdict = {"parity": "passed" if report.passed else "failed", "refused": report.refused}
    manifest = bundle.manifest.model_copy(update=verdict)
    files = {
        **bundle.files,
        CARD_NAME: write_card(manifest).encode(),
        PARITY_NAME: (json.dumps(report.to_json(), indent=1) + "\n").encode(),
    }
    return Bundle(bundle.path, manifest, files)


def describe_training(model: ModelFile) -> Training:
    """Epochs, figures, and one digest over all training pictures."""
    return Training(
        epochs=model.epoch,
        metrics=model.metrics,
        pictures=len(model.image_hashes),
        pictures_digest=hashlib.sha256(list_digests(model.image_hashes)).hexdigest(),
    )


def write_card(manifest: Manifest) -> str:
    """A page that says what the model is, for whoever finds the bundle."""
    height, width = manifest.input.image_size
    detection = manifest.graphs[manifest.precision].detection
    figures = (
        ", ".join(f"{name} {value:.3f}" for name, value in manifest.training.metrics.items()) or "not measured"
    )
    colour = describe_channels(manifest.input.channels, manifest.input.paired)
    return f"""# {manifest.name}

SD-GASNet, preset `{manifest.preset}`, {manifest.precision}. Finds: {", ".join(manifest.class_names)}.

- Pictures: {colour}, {manifest.input.bits} bits, laid on a canvas of {height}x{width} (height x width).
- Trained for {manifest.training.epochs} epochs on {manifest.training.pictures} pictures; its val split: {figures}.
- Compared with the trained model: {manifest.parity}; {describe_refused(manifest)}.
- Shown from score {detection.score_threshold:g}; suppression at IoU {detection.iou_threshold:g}, boxes
  averaged above IoU {detection.averaging_iou:g}.

`manifest.json` holds all of this for programs, with the SHA-256 of every file; `parity.json` the comparison.
`reference/` holds pictures, canvases, and what the trained model makes of them in float32, raw outputs and
detections, to check a host in another language against.
"""


def describe_refused(manifest: Manifest) -> str:
    """Ways to run that nothing should choose, in words."""
    return f"not to be run in {', '.join(manifest.refused)}" if manifest.refused else "no way to run was refused"
