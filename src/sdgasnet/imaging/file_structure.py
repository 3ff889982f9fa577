"""What the structure of a picture file says without decoding: whether it is whole, its size, its compression.

Decoders fill a missing end with grey, so the first can't be left to them; the second saves the decoding, and they
don't tell the third.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from functools import cache

_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""A marker that ends entropy-coded data: neither a stuffed byte, a fill byte nor a restart."""
_JPEG_START_OF_SCAN = 0xDA
_JPEG_END = 0xD9
_JPEG_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers; the three in between define tables or are reserved."""
_JPEG_QUANTISATION = 0xDB
_JPEG_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
"""Brightness at quality 50: ITU-T T.81, table K.1; its order does not matter here."""
_EXIF_MARKS = (b"Exif\0\0", b"eXIf")
"""How EXIF data starts in JPEG and in PNG; it may turn the picture."""
_BMP_CORE_HEADER = 12
_BMP_RUN_LENGTH = frozenset({1, 2})


def is_whole(data: bytes) -> bool:
    """False if a JPEG, PNG or BMP file is cut off, or a PNG fails its checksums.

    Args:
        data: The file's bytes. Formats other than these three are left to their decoders: True.

    Examples:
        >>> is_whole(bytes.fromhex("ffd8ffda0002"))  # a JPEG whose scan never ends
        False
    """
    checks = (whole for magic, whole in _CHECKS.items() if data.startswith(magic))
    return all(whole(data) for whole in checks)


def _jpeg_is_whole(data: bytes) -> bool:
    """Walk from marker to marker up to the end marker; the thumbnail inside a segment has one of its own."""
    position, scans = 2, 0
    while marker := _JPEG_MARKER.search(data, position):
        kind = marker[1][0]
        position = marker.end()
        if kind == _JPEG_END:
            return scans > 0
        scans += kind == _JPEG_START_OF_SCAN
        if kind not in _JPEG_WITHOUT_LENGTH:
            if position + 2 > len(data):
                return False
            position += int.from_bytes(data[position : position + 2], "big")
    return False


def _png_is_whole(data: bytes) -> bool:
    position = 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            return False
        kind = data[position + 4 : position + 8]
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        is_needed = kind[:1].isupper()
        if is_needed and zlib.crc32(memoryview(data)[position + 4 : end - 4]) != checksum:
            return False
        if kind == b"IEND":
            return True
        position = end
    return False


def _bmp_is_whole(data: bytes) -> bool:
    if len(data) < 26:
        return False
    start, header = struct.unpack_from("<II", data, 10)
    if header == _BMP_CORE_HEADER:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    elif len(data) < 38:
        return False
    else:
        width, height, _, bits, compression, stored = struct.unpack_from("<iiHHII", data, 18)
        if compression in _BMP_RUN_LENGTH:
            return bool(len(data) >= start + stored)
    row = (width * bits + 31) // 32 * 4
    return bool(len(data) >= start + row * abs(height))


def stated_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) as the header of a JPEG, PNG or BMP file states it.

    Args:
        data: The file's bytes.

    Returns:
        None for other formats, for what has no such header, and for what EXIF data may turn: decode these.

    Examples:
        >>> stated_size(b"\\x89PNG\\r\\n\\x1a\\n" + bytes(4) + b"IHDR" + struct.pack(">II", 640, 480))
        (480, 640)
    """
    if any(mark in data for mark in _EXIF_MARKS):
        return None
    try:
        size = next((read(data) for magic, read in _SIZES.items() if data.startswith(magic)), None)
    except (struct.error, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def jpeg_quality(data: bytes) -> int | None:
    """The quality, 1 to 100, at which libjpeg would round brightness as coarsely as this JPEG does.

    Args:
        data: The file's bytes.

    Returns:
        None for other formats.
    """
    table = _jpeg_quantisation(data)
    return None if table is None else min(range(1, 101), key=lambda q: abs(sum(table) - _jpeg_steps(q)))


def _jpeg_quantisation(data: bytes) -> bytes | None:
    """The table by which a JPEG rounds brightness, 64 values; that of a thumbnail inside it does not count.

    None for other formats, and for tables of 16 bits.
    """
    if not data.startswith(_JPEG):
        return None
    try:
        for kind, start in _jpeg_segments(data):
            if kind == _JPEG_QUANTISATION and data[start] == 0:
                table = data[start + 1 : start + 65]
                return table if len(table) == 64 else None
    except (struct.error, IndexError):
        return None
    return None


@cache
def _jpeg_steps(quality: int) -> int:
    """Sum of libjpeg's table of a quality."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _JPEG_TABLE)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    for kind, start in _jpeg_segments(data):
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, start + 1)
            return height, width
    return None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Kind and start of the content of each segment before the first scan."""
    position = 2
    while data[position] == 0xFF:
        kind = data[position + 1]
        if kind == 0xFF:
            position += 1
            continue
        if kind == _JPEG_START_OF_SCAN:
            return
        yield kind, position + 4
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == _BMP_CORE_HEADER else "<ii", data, 18)
    return abs(height), width


_JPEG, _PNG, _BMP = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM"
_CHECKS = {_JPEG: _jpeg_is_whole, _PNG: _png_is_whole, _BMP: _bmp_is_whole}
_SIZES = {_JPEG: _jpeg_size, _PNG: _png_size, _BMP: _bmp_size}
