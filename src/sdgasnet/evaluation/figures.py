"""One style for every figure: size, fonts, colours that a colour-blind person can tell apart, PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgasnet.errors import MissingExtraError
from sdgasnet.imaging.draw import PALETTE, class_colour
from sdgasnet.output import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType as RcKey

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Of lines that are no class: Okabe and Ito, Color Universal Design, 2008."""
LINES = ("-", "--", "-.", ":")
PANEL_SIZE = (5.2, 4.2)
"""Width and height of one panel, inches."""
DPI = 130
ASIAN_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "SimHei")
"""Taken, where installed, for what the standard font does not have."""
DARKER = {(240, 228, 66): "#A89A00", (255, 255, 255): "#000000"}
"""Colours of the drawn boxes that can't be seen on white paper."""


def require_plotting() -> None:
    """Make sure that figures can be drawn, before the work that they show.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("eval", "Plotting")


@contextmanager
def panels(rows: int, columns: int, size: tuple[float, float] = PANEL_SIZE) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of panels in the common style.

    Args:
        rows: Rows of panels, >= 1.
        columns: Panels in a row, >= 1.
        size: Width and height of one panel, inches.

    Yields:
        The figure and its panels, row by row.
    """
    with _style():
        from matplotlib.figure import Figure

        # Not by pyplot: that keeps every figure, and would change the backend of a notebook.
        figure = Figure(figsize=(columns * size[0], rows * size[1]), layout="constrained")
        yield figure, list(figure.subplots(rows, columns, squeeze=False).flat)


@contextmanager
def _style() -> Iterator[None]:
    require_plotting()
    from matplotlib import rc_context
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    style: dict[RcKey, Any] = {
        "font.family": ["DejaVu Sans", *(font for font in ASIAN_FONTS if font in installed)],
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.alpha": 0.3,
        "legend.frameon": False,
        "text.parse_math": False,
    }
    with rc_context(style):
        yield


def finish_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, names of the axes, grid."""
    axes.set_title(title)
    axes.set(xlabel=x, ylabel=y)
    axes.grid()


def paper_colour(label: int) -> str:
    """Colour of a class on white paper: that of its boxes, darker where it would not be seen."""
    red, green, blue = class_colour(label)
    return DARKER.get((red, green, blue), f"#{red:02x}{green:02x}{blue:02x}")


def class_line(label: int) -> str:
    """Line style of a class; another one where the colours begin again."""
    return LINES[label // len(PALETTE) % len(LINES)]


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    with _style():
        figure.savefig(buffer, dpi=DPI, format="png")
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, through a temporary name; its folder is made.

    Raises:
        OutputError: It can't be written.
    """
    write_bytes(path, to_png(figure))
