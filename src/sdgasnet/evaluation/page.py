"""Parts of pages that are one HTML file with everything in it, for a screen, a phone and paper."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet import __version__
from sdgasnet.evaluation.figures import panels, to_png
from sdgasnet.imaging.draw import reduce_for_page
from sdgasnet.imaging.image import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")
JPEG_QUALITY = 88
CLOSE_UP = 3.0
"""Side of a close-up in sides of the box."""
NEARER = 0.8
"""A close-up that shows more of the picture than this shows nothing new."""
SMALLEST_CLOSE_UP = 64
"""Pixels of the source."""


def fill_page(name: str, **parts: str) -> str:
    """A page from its template.

    Args:
        name: File beside this module.
        parts: HTML by place; style, version and date are put in.

    Returns:
        HTML without any outside reference.
    """
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    template = Template((files(__package__) / name).read_text(encoding="utf-8"))
    return template.substitute(style=style, version=escape(__version__), date=date.today().isoformat(), **parts)


def fact_table(facts: Mapping[str, str]) -> str:
    """Names and values, one a row."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f'<table class="facts">{rows}</table>'


def number_table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], sums: bool = False) -> str:
    """Names and numbers, scrolled sideways where it is too wide.

    Args:
        heads: Of the columns, that of the names first.
        rows: Name (HTML) and the texts of its cells.
        sums: Whether the last row sums up the others.
    """
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{escape(text)}</td>' for text in cells)}</tr>" for name, cells in rows
    )
    kind = "numbers" if sums else "numbers plain"
    table = f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'


def percent(value: float | None, unit: str = "") -> str:
    """A share as percent; a dash where it is not defined."""
    return "–" if value is None else f"{100 * value:.1f}{unit}"


def panel(draw: Callable[[Axes, T], None], what: T, text: str) -> str:
    """A plot as a figure of its own rather than half of a wide one: on a phone they stand below each other."""
    with panels(1, 1) as (figure, (axes,)):
        draw(axes, what)
    return f"<figure>{image(to_png(figure), 'png', text)}</figure>"


def picture(pixels: NDArray[np.uint8], text: str) -> str:
    """RGB pixels as a JPEG in the page."""
    encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return image(encoded.tobytes(), "jpeg", text)


def image(data: bytes, kind: str, text: str) -> str:
    """An encoded picture in the page."""
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def drawing(drawn: NDArray[np.uint8], name: str, caption: str) -> str:
    """RGB pixels as a figure with a caption, reduced if they are many.

    Args:
        drawn: ``(H, W, 3)``.
        name: Of the picture, for those who can't see it.
        caption: Below it.
    """
    shown = picture(reduce_for_page(drawn), f"{name}, {caption}")
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def close_up(pixels: Image, box_xyxy: NDArray[np.float64]) -> tuple[Image, NDArray[np.float64]] | None:
    """The square around a box, as far as it lies in the picture, and the box in it.

    Args:
        pixels: ``(H, W, C)``.
        box_xyxy: ``(4,)`` pixels.

    Returns:
        None if it would show most of the picture.
    """
    height, width = pixels.shape[:2]
    side = int(min(max(CLOSE_UP * (box_xyxy[2:] - box_xyxy[:2]).max(), SMALLEST_CLOSE_UP), height, width))
    if side >= NEARER * min(height, width):
        return None
    middle = (box_xyxy[:2] + box_xyxy[2:]) / 2
    left, top = (
        int(np.clip(middle[axis] - side / 2, 0, size - side)) for axis, size in enumerate((width, height))
    )
    near = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    return near, box_xyxy - np.array([left, top, left, top])
