"""Write files so that nobody ever sees half of one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

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
        # A parent that is a file, or a read-only folder, lets nothing be removed either.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise not_written(path, error) from None


def not_written(path: Path, error: OSError) -> OutputError:
    """What a user is told."""
    return OutputError(
        f"{path} can't be written: {error.strerror or error}. Free space, or choose another folder."
    )


class GrowingFile:
    """A text file that grows under a temporary name and gets its own when everything is in it.

    Args:
        path: Its name; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + ".part")

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._temporary.open("w", encoding="utf-8")
        except OSError as error:
            raise not_written(self._path, error) from None
        return self

    def write(self, text: str) -> None:
        """Add text.

        Raises:
            OutputError: It can't be written.
        """
        try:
            self._stream.write(text)
        except OSError as error:
            raise not_written(self._path, error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stream.close()
            if kind is None:
                self._temporary.replace(self._path)
        except OSError as failure:
            if kind is None:
                raise not_written(self._path, failure) from None
        finally:
            self._temporary.unlink(missing_ok=True)
