"""What is known of a model, for a page that is signed."""

from __future__ import annotations

from pathlib import Path

from sdgasnet.cli.drift import describe_baseline
from sdgasnet.cli.opening import model_digest
from sdgasnet.imaging.template import describe_channels
from sdgasnet.runtime.bundle import Bundle, is_bundle, open_bundle
from sdgasnet.runtime.drift import baseline_of
from sdgasnet.runtime.tuning import read_tuned


def describe_model(path: Path) -> dict[str, str]:
    """Where a model comes from, and what was measured of it, by name.

    Args:
        path: Bundle, model file, run or packaged name.

    Raises:
        ModelError: It can't be opened.
    """
    head = {"Model": str(path), "Model, SHA-256": model_digest(path)}
    return {**head, **(_describe_bundle(open_bundle(path)) if is_bundle(path) else _describe_model_file(path))}


def _describe_bundle(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    height, width = manifest.input.image_size
    training = manifest.training
    refused = f"; not to be run in {', '.join(manifest.refused)}" if manifest.refused else ""
    return {
        "Network": f"{manifest.name}, preset {manifest.preset}, {height} x {width} pixels, "
        f"{'grey' if manifest.input.channels == 1 else 'RGB'}, {manifest.precision}",
        "Signature of the bundle": "there is one" if bundle.signed else "none",
        "Training": f"{training.epochs} epochs on {training.pictures or 'unrecorded'} pictures, SHA-256 of their "
        f"digests {training.pictures_digest}",
        "Parity": f"with the trained model: {manifest.parity}{refused}",
        "Speed": _describe_speed(bundle),
    }


def _describe_speed(bundle: Bundle) -> str:
    tuned = read_tuned(bundle)
    if tuned is None:
        return "not measured on this computer: sdgasnet tune"
    many = max(row["per_second"] for row in tuned.rows)
    one = min(row["p50_ms"] for row in tuned.rows if row["streams"] == 1)
    return f"{many:,.0f} pictures a second, {one:.2f} ms for one, on {tuned.processor}, {tuned.cores} cores"


def _describe_model_file(path: Path) -> dict[str, str]:
    from sdgasnet.models.checkpoint import read_model

    model = read_model(path)
    recipe = model.recipe
    height, width = recipe.model.image_size
    known = frozenset(model.image_hashes) - {""}
    return {
        "Network": f"preset {recipe.model.preset}, {height} x {width} pixels, "
        f"{describe_channels(recipe.model.channels, recipe.model.paired)}",
        "Training": f"{model.epoch} epochs on {len(known) or 'unrecorded'} pictures, seed {recipe.training.seed}",
        "Parity": "it is the trained model itself",
        "Speed": "not measured: export it, then sdgasnet tune",
    }


def describe_drift(path: Path) -> dict[str, str]:
    """What the drift watch of a bundle knows; empty where there is none."""
    known = baseline_of(open_bundle(path)) if is_bundle(path) else None
    return {} if known is None else describe_baseline(known)
