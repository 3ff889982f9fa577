"""Read pictures and prepare them for the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from sdgasnet.errors import ImageError
from sdgasnet.imaging.decoder_messages import captured_messages
from sdgasnet.imaging.file_structure import is_whole, stated_size
from sdgasnet.imaging.geometry import ResizeMap

Channels = Literal[1, 3]
Image = NDArray[np.unsignedinteger[Any]]
"""Pixels ``(H, W, C)``, uint8 or uint16."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
LETTERBOX_GREY = 114 / 255
"""Grey of the letterbox as a share of full scale: docs/method.md section 1a [A]."""

_READ_FLAGS: dict[Channels, int] = {
    1: cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH,
    3: cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH,
}
_READ_AS_STORED = cv2.IMREAD_UNCHANGED
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression sequence")
_SINGLE = (b"\xff\xd8", b"BM")
"""How JPEG and BMP files start, which hold one picture each; the pictures of a multi-picture JPEG don't count."""
_PNG, _PNG_ANIMATION = b"\x89PNG\r\n\x1a\n", b"acTL"
_HARMLESS = "extraneous bytes before marker"
"""Some cameras pad their files; libjpeg finds these bytes odd and skips them."""


def full_scale(dtype: DTypeLike) -> int:
    """Largest value of a pixel: 255 for uint8, 65535 for uint16.

    Examples:
        >>> full_scale(np.uint16)
        65535
    """
    return int(np.iinfo(np.dtype(dtype)).max)


def read_image(path: Path, channels: Channels) -> Image:
    """Read a picture, turned upright, with as many channels as asked for.

    Palettes are expanded, fewer than 8 bits are spread over the full scale, transparency is dropped (an 8-bit
    TIFF comes multiplied by it), CMYK becomes RGB, EXIF rotation is applied. A grey picture asked for with
    three channels has three equal ones; a colour picture asked for with one is converted by luminance, equal
    channels staying exact.

    Args:
        path: PNG, JPEG, BMP or TIFF file; its content decides, not its suffix.
        channels: 1 (grey) or 3 (RGB).

    Returns:
        ``(H, W, channels)`` uint8 or uint16, as deep as the file.

    Raises:
        ImageError: The file is missing, empty, cut off, damaged, not a picture of 8 or 16 bits, or holds several
            pages or frames: labels belong to one picture, so none of them is chosen in silence.
    """
    data = _read_bytes(path)
    pixels = _decode(data, _READ_FLAGS[channels], path)
    if channels == 3:
        return np.ascontiguousarray(pixels[:, :, ::-1])
    return np.ascontiguousarray(pixels[:, :, None])


