"""What the data check needs to know of a picture's pixels, from one look at the file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sdgasnet.imaging.file_structure import jpeg_quality
from sdgasnet.imaging.image import Image, full_scale, read_image, stored_layout

CORNER_SHARE = 1 / 40
"""Side of the square looked at in each corner, as a share of the picture's shorter side."""
DARK = 1 / 16
"""What counts as black, as a share of full scale; JPEG doesn't keep a zero."""
SPECKLE_CONTRAST = 1 / 3
"""Least difference from the median of 3x3 that makes a pixel salt or pepper, as a share of full scale."""
QUALITY_STEP = 5
SPECKLE_SHARE = 0.002
"""Share of such pixels that fine structure (a printed circuit, a weave) does not reach."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """One picture as it is stored.

    Attributes:
        size: (height, width) after EXIF rotation.
        channels: Number of channels in the file.
        bits: Bits per channel.
        equal_channels: The file has several colour channels and all are equal: a grey picture.
        storage: How the file keeps its pixels, such as ``JPEG of quality about 75`` or ``PNG``.
        file_hash: SHA-256 of the file.
        pixel_hash: Hash of the decoded pixels; equal for one picture in two formats without loss.
        black_corners: All four corners are black and the rest is not, as after a rotation.
        speckled: Holds isolated pixels that differ much from their surroundings, as salt-and-pepper noise does.
        brightness: Mean grey, share of full scale.
        contrast: Standard deviation of grey, share of full scale.
    """

    size: tuple[int, int]
    channels: int
    bits: int
    equal_channels: bool
    storage: str
    file_hash: str
    pixel_hash: str
    black_corners: bool
    speckled: bool
    brightness: float
    contrast: float


def examine_picture(path: Path) -> PictureFacts:
    """Read a picture and describe it.

    Raises:
        ImageError: As :func:`sdgasnet.imaging.image.read_image`.
    """
    pixels = read_image(path, 3)
    channels, _, equal = stored_layout(path)
    data = path.read_bytes()
    grey, full = pixels.mean(axis=2, dtype=np.float32), full_scale(pixels.dtype)
    return PictureFacts(
        size=(pixels.shape[0], pixels.shape[1]),
        channels=channels,
        bits=8 * pixels.dtype.itemsize,
        equal_channels=equal,
        storage=describe_storage(data, path.suffix),
        file_hash=hashlib.sha256(data).hexdigest(),
        pixel_hash=hashlib.sha256(repr((pixels.shape, pixels.dtype)).encode() + pixels.tobytes()).hexdigest(),
        black_corners=has_black_corners(pixels),
        speckled=is_speckled(pixels),
        brightness=float(grey.mean() / full),
        contrast=float(grey.std() / full),
    )


def describe_storage(data: bytes, suffix: str) -> str:
    """How a picture file keeps its pixels.

    Args:
        data: The file's bytes.
        suffix: Of its name, with the dot.

    Examples:
        >>> describe_storage(b"", ".png")
        'PNG'
        >>> describe_storage(b"", ".tif") == describe_storage(b"", ".TIFF")
        True
    """
    quality = jpeg_quality(data)
    if quality is not None:
        # Rounded: an encoder that aims at a size of file changes its quality from picture to picture.
        return f"JPEG of quality about {QUALITY_STEP * round(quality / QUALITY_STEP)}"
    name = suffix.removeprefix(".").upper()
    return {"TIF": "TIFF", "JPG": "JPEG"}.get(name, name)


def has_black_corners(pixels: Image) -> bool:
    """Whether the four corners are black and the middle of the brightness is not.

    Args:
        pixels: ``(H, W, C)``; the first channel is looked at.
    """
    grey = pixels[:, :, 0]
    dark = full_scale(grey.dtype) * DARK
    side = max(1, round(min(grey.shape) * CORNER_SHARE))
    corners = [grey[rows, columns] for rows in _ends(side) for columns in _ends(side)]
    return all(np.mean(corner < dark) > 0.9 for corner in corners) and bool(np.median(grey) >= dark)


def _ends(side: int) -> tuple[slice, slice]:
    return slice(None, side), slice(-side, None)


def is_speckled(pixels: Image) -> bool:
    """Whether more than ``SPECKLE_SHARE`` of the pixels are salt or pepper.

    Args:
        pixels: ``(H, W, C)``; the first channel is looked at.
    """
    grey = np.ascontiguousarray(pixels[:, :, 0])
    difference = cv2.absdiff(grey, cv2.medianBlur(grey, 3))
    return bool(np.mean(difference > full_scale(grey.dtype) * SPECKLE_CONTRAST) > SPECKLE_SHARE)
