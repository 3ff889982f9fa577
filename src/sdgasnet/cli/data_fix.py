"""``sdgasnet data fix``: a corrected copy of a data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdgasnet.cli.data import DEFAULT_FORMAT, EXAMPLES, DataPath, FormatOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.data.check import check_dataset
from sdgasnet.data.fix import LOG_NAME, Change, fix_dataset, require_outside, write_fixed
from sdgasnet.data.index import load_dataset


def fix(
    path: DataPath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="COPY", help="New folder; it must not exist or be empty.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be changed; write nothing.")] = False,
    format: FormatOption = DEFAULT_FORMAT,
) -> None:
    """Write a corrected copy; the data set itself is never changed.

    Repeated boxes and boxes without area are dropped, boxes that stick out of their picture are clipped,
    unreadable pictures and labels without pictures are left out. COPY/fix.jsonl says every change.
    """
    if out is None and not dry_run:
        raise typer.BadParameter("name the folder of the copy, or look first with --dry-run.", param_hint="--out")
    index = load_dataset(path, format)
    if out is not None:
        require_outside(out, index)
    with counting_bar("reading pictures") as advance:
        fixed, changes = fix_dataset(index, advance)
    console = Console(highlight=False)
    if changes:
        console.print(_table(changes))
    pictures = sum(map(len, fixed.splits.values()))
    if out is None or dry_run:
        say(f"{pictures} pictures and {len(changes)} lines of log would be written")
        return
    with counting_bar("copying pictures") as advance:
        write_fixed(fixed, changes, out, advance)
    say(f"{out}: {pictures} pictures as {fixed.format}; {len(changes)} lines in {out / LOG_NAME}")
    with counting_bar("checking the copy") as advance:
        remaining = check_dataset(load_dataset(out, fixed.format), advance).findings
    kinds = sorted({finding.kind for finding in remaining if finding.severity != "note"})
    if kinds:
        say(f"left to a person: {', '.join(kinds)}. See: sdgasnet data check {out}")


def _table(changes: Sequence[Change]) -> Table:
    kinds: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in changes:
        kinds[change.kind, change.action].append(change)
    table = Table(title="Changes", title_justify="left", show_lines=True)
    table.add_column("finding", no_wrap=True)
    table.add_column("done", no_wrap=True)
    table.add_column("count", justify="right")
    table.add_column("what, where")
    for (kind, action), members in kinds.items():
        lines = [_describe(change) for change in members[:EXAMPLES]]
        if len(members) > EXAMPLES:
            lines.append(f"... and {len(members) - EXAMPLES} more (all of them in {LOG_NAME})")
        table.add_row(kind, action, str(len(members)), Text("\n".join(lines)))
    return table


def _describe(change: Change) -> str:
    if change.before is None:
        return f"{change.file}: {change.what}"
    after = "" if change.after is None else f" -> {_text(change.after)}"
    return f"{change.file}: {change.what} {_text(change.before)}{after}"


def _text(value: tuple[float, ...] | str) -> str:
    return value if isinstance(value, str) else "(" + ", ".join(f"{side:.6g}" for side in value) + ")"
