from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Programs that a shell puts into the background inherit that Ctrl-C is ignored; tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data_root() -> Path:
    """Folder with the real data sets, beside the checkout or named by SDGASNET_REAL_DATA."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("SDGASNET_REAL_DATA", default))
    if not root.is_dir():
        pytest.skip(
            f"no real data at {root}; set SDGASNET_REAL_DATA to the folder that holds neu-det, deeppcb, ..."
        )
    return root
