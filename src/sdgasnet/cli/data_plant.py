"""``sdgasnet data plant``: labelled pictures of defects from pictures of good boards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import DataConfig, PlantingConfig
from sdgasnet.data.index import Format, load_dataset, require_split
from sdgasnet.data.plant import Planter, find_encoding, measure_tones, parse_kinds, require_classes, write_planted
from sdgasnet.data.records import DatasetIndex
from sdgasnet.data.surfaces.planting import PLANTED_DEFECTS, Planting, Tone
from sdgasnet.data.write import describe_loss, require_new
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import find_images

DEFAULTS = PlantingConfig()
TRAIN_SPLIT = DataConfig().train_split


def plant(
    good: Annotated[Path, typer.Argument(metavar="GOOD", help="Folder of pictures of good boards, of two tones.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder; it must not exist or be empty.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="SET", help="Labelled data set; planted pictures are added to its split."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Split of SET that gets them.")] = TRAIN_SPLIT,
    kinds: Annotated[
        str,
        typer.Option("--kinds", help="Kinds of defect; with =CLASS where SET calls them otherwise."),
    ] = ",".join(PLANTED_DEFECTS),
    copper: Annotated[Tone, typer.Option("--copper", help="Tone of the copper.")] = DEFAULTS.copper,
    copies: Annotated[
        int, typer.Option("--copies", min=1, help="Pictures made of each good one.")
    ] = DEFAULTS.copies,
    least: Annotated[
        int, typer.Option("--least-defects", min=1, help="In a picture that is not good.")
    ] = DEFAULTS.least_defects,
    most: Annotated[int, typer.Option("--most-defects", min=1)] = DEFAULTS.most_defects,
    good_share: Annotated[
        float, typer.Option("--good-share", min=0.0, max=1.0, help="Share of the pictures that stay good.")
    ] = DEFAULTS.good_share,
    margin: Annotated[
        int, typer.Option("--margin", min=0, help="Pixels that boxes stand off the defect, as in SET.")
    ] = DEFAULTS.margin,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")] = DEFAULTS.seed,
    val_share: Annotated[
        float,
        typer.Option("--val-share", min=0.0, max=0.9, help="Share of the good pictures in 'val', without --into."),
    ] = DEFAULTS.val_share,
    format: Annotated[
        Format, typer.Option("--format", help="Format of the labels, without --into.")
    ] = DEFAULTS.format,
) -> None:
    """Plant opens, shorts, bites, spurs, holes and stray copper on pictures of good boards, with exact labels.

    So a new design can be learned before it has shown a defect. Pictures must be of two tones, as a scanner for
    bare boards makes them.
    """
    if least > most:
        raise typer.BadParameter(f"it is more than --most-defects {most}.", param_hint="--least-defects")
    classes = parse_kinds(kinds)
    require_new(out)
    paths = find_images(good)
    if not paths:
        found = "No pictures in" if good.is_dir() else "There is no folder"
        raise DataError(f"{found} {good}. Name the folder of pictures of good boards.")
    if into is None:
        names = tuple(dict.fromkeys(classes.values()))
        alike = paths
        base = DatasetIndex(good, format, names, {}, content_hash="")
        val = round(val_share * len(paths))
        shares = {"train": paths[: len(paths) - val], "val": paths[len(paths) - val :]}
    else:
        base = load_dataset(into)
        require_classes(tuple(classes.values()), base)
        alike = [record.path for record in require_split(base, split)]
        shares = {split: paths}
    with counting_bar("reading pictures") as advance:
        tones = measure_tones(paths, advance)
    labels = {kind: base.class_names.index(name) for kind, name in classes.items()}
    encoding = find_encoding(alike, tones)
    planter = Planter(Planting(labels, copper, margin), tones, encoding, copies, (least, most), good_share, seed)
    with counting_bar("planting defects") as advance:
        write_planted(out, {name: part for name, part in shares.items() if part}, planter, base, advance)
    for sentence in describe_loss(base, base.format):
        say(f"note: {sentence}")
    added = "" if into is None else f" added to those of {into}"
    stored = "PNG" if encoding.jpeg_quality is None else f"JPEG of quality {encoding.jpeg_quality}"
    say(f"{out}: {copies * len(paths)} planted pictures{added}, as {base.format}, stored as {stored}")
