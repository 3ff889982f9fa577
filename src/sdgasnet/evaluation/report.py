"""The results page: one HTML file with everything in it, for a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from sdgasnet.config.loading import load_recipe
from sdgasnet.evaluation.environment import describe_hardware, describe_versions
from sdgasnet.evaluation.examples import choose_examples
from sdgasnet.evaluation.figures import paper_colour, to_png
from sdgasnet.evaluation.measure import Measurement
from sdgasnet.evaluation.operating_point import OperatingCurve
from sdgasnet.evaluation.page import fact_table, fill_page, image, panel, percent, picture
from sdgasnet.evaluation.plots import (
    draw_accuracy,
    draw_figures_by_threshold,
    draw_losses,
    draw_precision_by_recall,
    plot_confusion,
    read_metrics,
)
from sdgasnet.imaging.template import describe_channels, shown_channels
from sdgasnet.runtime.session import ModelSpec

EXAMPLES = 8
CLASS_COLUMNS = ("class", "objects", "AP50 %", "AP %", "found %", "right %", "best F1 %", "at score")


def build_report(
    measurement: Measurement, document: Mapping[str, Any], spec: ModelSpec, run: Path | None = None
) -> str:
    """The page as text.

    Args:
        measurement: What the model does on a split.
        document: The same as plain values, with ``model``, ``data`` and ``split``.
        spec: The model.
        run: Run folder of the model; its recipe and the course of its training are shown.

    Returns:
        HTML without any outside reference.

    Raises:
        ImageError: An example can't be read.
        MissingExtraError: matplotlib is not installed.
    """
    return fill_page(
        "results_page.html",
        lead=escape(
            f"Data set {Path(document['data']).name}, split '{document['split']}': {document['images']} pictures "
            f"with {document['boxes']} labelled objects"
        ),
        tiles=_tiles(document),
        classes=_class_table(measurement, document),
        threshold=f"{measurement.score_threshold:g}",
        curves=panel(draw_precision_by_recall, measurement, "precision by recall")
        + panel(draw_figures_by_threshold, measurement, "precision, recall and F1 by score threshold"),
        confusion=image(to_png(plot_confusion(measurement)), "png", "confusion matrix"),
        examples=_examples(measurement, spec),
        training="" if run is None else _training(run),
        facts=fact_table(_measured_facts(document, spec)),
    )


def _tiles(document: Mapping[str, Any]) -> str:
    here = document["at_score_threshold"]
    score = f"at score {here['threshold']:g}"
    tiles = (
        (document["AP50"], "AP50: average precision at IoU 0.5"),
        (document["AP"], "AP: average precision, IoU 0.50 to 0.95"),
        (here["recall"], f"of the labelled objects are found, {score}"),
        (here["precision"], f"of the detections are right, {score}"),
    )
    return "".join(
        f'<div class="tile"><b>{percent(value, " %")}</b><span>{escape(text)}</span></div>'
        for value, text in tiles
    )


def _class_table(measurement: Measurement, document: Mapping[str, Any]) -> str:
    rows = []
    for label, (name, curve) in enumerate(measurement.class_curves.items()):
        swatch = f'<span class="swatch" style="background:{paper_colour(label)}"></span>'
        figures = document["per_class"][name]
        rows.append(_class_row(swatch + escape(name), figures, curve, measurement.score_threshold))
    rows.append(_class_row("all", document, measurement.curve, measurement.score_threshold))
    head = "".join(f"<th>{text}</th>" for text in CLASS_COLUMNS)
    return f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _class_row(name: str, figures: Mapping[str, Any], curve: OperatingCurve, score_threshold: float) -> str:
    here = curve.at(score_threshold)
    shares = [percent(value) for value in (figures["AP50"], figures["AP"], here["recall"], here["precision"])]
    cells = [str(curve.objects), *shares, *_best(curve)]
    return f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _best(curve: OperatingCurve) -> tuple[str, str]:
    best = curve.best()
    return ("–", "–") if best is None else (percent(best["F1"]), f"{best['threshold']:.2f}")


def _examples(measurement: Measurement, spec: ModelSpec) -> str:
    cards = []
    for example in choose_examples(measurement, shown_channels(spec.channels, spec.paired), EXAMPLES):
        pair = "".join(
            f"<figure>{picture(pixels, f'{example.name}, {what}')}<figcaption>{what}</figcaption></figure>"
            for what, pixels in (("labelled", example.labelled), ("detected", example.detected))
        )
        cards.append(f'<div class="card"><p>{escape(example.name)}</p><div class="pair">{pair}</div></div>')
    return "".join(cards)


def _training(run: Path) -> str:
    """How the model of a run folder came about; what the folder does not hold is left out."""
    recipe_file, metrics_file = run / "recipe.yaml", run / "metrics.csv"
    facts, curves = {}, ""
    if recipe_file.is_file():
        recipe = load_recipe(recipe_file)
        facts = {
            "Network": f"preset {recipe.model.preset}: backbone {recipe.model.backbone}, "
            f"fusion {recipe.model.fusion}, enhancement {recipe.model.enhance}, neck {recipe.model.neck_block}",
            "Optimiser": f"{recipe.training.optimizer}, learning rate {recipe.training.learning_rate:g}, "
            f"batch {recipe.training.batch_size}, seed {recipe.training.seed}",
            "Augmentation": f"mosaic {recipe.augmentation.mosaic:g}, mixup {recipe.augmentation.mixup:g}, "
            f"scale {recipe.augmentation.scale:g}, flips {recipe.augmentation.flip_horizontal:g} and "
            f"{recipe.augmentation.flip_vertical:g}",
        }
    if metrics_file.is_file():
        rows = read_metrics(metrics_file)
        minutes = sum(float(row["train_seconds"]) for row in rows) / 60
        facts["Epochs"] = f"{rows[-1]['epoch']}, {minutes:.1f} minutes of training"
        pair = panel(draw_losses, rows, "losses by epoch") + panel(draw_accuracy, rows, "accuracy by epoch")
        curves = f'<div class="plots">{pair}</div>'
    return f"<h2>How it was trained</h2>{fact_table(facts)}{curves}" if facts else ""


def _measured_facts(document: Mapping[str, Any], spec: ModelSpec) -> dict[str, str]:
    hardware, settings = describe_hardware(), document["detection"]
    return {
        "Model": str(document["model"]),
        "Data": f"{document['data']}, split '{document['split']}'",
        "Input": f"{spec.image_size[0]} x {spec.image_size[1]} pixels, "
        f"{describe_channels(spec.channels, spec.paired)}",
        "AP75": percent(document["AP75"], " %"),
        "AP by size": f"below 32 x 32 pixels {percent(document['AP_small'])}, up to 96 x 96 "
        f"{percent(document['AP_medium'])}, above {percent(document['AP_large'])}",
        "Detection": f"score threshold {settings['score_threshold']:g}, suppression at IoU "
        f"{settings['iou_threshold']:g}, boxes averaged above {settings['averaging_iou']:g}, "
        f"at most {settings['max_detections']} a picture",
        "Machine": f"{hardware['processor']}, {hardware['cores']} cores",
        "Versions": ", ".join(f"{name} {number}" for name, number in describe_versions().items()),
    }
