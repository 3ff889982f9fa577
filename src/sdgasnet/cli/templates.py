"""Pictures of the line as a model takes them: alone, or beside their templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.data.templates import Templates, find_templates
from sdgasnet.errors import ConfigError
from sdgasnet.imaging.image import Image
from sdgasnet.imaging.template import read_input, read_pair
from sdgasnet.runtime.session import ModelSpec

TemplateOption = Annotated[
    Path | None,
    typer.Option("--template", help="Good picture of the same place, or a folder of them, for a model of pairs."),
]
PlaceOption = Annotated[
    str | None,
    typer.Option(
        "--place",
        help="Regular expression; its first group, in file names without suffix, is the place that a picture or "
        "template shows. Default: a template's name is how the names of its pictures begin.",
    ),
]


def open_templates(path: Path | None, place: str | None, spec: ModelSpec) -> Templates | None:
    """The templates that a model of pairs is given; None for pictures as they are.

    Raises:
        ConfigError: The model sees pictures alone, or a place is given without templates.
        DataError: As :func:`~sdgasnet.data.templates.find_templates`.
    """
    if path is None:
        if place is not None:
            raise ConfigError("--place says which template belongs to a picture; give --template as well.")
        return None
    if not spec.paired:
        raise ConfigError(
            f"--template is for models that see pictures beside their templates; {spec.name} sees pictures alone. "
            "Leave it out, or train one: sdgasnet data pair, then model.paired=true in the recipe."
        )
    return find_templates(path, place)


def read_picture(file: Path, spec: ModelSpec, templates: Templates | None) -> Image:
    """The picture as the model takes it.

    Raises:
        ImageError: It can't be read, has no template, or does not lie on it.
    """
    if templates is not None:
        return read_pair(file, templates.of(file))
    return read_input(file, spec.channels, spec.paired)
