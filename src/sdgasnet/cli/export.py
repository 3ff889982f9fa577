"""``sdgasnet export``: a trained model as a bundle for the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sdgasnet.cli.progress import say
from sdgasnet.errors import MissingExtraError
from sdgasnet.runtime.bundle import write_bundle


def export(
    model: Annotated[Path, typer.Argument(help="Model file (.pt), run folder or packaged name.")],
    out: Annotated[Path, typer.Argument(help="New folder, or one file if it ends in .sdg.")],
    bits: Annotated[
        Literal["8", "16"], typer.Option("--bits", help="Of the pictures' pixels; 16 takes both.")
    ] = "8",
) -> None:
    """Write a bundle that runs without torch: ONNX graph, manifest with digests, golden vectors, card."""
    try:
        from sdgasnet.export.build import build_bundle
        from sdgasnet.models.checkpoint import find_model_file, read_model
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sdgasnet"):
            raise
        raise MissingExtraError("export", "Exporting") from None
    manifest, files = build_bundle(read_model(model), find_model_file(model).stem, 8 if bits == "8" else 16)
    write_bundle(out, manifest, files)
    say(f"{out}: {sum(map(len, files.values())) / 2**20:.2f} MiB, {len(files) + 1} files")
