"""Whether a picture file is whole, from the structure of its format; decoders fill a missing end with grey."""

from __future__ import annotations

import re
import struct
import zlib

_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""A marker that ends entropy-coded data: neither a stuffed byte, a fill byte nor a restart."""
_JPEG_START_OF_SCAN = 0xDA
_JPEG_END = 0xD9
_JPEG_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
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


_CHECKS = {b"\xff\xd8": _jpeg_is_whole, b"\x89PNG\r\n\x1a\n": _png_is_whole, b"BM": _bmp_is_whole}
