"""The one entry to OpenVINO: without its telemetry, and there as long as the process is."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openvino import Core

TELEMETRY = "openvino_telemetry"


@lru_cache(maxsize=1)
def openvino_core() -> Core:
    """The process's ``openvino.Core``.

    While it is imported, OpenVINO reports that to a web service and writes an identity into the home folder,
    unless its package for telemetry is absent. Here that package is out of sight during the import, and only then,
    so that a program around this one keeps what it imported and may import the rest.

    There is one, and it is never given back: the first use of the processor gives the calling thread a stack for
    signals that is freed with the last core. Were that in another thread, the next signal would find no stack, and
    a Ctrl-C or SIGTERM would end in a segmentation fault.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
    """
    hidden = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[TELEMETRY]
        if hidden is not None:
            sys.modules[TELEMETRY] = hidden
    return openvino.Core()
