"""Read pictures and prepare them for the network."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from sdgasnet.errors import ImageError
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


def full_scale(dtype: DTypeLike) -> int:
    """Largest value of a pixel: 255 for uint8, 65535 for uint16.

    Examples:
        >>> full_scale(np.uint16)
        65535
    """
    return int(np.iinfo(np.dtype(dtype)).max)


def read_image(path: Path, channels: Channels) -> Image:
    """Read a picture, turned upright, with as many channels as asked for.

    Palettes are expanded, transparency is dropped, EXIF rotation is applied. A grey picture asked for with
    three channels has three equal ones; a colour picture asked for with one is converted by luminance, equal
    channels staying exact.

    Args:
        path: PNG, JPEG, BMP or TIFF file.
        channels: 1 (grey) or 3 (RGB).

    Returns:
        ``(H, W, channels)`` uint8 or uint16, as deep as the file.

    Raises:
        ImageError: The file is missing, empty, cut off, or not a picture of 8 or 16 bits.
    """
    data = read_bytes(path)
    require_complete(data, path)
    pixels = _decode(data, _READ_FLAGS[channels])
    if pixels is None:
        raise ImageError(
            f"Picture {path} can't be decoded: it starts with {data[:8]!r}. "
            "Expected PNG, JPEG, BMP or TIFF; export it again or leave it out."
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"Picture {path} has pixels of type {pixels.dtype}; expected 8 or 16 bits without sign.")
    if channels == 3:
        return np.ascontiguousarray(pixels[:, :, ::-1])
    return np.ascontiguousarray(pixels[:, :, None])


def stored_layout(path: Path) -> tuple[int, type[np.generic], bool]:
    """How a picture is stored: number of channels, pixel type, and whether its colours are all grey.

    Args:
        path: A picture that :func:`read_image` can read.

    Returns:
        (channels, pixel type, equal): ``equal`` is True if it has several colour channels that are all equal.

    Raises:
        ImageError: As :func:`read_image`.
    """
    data = read_bytes(path)
    require_complete(data, path)
    pixels = _decode(data, _READ_AS_STORED)
    if pixels is None:
        raise ImageError(f"Picture {path} can't be decoded; expected PNG, JPEG, BMP or TIFF.")
    if pixels.ndim == 2:
        return 1, pixels.dtype.type, False
    colours = pixels[:, :, :3]
    equal = bool((colours == colours[:, :, :1]).all())
    return pixels.shape[2], pixels.dtype.type, equal


def read_bytes(path: Path) -> bytes:
    """The whole file.

    Raises:
        ImageError: The file is missing, a folder, unreadable or empty.
    """
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


def require_complete(data: bytes, path: Path) -> None:
    """Refuse a file whose end is missing; decoders fill the rest with grey and say nothing.

    Args:
        data: The file's bytes.
        path: For the message.

    Raises:
        ImageError: The file is cut off.
    """
    for magic, complete in _COMPLETENESS.items():
        if data.startswith(magic):
            if not complete(data):
                raise ImageError(f"Picture {path} is cut off after {len(data)} bytes. Copy or export it again.")
            return


def _jpeg_is_complete(data: bytes) -> bool:
    """An end marker stands behind the start of the scan; cameras may append bytes to it."""
    return data.rfind(b"\xff\xd9") > data.find(b"\xff\xda") >= 0


def _png_is_complete(data: bytes) -> bool:
    return b"IEND\xae\x42\x60\x82" in data[-4096:]


def _bmp_is_complete(data: bytes) -> bool:
    if len(data) < 30:
        return False
    start, header, width, height, _, bits = struct.unpack_from("<IIiiHH", data, 10)
    row = (width * bits + 31) // 32 * 4
    compressed = header >= 40 and len(data) >= 34 and struct.unpack_from("<I", data, 30)[0] in (1, 2)
    return compressed or bool(len(data) >= start + row * abs(height))


_COMPLETENESS = {
    b"\xff\xd8": _jpeg_is_complete,
    b"\x89PNG": _png_is_complete,
    b"BM": _bmp_is_complete,
}


def _decode(data: bytes, flags: int) -> NDArray[Any] | None:
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return pixels


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
    shrinks = height < image.shape[0]
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
