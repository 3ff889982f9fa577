"""Verbs on labelled pictures: check, convert, split."""

from __future__ import annotations

import typer

data_app = typer.Typer(
    name="data", help="Check, convert, split and generate labelled pictures.", no_args_is_help=True
)


@data_app.callback()
def _data() -> None:
    """Check, convert, split and generate labelled pictures."""
