"""``sdgasnet data synth``: a labelled data set of generated surfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import SynthesisConfig
from sdgasnet.data.index import Format
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.data.surfaces.synthesis import SMALLEST_SIDE, Surface

DEFAULTS = SynthesisConfig()


def synth(
    out: Annotated[Path, typer.Argument(help="New folder.")],
    surface: Annotated[Surface, typer.Option("--surface", help="Kind of surface.")] = DEFAULTS.surface,
    images: Annotated[int, typer.Option("--images", min=1, help="Number of pictures.")] = DEFAULTS.images,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Number of the series.")] = DEFAULTS.seed,
    image_size: Annotated[
        int, typer.Option("--image-size", min=SMALLEST_SIDE, help="Side of the pictures, pixels.")
    ] = DEFAULTS.image_size,
    val_share: Annotated[
        float, typer.Option("--val-share", min=0.0, max=0.9, help="Share of the pictures in split 'val'.")
    ] = DEFAULTS.val_share,
    good_share: Annotated[
        float, typer.Option("--good-share", min=0.0, max=1.0, help="Share of the pictures without a defect.")
    ] = DEFAULTS.good_share,
    format: Annotated[Format, typer.Option("--format", help="Format of the labels.")] = DEFAULTS.format,
) -> None:
    """Generate pictures of surfaces with labelled defects: for trying things out, tests, pre-training."""
    val = round(images * val_share)
    parts = {name: count for name, count in (("train", images - val), ("val", val)) if count}
    with counting_bar("generating pictures") as advance:
        write_surfaces(out, surface, parts, (image_size, image_size), seed, good_share, format, advance)
    say(f"{out}: {images} pictures of {surface} as {format}")
