"""``sdgasnet bundle``: say what is in a bundle and who made it, and put rules into it."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Annotated

import typer

from sdgasnet.cli.opening import PublicKeyOption
from sdgasnet.cli.progress import say
from sdgasnet.decision.rules_file import dump_rules, read_bytes
from sdgasnet.imaging.template import describe_channels
from sdgasnet.runtime.bundle import DECISION_NAME, open_bundle, require_place, sign_bundle, write_bundle
from sdgasnet.runtime.drift import baseline_of

bundle_app = typer.Typer(
    name="bundle", help="Look into exported bundles, decide, sign, verify.", no_args_is_help=True
)

BundlePath = Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")]


@bundle_app.callback()
def _bundle() -> None:
    """Look into exported bundles, put rules for OK and NG into them, sign and verify them."""


@bundle_app.command()
def info(bundle: BundlePath, public_key: PublicKeyOption = None) -> None:
    """Say what a bundle holds: the model, its thresholds, and its rules for OK and NG."""
    opened = open_bundle(bundle, public_key)
    manifest, known = opened.manifest, baseline_of(opened)
    height, width = manifest.input.image_size
    lines = {
        "name": f"{manifest.name}, preset {manifest.preset}",
        "pictures": f"{height}x{width}, {describe_channels(manifest.input.channels, manifest.input.paired)}",
        "classes": ", ".join(manifest.class_names),
        "graphs": ", ".join(
            f"{precision} (score threshold {graph.detection.score_threshold:g})"
            for precision, graph in manifest.graphs.items()
        ),
        "trained": f"{manifest.training.epochs} epochs, {manifest.training.pictures or 'unrecorded'} pictures",
        "parity": manifest.parity,
        "baseline": "none: no drift watch" if known is None else f"{known.pictures} pictures, for sdgasnet drift",
        "signed": "yes" if opened.signed else "no",
        "rules": "none: detections without a verdict" if opened.rules is None else DECISION_NAME,
    }
    typer.echo("\n".join(f"{key:<9} {text}" for key, text in lines.items()))
    if opened.rules is not None:
        typer.echo(indent(dump_rules(opened.rules), " " * 10), nl=False)


@bundle_app.command()
def decide(
    bundle: BundlePath,
    rules: Annotated[Path, typer.Argument(help="YAML such as configs/decision.yaml, or from sdgasnet calibrate.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="New bundle; a folder, or an archive that ends in .sdg.")
    ],
    public_key: PublicKeyOption = None,
) -> None:
    """Write a bundle with rules for OK and NG, in place of any that it had.

    The new bundle is not signed, and what sdgasnet tune found is not taken over.
    """
    opened = open_bundle(bundle, public_key)
    decided = opened.decided(read_bytes(rules), str(rules))
    require_place(out)
    write_bundle(out, decided.manifest, decided.files)
    say(f"{out}: the model of {bundle} with the rules of {rules}" + ("; sign it again" if opened.signed else ""))


@bundle_app.command()
def sign(
    bundle: BundlePath,
    key: Annotated[Path, typer.Option("--key", help="Private Ed25519 key, PEM without a passphrase.")],
) -> None:
    """Sign a bundle in place; a signature that it has is replaced."""
    signed = sign_bundle(bundle, key)
    say(f"{bundle}: signed; its comparison with the trained model: {signed.manifest.parity}")


@bundle_app.command()
def verify(bundle: BundlePath, public_key: PublicKeyOption = None) -> None:
    """Compare every byte of a bundle with its digest, and its signature with a key."""
    opened = open_bundle(bundle, public_key)
    if public_key is not None:
        state = "signature verified"
    else:
        state = "signed; --public-key checks by whom" if opened.signed else "not signed"
    say(f"{bundle}: {len(opened.files)} files as exported; {state}")
