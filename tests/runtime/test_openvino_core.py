from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sdgasnet

pytest.importorskip("openvino")

PACKAGE = Path(sdgasnet.__file__).parent
CODE = """
import sys
from types import ModuleType
mine = ModuleType("openvino_telemetry")
if {known}:
    sys.modules["openvino_telemetry"] = mine
from sdgasnet.runtime.openvino_core import openvino_core
assert openvino_core()
assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__ == "openvino.tools.ovc.telemetry_stub"
assert sys.modules.get("openvino_telemetry") is (mine if {known} else None)
"""


@pytest.mark.parametrize("known", [False, True])
def test_telemetry_is_not_loaded_and_a_loaded_one_is_left_alone(known: bool) -> None:
    done = subprocess.run([sys.executable, "-c", CODE.format(known=known)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_else_imports_openvino() -> None:
    homes = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            homes |= {path.name for name in names if name.split(".")[0] == "openvino"}
    assert homes == {"openvino_core.py"}
