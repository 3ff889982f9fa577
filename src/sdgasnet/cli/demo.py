"""``sdgasnet demo``: the whole way, from generated pictures to a report of decisions that can be signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import sdgasnet.config
from sdgasnet.cli.bundle import decide
from sdgasnet.cli.calibrate import JSON_NAME, calibrate
from sdgasnet.cli.drift import baseline
from sdgasnet.cli.export import export
from sdgasnet.cli.predict import predict
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.report import report
from sdgasnet.cli.train import train_run
from sdgasnet.cli.val import val
from sdgasnet.config.loading import load_recipe
from sdgasnet.data.surfaces.dataset import write_surfaces

RECIPE = Path(sdgasnet.config.__file__).parent / "demo.yaml"
PARTS = {"train": 600, "val": 150, "calibration": 250}
GOOD_PARTS = {"calibration": 200}
PICTURE_SIZE = (160, 160)
SEED = 7
GOOD_SHARE = 0.1
SHOWN_PICTURES = 24
ESCAPE_COST, OVERKILL_COST, BAD_SHARE = 100.0, 1.0, 0.05


def demo(
    out: Annotated[Path, typer.Argument(help="Folder; an interrupted demo in it goes on.")] = Path("demo"),
) -> None:
    """Generate pictures of steel, train on them, measure, detect, export, and decide OK or NG with a guarantee."""
    data, good, run, bundle = out / "data", out / "good", out / "run", out / "steel.sdg"
    say("1/6  generating labelled pictures of steel")
    for folder, parts, seed, good_share in ((data, PARTS, SEED, GOOD_SHARE), (good, GOOD_PARTS, SEED + 1, 1.0)):
        if not folder.exists():
            with counting_bar("generating pictures") as advance:
                write_surfaces(folder, "steel", parts, PICTURE_SIZE, seed, good_share, "yolo", advance)
    if not (run / "result.json").is_file():
        say("2/6  training on them")
        recipe = load_recipe(RECIPE, [f"data.path={data}"])
        train_run(recipe, run, resume=(run / "last.pt").is_file())
    say("3/6  measuring on pictures that were held out")
    val(run / "last.pt", data, html=out / "results.html")
    say("4/6  exporting")
    export(run / "last.pt", bundle)
    say("5/6  choosing what is OK and what is NG")
    calibrate(
        bundle,
        data,
        out / "rules.yaml",
        good=good,
        escape_cost=ESCAPE_COST,
        overkill_cost=OVERKILL_COST,
        bad_share=BAD_SHARE,
    )
    decide(bundle, out / "rules.yaml", bundle)
    baseline(bundle, [data / "images" / "calibration", good], bundle)
    pictures = sorted(str(path) for path in (data / "images" / "val").iterdir())[:SHOWN_PICTURES]
    predict(bundle, pictures, out=out / "predictions", as_json=out / "predictions.json")
    say("6/6  writing the report")
    report(bundle, data, out / "report.html", good=good, calibration=out / JSON_NAME)
    say(f"\nreport to sign:      {out / 'report.html'}\nresults page:        {out / 'results.html'}")
    say(f"annotated pictures:  {out / 'predictions'}")
    say(f"the same by hand:    sdgasnet train --data {data} model.image_size=[160,160] model.channels=1")
