"""``sdgasnet data pair``: a data set in which each picture lies beside its template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.data import DEFAULT_FORMAT, FormatOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.templates import PlaceOption
from sdgasnet.data.index import load_dataset
from sdgasnet.data.templates import find_templates, write_pairs
from sdgasnet.data.write import describe_loss, require_new


def pair(
    data: Annotated[Path, typer.Argument(metavar="SET", help="Labelled data set.")],
    template: Annotated[
        Path, typer.Argument(metavar="TEMPLATES", help="Good picture of the place, or a folder of them.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder; it must not exist or be empty.")],
    place: PlaceOption = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave out pictures without a template, or that do not lie on it.")
    ] = False,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Lay the template, the good picture of the same place, beside each picture of a data set.

    Templates are registered onto the pictures and matched in light. Train on the set with model.paired=true, then
    detect with: sdgasnet predict MODEL PICTURES --template TEMPLATES
    """
    require_new(out)
    templates = find_templates(template, place)
    index = load_dataset(data, format)
    with counting_bar("registering pictures") as advance:
        made = write_pairs(index, templates, out, drop, advance)
    for sentence in describe_loss(index, index.format):
        say(f"note: {sentence}")
    for split, (count, total) in made.counts.items():
        say(f"{split}: {count} of {total} pictures lie beside their template")
    for what, reasons in (("have no template", made.without), ("do not lie on theirs", made.unfit)):
        if reasons:
            say(f"left out: {len(reasons)} that {what}. The first: {reasons[0]}")
