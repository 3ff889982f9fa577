"""``sdgasnet export``: a trained model as a bundle for the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sdgasnet.cli.opening import align_classes
from sdgasnet.cli.parity import print_report
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import DataConfig, ExportConfig, ParityConfig
from sdgasnet.data.index import load_dataset
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import ConfigError, MissingExtraError
from sdgasnet.evaluation.parity import Sample, generate_samples, label_samples, run_gate
from sdgasnet.runtime.bundle import Bundle, require_place, write_bundle
from sdgasnet.runtime.manifest import Precision


def export(
    model: Annotated[Path, typer.Argument(help="Model file (.pt), run folder or packaged name.")],
    out: Annotated[Path, typer.Argument(help="New folder, or one file if it ends in .sdg.")],
    precision: Annotated[
        Precision, typer.Option("--precision", help="Of the bundle; fp16 is for CUDA. The float graph is in all.")
    ] = "fp32",
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="Labelled data set. int8 takes its split 'calibration', else 'train'; AP is compared on 'val'.",
        ),
    ] = None,
    format: Annotated[
        Literal["auto", "voc", "coco", "yolo"], typer.Option("--format", help="Format of the data set.")
    ] = DataConfig().format,
    bits: Annotated[
        Literal["8", "16"], typer.Option("--bits", help="Of the pictures' pixels; 16 takes both.")
    ] = "8",
    force: Annotated[
        bool, typer.Option("--force", help="Write a bundle that is outside the tolerances, marked as failed.")
    ] = False,
) -> None:
    """Write a bundle that runs without torch: ONNX graph, manifest with digests, golden vectors, card.

    It is compared with the trained model in every runtime that is installed. Outside the tolerances it is not
    written, and the command ends with 1.
    """
    try:
        from sdgasnet.export.build import build_bundle, seal
        from sdgasnet.export.precision import choose_calibration, halve_bundle, quantize_bundle
        from sdgasnet.models.checkpoint import find_model_file, read_model
        from sdgasnet.models.session import TorchSession
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sdgasnet"):
            raise
        raise MissingExtraError("export", "Exporting") from None
    if precision == "int8" and calibration is None:
        raise ConfigError(
            "--precision int8 needs pictures to calibrate on: --calibration DATA, a labelled data set."
        )
    require_place(out)
    trained = read_model(model)
    name = find_model_file(model).stem
    index = (
        None
        if calibration is None
        else align_classes(load_dataset(calibration, format), trained.class_names, name)
    )
    bundle = Bundle(out, *build_bundle(trained, name, 8 if bits == "8" else 16))
    if precision == "fp16":
        say("fp16 is for CUDA; on a processor the float graph in the bundle is faster")
        bundle = halve_bundle(bundle)
    if precision == "int8":
        assert index is not None
        bundle = quantize_bundle(bundle, choose_calibration(index, ExportConfig()), ExportConfig(), say)
    samples = choose_samples(bundle, index)
    with counting_bar("comparing") as advance:
        report = run_gate(TorchSession(trained, name), bundle, samples, ParityConfig(), advance)
    print_report(report)
    if not report.passed and not force:
        say(f"{out} is not written; --force writes it, marked as failed")
        raise typer.Exit(1)
    sealed = seal(bundle, report)
    write_bundle(out, sealed.manifest, sealed.files)
    say(f"{out}: {sum(map(len, sealed.files.values())) / 2**20:.2f} MiB, {len(sealed.files) + 1} files")


def choose_samples(bundle: Bundle, index: DatasetIndex | None) -> list[Sample]:
    """Labelled pictures of the val split, else of another one; generated pictures where there is no data set."""
    splits = {} if index is None else index.splits
    records = splits.get(DataConfig().val_split) or next(filter(None, splits.values()), ())
    return label_samples(records) if records else generate_samples(bundle)
