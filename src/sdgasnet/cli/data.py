"""``sdgasnet data``: check, convert and split labelled pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.config.schema import DataConfig, TrainingConfig
from sdgasnet.data.check import SEVERITIES, CheckReport, check_dataset
from sdgasnet.data.index import FOLD, Format, InputFormat, load_dataset
from sdgasnet.data.records import DatasetIndex, Finding
from sdgasnet.data.split import parse_parts, split_dataset
from sdgasnet.data.statistics import SplitStatistics, Statistics, count_split
from sdgasnet.data.write import describe_loss, write_dataset
from sdgasnet.evaluation.data_page import build_data_page
from sdgasnet.evaluation.figures import require_plotting
from sdgasnet.output import write_text

EXAMPLES = 3
DEFAULT_FORMAT = DataConfig().format
DEFAULT_SEED = TrainingConfig().seed
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}

data_app = typer.Typer(
    name="data", help="Check, convert, split and generate labelled pictures.", no_args_is_help=True
)

DataPath = Annotated[
    Path, typer.Argument(metavar="PATH", help="Folder of labelled pictures, or a COCO JSON file or a data.yaml.")
]
OutPath = Annotated[Path, typer.Argument(metavar="OUT", help="New folder; it must not exist or be empty.")]
FormatOption = Annotated[
    InputFormat, typer.Option("--format", help="Format of PATH; auto looks at what is there.")
]


@data_app.callback()
def _data() -> None:
    """Check, convert, split and generate labelled pictures."""


@data_app.command()
def check(
    path: DataPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots and the pictures to look at, one file.")
    ] = None,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Look for what is wrong or odd in pictures and labels.

    Exit code 0: no errors (there may be warnings); 1: errors; 2: not usable as a data set.
    """
    if html is not None:
        require_plotting()
    index = load_dataset(path, format)
    with counting_bar("checking pictures") as advance:
        report = check_dataset(index, advance, near_duplicates=True)
    if html is not None:
        write_text(html, build_data_page(index, report))
        say(f"page: {html}")
    if as_json:
        print(json.dumps(_as_json(index, report), indent=1))
    else:
        console = Console(highlight=False)
        console.print(f"{index.root}, read as {index.format}", markup=False)
        console.print(_class_table(index, report.statistics.splits))
        console.print(_measure_table(report.statistics))
        if report.findings:
            console.print(_finding_table(report.findings))
        console.print(_summary(report.findings), markup=False)
    if report.errors:
        raise typer.Exit(1)


@data_app.command()
def convert(
    path: DataPath,
    out: OutPath,
    to: Annotated[Format, typer.Option("--to", help="Format of OUT.")],
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Write a data set in another format; pictures are copied."""
    index = load_dataset(path, format)
    _write(index, out, to)


@data_app.command()
def split(
    path: DataPath,
    out: OutPath,
    parts: Annotated[
        str, typer.Option("--parts", help="Names and shares of the parts.")
    ] = "train=0.7,val=0.15,test=0.15",
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Regular expression on the file name; pictures with an equal first capture group (or match), "
            "such as a board or a coil, stay together.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=2, help="So many equal parts instead, fold1, fold2, ...: for train --fold."),
    ] = None,
    near_duplicates: Annotated[
        bool,
        typer.Option(
            "--near-duplicates/--ignore-near-duplicates",
            help="Keep pictures of the same piece of surface together; ignore them where smooth parts in one "
            "fixture are taken for the same.",
        ),
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random order.")] = DEFAULT_SEED,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Share pictures out into parts with the same mix of classes; pictures are copied.

    Pictures of the same piece of surface stay together, whatever their names.
    """
    shares = parse_parts(parts) if folds is None else {f"{FOLD}{n}": 1 / folds for n in range(1, folds + 1)}
    index = load_dataset(path, format)
    with counting_bar("comparing pictures") as advance:
        index = split_dataset(index, shares, group, seed, advance, near_duplicates)
    _write(index, out, index.format)
    counts = {part: count_split(records, index.class_names) for part, records in index.splits.items()}
    Console(highlight=False).print(_class_table(index, counts))


def _write(index: DatasetIndex, out: Path, to: Format) -> None:
    with counting_bar("copying pictures") as advance:
        write_dataset(index, out, to, advance)
    for sentence in describe_loss(index, to):
        say(f"note: {sentence}")
    pictures = sum(map(len, index.splits.values()))
    say(f"{out}: {pictures} pictures as {to}")


def _as_json(index: DatasetIndex, report: CheckReport) -> dict[str, object]:
    return {
        "data": str(index.root),
        "format": index.format,
        "class_names": index.class_names,
        "content_hash": index.content_hash,
        **report.to_json(),
    }


def _class_table(index: DatasetIndex, splits: Mapping[str, SplitStatistics]) -> Table:
    table = Table(title="Boxes in pictures", title_justify="left")
    table.add_column("class")
    for split in splits:
        table.add_column(Text(split), justify="right")
    for name in index.class_names:
        cells = [f"{part.class_boxes[name]} in {part.class_pictures[name]}" for part in splits.values()]
        table.add_row(Text(name), *cells)
    table.add_section()
    table.add_row("all", *(f"{part.boxes} in {part.pictures - part.background}" for part in splits.values()))
    table.add_row("background", *(_share(part.background, part.pictures) for part in splits.values()))
    table.add_row("pictures", *(f"{part.pictures}" for part in splits.values()))
    return table


def _share(number: int, total: int) -> str:
    return f"{number} ({number / total:.0%})" if total else "0"


def _measure_table(statistics: Statistics) -> Table:
    boxes, pictures = statistics.boxes, statistics.pictures
    table = Table(title="Pictures and boxes", title_justify="left", show_header=False)
    rows = {
        "picture height x width": _most(pictures.sizes),
        "channels and depth": _most(pictures.layouts),
        "box area": f"{boxes.small} under 32x32, {boxes.medium} under 96x96, {boxes.large} over",
    }
    for side, quantiles in (("width", boxes.width_quantiles), ("height", boxes.height_quantiles)):
        if quantiles:
            least, low, median, high, most = quantiles
            rows[f"box {side} (px)"] = f"{least:g} to {most:g}, median {median:g}, 90 % from {low:g} to {high:g}"
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _most(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name}: {number}" for name, number in list(counts.items())[:EXAMPLES])
    return shown + (f" and {len(counts) - EXAMPLES} others" if len(counts) > EXAMPLES else "")


def _finding_table(findings: tuple[Finding, ...]) -> Table:
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.severity, finding.kind].append(finding)
    table = Table(title="Findings", title_justify="left", show_lines=True)
    table.add_column("finding", no_wrap=True)
    table.add_column("count", justify="right")
    table.add_column("what, where")
    for (severity, kind), members in kinds.items():
        lines = [found.text for found in members[:EXAMPLES]]
        if len(members) > EXAMPLES:
            lines.append(f"... and {len(members) - EXAMPLES} more (all of them with --json)")
        table.add_row(Text(f"{severity}\n{kind}", STYLES[severity]), str(len(members)), Text("\n".join(lines)))
    return table


def _summary(findings: tuple[Finding, ...]) -> str:
    counts = {severity: sum(f.severity == severity for f in findings) for severity in SEVERITIES}
    return ", ".join(f"{number} {severity}{'' if number == 1 else 's'}" for severity, number in counts.items())
