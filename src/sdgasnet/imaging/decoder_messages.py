"""Keep what picture decoders print away from the user, and hear what it says."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_FROM_DECODERS = (
    b"Corrupt JPEG data",
    b"Premature end of JPEG file",
    b"Inconsistent progression sequence",
    b"Invalid SOS parameters",
    b"Unknown Adobe color transform",
    b"Warning: unknown JFIF revision",
    b"libpng warning",
    b"libpng error",
)
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def captured_messages() -> Iterator[list[str]]:
    """Collect the lines that libjpeg and libpng write to the process's standard error.

    They print there, without the file's name and past every log level; for damage in the middle of a JPEG
    this is the only sign. Whatever else is written meanwhile is passed on. Threads take turns, so hold it for
    one decoding only.

    Returns:
        A list that holds the lines once the block has ended; empty where there is no standard error.

    Examples:
        >>> with captured_messages() as lines:
        ...     _ = os.write(2, b"Corrupt JPEG data: bad Huffman code\\n")
        >>> lines
        ['Corrupt JPEG data: bad Huffman code']
    """
    lines: list[str] = []
    with _ONE_AT_A_TIME:
        try:
            original = os.dup(_STDERR)
        except OSError:
            yield lines
            return
        reading, writing = os.pipe()
        os.dup2(writing, _STDERR)
        os.close(writing)
        try:
            yield lines
        finally:
            os.dup2(original, _STDERR)
            os.close(original)
            with os.fdopen(reading, "rb") as stream:
                written = stream.read().splitlines(keepends=True)
            lines.extend(line.decode().strip() for line in written if line.startswith(_FROM_DECODERS))
            if others := [line for line in written if not line.startswith(_FROM_DECODERS)]:
                os.write(_STDERR, b"".join(others))
