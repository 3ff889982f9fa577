"""``sdgasnet bundle``: say who made a bundle, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.opening import PublicKeyOption
from sdgasnet.cli.progress import say
from sdgasnet.runtime.bundle import open_bundle, sign_bundle

bundle_app = typer.Typer(name="bundle", help="Sign and verify exported bundles.", no_args_is_help=True)

BundlePath = Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")]


@bundle_app.callback()
def _bundle() -> None:
    """Sign and verify exported bundles."""


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
