"""Write files so that nobody ever sees half of one."""

from __future__ import annotations

from pathlib import Path

from sdgasnet.errors import OutputError


def write_text(path: Path, text: str) -> None:
    """Write a text file through a temporary name; its folder is made.

    Raises:
        OutputError: It can't be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary name; its folder is made.

    Raises:
        OutputError: It can't be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}. Free space, or choose another folder."
        ) from None