def read_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture, turned upright; from the header alone where that is enough.

    A picture that is cut off or damaged behind its header goes unnoticed.

    Args:
        path: As for :func:`read_image`.

    Raises:
        ImageError: As :func:`read_image`, but for what goes unnoticed.
    """
    size = stated_size(_read_bytes(path))
    return size or read_image(path, 1).shape[:2]


def stored_layout(path: Path) -> tuple[int, type[np.generic], bool]:
    """How a picture is stored: number of channels, pixel type, and whether its colours are all grey.

    Args:
        path: A picture that :func:`read_image` can read.

    Returns:
        (channels, pixel type, equal): ``equal`` is True if it has several colour channels that are all equal.

    Raises:
        ImageError: As :func:`read_image`.
    """
    pixels = _decode(_read_bytes(path), _READ_AS_STORED, path)
    if pixels.ndim == 2:
        return 1, pixels.dtype.type, False
    colours = pixels[:, :, :3]
    equal = bool((colours == colours[:, :, :1]).all())
    return pixels.shape[2], pixels.dtype.type, equal


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"Picture {path} does not exist.") from None
    except IsADirectoryError:
        raise ImageError(f"{path} is a folder; expected a picture file.") from None
    except OSError as error:
        raise ImageError(f"Picture {path} can't be read: {error.strerror}.") from None
    if not data:
        raise ImageError(f"Picture {path} is empty (0 bytes). Copy or export it again.")
    return data


def _decode(data: bytes, flags: int, path: Path) -> Image:
    if not is_whole(data):
        raise ImageError(
            f"Picture {path} is cut off or damaged ({len(data)} bytes, without a valid end). "
            "Copy or export it again."
        )
    pages = _count_pages(data, path)
    if pages > 1:
        raise ImageError(
            f"Picture {path} holds {pages} pages or frames; expected one. Save each of them as a file of its own."
        )
    pixels, damage = _decode_any(data, flags)
    if damage:
        raise ImageError(f"Picture {path} is damaged ({damage}). Copy or export it again.")
    if pixels is None:
        # OpenCV refuses some pixel types only when they are to become colours.
        pixels, _ = _decode_any(data, _READ_AS_STORED)
        if pixels is None or pixels.dtype in (np.uint8, np.uint16):
            raise ImageError(
                f"Picture {path} can't be decoded: it starts with {data[:8]!r}. "
                "Expected PNG, JPEG, BMP or TIFF; export it again or leave it out."
            )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"Picture {path} has pixels of type {pixels.dtype}; expected 8 or 16 bits without sign. "
            "Export it as 16-bit PNG or TIFF."
        )
    return pixels


def _count_pages(data: bytes, path: Path) -> int:
    """Pages of a TIFF, frames of an animation; 1 for what can't have several, 0 for what can't be decoded."""
    if data.startswith(_SINGLE) or (data.startswith(_PNG) and _PNG_ANIMATION not in data):
        return 1
    count = 0
    with _silent_decoder(), suppress(cv2.error):
        count = cv2.imcount(str(path))
    return count


def _decode_any(data: bytes, flags: int) -> tuple[NDArray[Any] | None, str]:
    """Pixels of any type, None if there are none; and what the decoder says of damage, empty if nothing."""
    pixels: NDArray[Any] | None = None
    with _silent_decoder() as lines, suppress(cv2.error):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    damage = [line for line in lines if line.startswith(_DAMAGE) and _HARMLESS not in line]
    return pixels, "; ".join(damage)


@contextmanager
def _silent_decoder() -> Iterator[list[str]]:
    """Neither OpenCV nor the libraries below it print; what these say is in the list once the block has ended."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        with captured_messages() as lines:
            yield lines
    finally:
        cv2.utils.logging.setLogLevel(level)


def prepare_image(image: Image, image_size: tuple[int, int]) -> tuple[Image, ResizeMap]:
    """Lay a picture on the network's canvas: letterbox, centred, grey around it.

    Args:
        image: ``(H, W, C)`` uint8 or uint16.
        image_size: (height, width) of the canvas.

    Returns:
        The canvas ``(height, width, C)`` of the same type, and the map between both.
    """
    resize_map = ResizeMap.letterbox((image.shape[0], image.shape[1]), image_size)
    height, width = resize_map.resized_size
    shrinks = height < image.shape[0] or width < image.shape[1]
    if (height, width) == image.shape[:2]:
        resized = image
    else:
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        stretched: Any = cv2.resize(image, (width, height), interpolation=interpolation)
        resized = stretched.reshape(height, width, image.shape[2])
    if (height, width) == image_size:
        return np.ascontiguousarray(resized), resize_map
    canvas = np.full((*image_size, image.shape[2]), letterbox_value(image.dtype), dtype=image.dtype)
    top, left = resize_map.offset
    canvas[top : top + height, left : left + width] = resized
    return canvas, resize_map


def letterbox_value(dtype: DTypeLike) -> int:
    """Pixel value of the grey around a picture: 114 for uint8."""
    return round(LETTERBOX_GREY * full_scale(dtype))


def find_images(folder: Path) -> list[Path]:
    """All picture files below a folder, by suffix, in the order of their paths."""
    found = [
        Path(base, name)
        for base, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in IMAGE_SUFFIXES
    ]
    return sorted(found)
