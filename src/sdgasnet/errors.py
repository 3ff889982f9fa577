"""Every exception that a caller of the package may catch.

The command line turns each of them into one message on standard error and exit code 2.
A message says what was found, where, what was expected and what to do.
"""

from __future__ import annotations


class SDGASNetError(Exception):
    """Base of all errors that the package raises on purpose."""


class ConfigError(SDGASNetError):
    """A recipe or an override is not valid; the message names the key."""


class DataError(SDGASNetError):
    """A data set can't be used as a whole: missing, empty, or of no known format."""


class ImageError(SDGASNetError):
    """A picture can't be read: missing, truncated, or not a picture."""


class ModelError(SDGASNetError):
    """A model file can't be opened, or does not fit what it is used for."""


class TrainingError(SDGASNetError):
    """Training can't start or can't go on, for example after a non-finite loss."""


class OutputError(SDGASNetError):
    """A result can't be written: no space, no permission, or it would overwrite."""


class MissingExtraError(SDGASNetError):
    """An optional part of the installation is needed and absent.

    Args:
        extra: Name of the extra, for example ``"train"``.
        purpose: What it is needed for, in a few words.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the extra '{extra}', which is not installed. "
            f"Install it with: pip install 'sdgasnet[{extra}]'"
        )
