"""The results page: one HTML file with everything in it, for a screen, a phone and paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet import __version__
from sdgasnet.evaluation.measure import Measurement
from sdgasnet.evaluation.plots import plot_confusion, plot_curves, plot_losses, sheet_of_predictions
from sdgasnet.runtime.session import ModelSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 8
PLOT_DPI = 110


def build_report(
    measurement: Measurement,
    document: Mapping[str, Any],
    spec: ModelSpec,
    title: str = "Surface-defect detection: results",
    metrics_file: Path | None = None,
) -> str:
    """The page as text.

    Args:
        measurement: What the model does on a split.
        document: The same as plain values, with ``model``, ``data`` and ``split``.
        spec: The model.
        title: Heading.
        metrics_file: ``metrics.csv`` of the run, if its curves are to be shown.

    Returns:
        HTML without any outside reference.
    """
    plots = [
        ("Precision, recall and threshold", plot_curves(measurement)),
        ("Confusion", plot_confusion(measurement)),
    ]
    if metrics_file is not None:
        plots.append(("Training", plot_losses(metrics_file)))
    return PAGE.substitute(
        title=escape(title),
        headline=_headline(document),
        facts=_facts(document, spec),
        classes=_class_table(measurement, document),
        plots="".join(f"<h2>{escape(name)}</h2>{_figure_tag(figure, name)}" for name, figure in plots),
        examples=_examples(measurement, spec),
        version=escape(__version__),
    )


def _headline(document: Mapping[str, Any]) -> str:
    here = document["at_score_threshold"]
    tiles = [
        (_percent(document["AP50"]), "AP50, %"),
        (_percent(document["AP"]), "AP 0.50:0.95, %"),
        (_percent(here["recall"]), f"of the objects found, % (score from {here['threshold']:.2f})"),
        (_percent(here["precision"]), "of the detections right, %"),
    ]
    return "".join(f"<div class=tile><b>{value}</b><span>{escape(text)}</span></div>" for value, text in tiles)


def _facts(document: Mapping[str, Any], spec: ModelSpec) -> str:
    best = document["best_F1"]
    facts = {
        "Model": document["model"],
        "Data": f"{document['data']}, split '{document['split']}'",
        "Pictures": f"{document['images']} with {document['boxes']} labelled objects",
        "Input": f"{spec.image_size[0]} x {spec.image_size[1]} pixels, {'grey' if spec.channels == 1 else 'RGB'}",
        "Best F1": f"{_percent(best['F1'])} % at score {best['threshold']:.2f} "
        f"(precision {_percent(best['precision'])} %, recall {_percent(best['recall'])} %)",
        "AP75": f"{_percent(document['AP75'])} %",
    }
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items()
    )
    return f"<table class=facts>{rows}</table>"


def _class_table(measurement: Measurement, document: Mapping[str, Any]) -> str:
    labels = [thing.label for record in measurement.records for thing in record.objects if not thing.crowd]
    rows = []
    for number, name in enumerate(measurement.class_names):
        figures = document["per_class"][name]
        best = measurement.class_curves[name].best()
        cells = [labels.count(number), _percent(figures["AP50"]), _percent(figures["AP"])]
        cells += [_percent(best["precision"]), _percent(best["recall"]), f"{best['threshold']:.2f}"]
        rows.append(f"<tr><th>{escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = ("class", "objects", "AP50 %", "AP %", "precision %", "recall %", "at score")
    head = "".join(f"<th>{text}</th>" for text in heads)
    note = "<p class=note>Precision and recall at the score of the class's best F1, at IoU 0.5.</p>"
    return f"<div class=wide><table class=numbers><tr>{head}</tr>{''.join(rows)}</table></div>{note}"


def _examples(measurement: Measurement, spec: ModelSpec) -> str:
    sheet = sheet_of_predictions(measurement, spec.channels, EXAMPLES, measurement.score_threshold)
    cards = []
    for name, truth, found in sheet:
        pair = "".join(
            f"<figure>{_picture_tag(picture, f'{name}, {what}')}<figcaption>{what}</figcaption></figure>"
            for what, picture in (("labelled", truth), ("detected", found))
        )
        cards.append(f"<div class=card><p>{escape(Path(name).name)}</p><div class=pair>{pair}</div></div>")
    return f"<div class=cards>{''.join(cards)}</div>"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _figure_tag(figure: Figure, text: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=PLOT_DPI, format="png")
    return _data_tag(buffer.getvalue(), "png", text)


def _picture_tag(picture: NDArray[np.uint8], text: str) -> str:
    encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return _data_tag(encoded.tobytes(), "jpeg", text)


def _data_tag(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: .5rem 0 1rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem; }
.tile { border: 1px solid #ccd3da; border-radius: .5rem; padding: .8rem; }
.tile b { display: block; font-size: 1.8rem; } .tile span { font-size: .85rem; color: #444; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #e2e6ea; vertical-align: top; }
.facts th { width: 8rem; } .facts td { overflow-wrap: anywhere; }
.numbers td, .numbers tr:first-child th:not(:first-child) { text-align: right; } .wide { overflow-x: auto; }
img { max-width: 100%; height: auto; } .note, footer { font-size: .85rem; color: #444; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr)); gap: 1rem; }
.card { break-inside: avoid; border: 1px solid #ccd3da; border-radius: .5rem; padding: .6rem; }
.card p { margin: 0 0 .4rem; font-size: .85rem; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; } figure { margin: 0; }
figcaption { font-size: .85rem; color: #444; text-align: center; }
@media print { body { max-width: none; font-size: 12px; } h2 { break-after: avoid; } }
</style></head><body>
<h1>$title</h1>
<div class="tiles">$headline</div>
<h2>What was measured</h2>$facts
<h2>By class</h2>$classes
$plots
<h2>Examples, spread over the split</h2>$examples
<footer><p>AP: COCO protocol. Made by sdgasnet $version.</p></footer>
</body></html>
""")
