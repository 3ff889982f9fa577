"""Verbs on networks: how large one is, and small files of trained ones."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sdgasnet.cli.progress import say
from sdgasnet.config.loading import build_recipe, load_recipe
from sdgasnet.config.presets import PRESETS
from sdgasnet.config.schema import Recipe
from sdgasnet.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from sdgasnet.models.information import NetworkSize

CLASSES_OF_NEU_DET = 6
"""Number of classes that sizes are given for where nothing says another."""

model_app = typer.Typer(name="model", help="Look into networks.", no_args_is_help=True)


@model_app.callback()
def _model() -> None:
    """Look into networks."""


@model_app.command()
def info(
    model: Annotated[
        str, typer.Argument(metavar="PRESET|RECIPE", help="A preset (n, s, lite0) or a recipe file.")
    ],
    image_size: Annotated[
        str | None, typer.Option(metavar="SIDE|HxW", help="Size to count at; default: the recipe's.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Number of classes; default: the recipe's, or 6.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print parameters, multiply-accumulates by part and output shapes of the deployed network."""
    recipe = build_recipe({"model": {"preset": model}}) if model in PRESETS else _read_recipe(model)
    size = _parse_image_size(image_size) if image_size is not None else recipe.model.image_size
    names = recipe.data.class_names
    num_classes = classes or (len(names) if names else CLASSES_OF_NEU_DET)
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Building a network")
    from sdgasnet.models.information import compute_network_size
    from sdgasnet.models.network import Network

    network_size = compute_network_size(Network(recipe.model, num_classes), size)
    if as_json:
        typer.echo(json.dumps(network_size.to_json()))
    else:
        _print_size(network_size, model)


@model_app.command()
def pack(
    model: Annotated[Path, typer.Argument(help="Model file (.pt) or run folder.")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    eight_bit: Annotated[
        bool, typer.Option("--8-bit", help="A byte a weight in all but small tensors; default: 16 bits.")
    ] = False,
    last: Annotated[bool, typer.Option("--last", help="Of a run folder take last.pt instead of best.pt.")] = False,
    hashes: Annotated[
        bool, typer.Option("--hashes/--no-hashes", help="Keep the digests of the training pictures.")
    ] = True,
    score_threshold: Annotated[
        float | None, typer.Option("--score-threshold", min=0.0, max=1.0, help="From now on, instead of its own.")
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option("--iou-threshold", min=0.0, max=1.0, help="Of the suppression, from now on."),
    ] = None,
    averaging_iou: Annotated[
        float | None,
        typer.Option("--averaging-iou", min=0.0, max=1.0, help="For averaging boxes, from now on; 1: none."),
    ] = None,
) -> None:
    """Write a small model file to pass on: no training state, no paths, weights in fewer bits."""
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Packing a model")
    from sdgasnet.models.checkpoint import pack_model, read_model, write_model

    packed = pack_model(read_model(model / "last.pt" if last else model), 8 if eight_bit else 16, hashes)
    wanted = {
        "score_threshold": score_threshold,
        "iou_threshold": iou_threshold,
        "averaging_iou": averaging_iou,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    detection = packed.recipe.detection.model_copy(update=given)
    packed = replace(packed, recipe=packed.recipe.model_copy(update={"detection": detection}))
    write_model(packed, out)
    say(f"{out}: {out.stat().st_size / 2**20:.2f} MiB")


@model_app.command()
def average(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL MODEL...", help="Model files (.pt) or run folders, two or more.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    last: Annotated[bool, typer.Option("--last", help="Of run folders take last.pt instead of best.pt.")] = False,
) -> None:
    """Write the mean of networks that were trained on from the same one: no slower than one of them."""
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Averaging models")
    from sdgasnet.models.averaging import average_models
    from sdgasnet.models.checkpoint import read_model, write_model

    files = [model / "last.pt" if last and model.is_dir() else model for model in models]
    mean = average_models([read_model(file) for file in files], [str(file) for file in files])
    write_model(mean, out)
    say(f"{out}: mean of {len(files)} networks; sdgasnet val {out} measures it")


def _read_recipe(model: str) -> Recipe:
    path = Path(model)
    if not path.exists():
        raise ConfigError(
            f"{model!r} is neither a preset ({', '.join(PRESETS)}) nor a recipe file that exists. "
            "Recipes that come with the project: configs/*.yaml."
        )
    return load_recipe(path)


def _parse_image_size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if not all(side.isdecimal() for side in sides) or len(sides) > 2:
        raise ConfigError(f"--image-size is {text!r}; expected one side like 224, or height x width like 96x160.")
    height, width = int(sides[0]), int(sides[-1])
    if height % 32 or width % 32 or not height or not width:
        raise ConfigError(f"--image-size is {height}x{width}; expected multiples of 32.")
    return height, width


def _print_size(size: NetworkSize, name: str) -> None:
    height, width = size.image_size
    table = Table(title=f"{name}, deployed, {height}x{width}")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("MACs, millions", justify="right")
    for part, counted in size.parts.items():
        table.add_row(part, f"{counted.parameters:,}", f"{counted.macs / 1e6:,.1f}")
    table.add_section()
    table.add_row("whole", f"{size.parameters:,}", f"{size.macs / 1e6:,.1f}")
    console = Console()
    console.print(table)
    for output, shape in size.outputs.items():
        console.print(f"{output} {shape}", highlight=False)
