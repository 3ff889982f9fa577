"""Keep what picture decoders print away from the user, and hear what it says."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO

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


@lru_cache(maxsize=1)
def _collecting_file() -> IO[bytes]:
    return TemporaryFile(buffering=0)


if hasattr(os, "register_at_fork"):
    # A forked process would share the place in the file with its parent, and hear what the parent's decoder says.
    os.register_at_fork(after_in_child=_collecting_file.cache_clear)


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
        # A file, not a pipe: a picture of thousands of bad chunks would fill a pipe, and the decoder wait forever.
        collected = _collecting_file().fileno()
        os.lseek(collected, 0, os.SEEK_SET)
        os.dup2(collected, _STDERR)
        try:
            yield lines
        finally:
            os.dup2(original, _STDERR)
            os.close(original)
            written = b""
            if length := os.lseek(collected, 0, os.SEEK_CUR):
                os.lseek(collected, 0, os.SEEK_SET)
                written = os.read(collected, length)
            whole = written.splitlines(keepends=True)
            lines.extend(
                line.decode(errors="replace").strip() for line in whole if line.startswith(_FROM_DECODERS)
            )
            if others := [line for line in whole if not line.startswith(_FROM_DECODERS)]:
                os.write(_STDERR, b"".join(others))
