"""Import OpenVINO without its telemetry."""

from __future__ import annotations

import sys
from types import ModuleType

TELEMETRY = "openvino_telemetry"


def import_openvino() -> ModuleType:
    """The module ``openvino``, which sends nothing anywhere.

    While it is imported, OpenVINO reports that to a web service and writes an identity into the home folder,
    unless its package for telemetry is absent. Here that package is out of sight during the import, and only then,
    so that a program around this one keeps what it imported and may import the rest.

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
    return openvino  # type: ignore[no-any-return]
