"""How figures are written in tables."""

from __future__ import annotations


def percent(value: float | None) -> str:
    """A share as percent with one decimal; a dash where it is not defined.

    Examples:
        >>> percent(0.4567), percent(None)
        ('45.7', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"
