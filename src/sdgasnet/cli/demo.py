"""``sdgasnet demo``: the whole way, from generated pictures to a results page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import sdgasnet.config
from sdgasnet.cli.predict import predict
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.train import train_run
from sdgasnet.cli.val import val
from sdgasnet.config.loading import load_recipe
from sdgasnet.data.surfaces.dataset import write_surfaces

RECIPE = Path(sdgasnet.config.__file__).parent / "demo.yaml"
PARTS = {"train": 600, "val": 150}
PICTURE_SIZE = (160, 160)
SEED = 7
GOOD_SHARE = 0.1
SHOWN_PICTURES = 24


def demo(
    out: Annotated[Path, typer.Argument(help="Folder; an interrupted demo in it goes on.")] = Path("demo"),
) -> None:
    """Generate pictures of steel, check them, train on them, measure, detect, and write a results page."""
    data, run = out / "data", out / "run"
    if not data.exists():
        say("1/4  generating labelled pictures of steel")
        with counting_bar("generating pictures") as advance:
            write_surfaces(data, "steel", PARTS, PICTURE_SIZE, SEED, GOOD_SHARE, "yolo", advance)
    if not (run / "result.json").is_file():
        say("2/4  training on them")
        recipe = load_recipe(RECIPE, [f"data.path={data}"])
        train_run(recipe, run, resume=(run / "last.pt").is_file())
    say("3/4  measuring on pictures that were held out")
    val(run / "last.pt", data, html=out / "results.html")
    say("4/4  detecting in some of them")
    pictures = sorted(str(path) for path in (data / "images" / "val").iterdir())[:SHOWN_PICTURES]
    predict(run / "last.pt", pictures, out=out / "predictions", as_json=out / "predictions.json")
    say(f"\nresults page:        {out / 'results.html'}\nannotated pictures:  {out / 'predictions'}")
    say(f"the same by hand:    sdgasnet train --data {data} model.image_size=[160,160] model.channels=1")
