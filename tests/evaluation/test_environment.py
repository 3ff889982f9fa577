from __future__ import annotations

import platform

from sdgasnet.evaluation.environment import describe_hardware, describe_versions


def test_machine_and_versions_are_named() -> None:
    assert describe_hardware()["processor"]
    versions = describe_versions()
    assert versions["python"] == platform.python_version()
    assert {"sdgasnet", "numpy"} <= set(versions)
