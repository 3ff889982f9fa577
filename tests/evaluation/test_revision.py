from __future__ import annotations

import re
from pathlib import Path

import pytest

from sdgasnet.evaluation import revision


def test_commit_of_a_checkout_or_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = revision.describe_commit()
    assert found is None or re.fullmatch(r"[0-9a-f]{7,}(-dirty)?", found)
    monkeypatch.setattr(revision, "__file__", str(tmp_path / "site-packages" / "sdgasnet" / "evaluation" / "r.py"))
    assert revision.describe_commit() is None
