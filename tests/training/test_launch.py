from __future__ import annotations

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
import torch
from sdgasnet.training.launch import keep_freed_memory

if {keeps}:
    assert keep_freed_memory()

def take_and_free():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

for _ in range(8):
    take_and_free()
print(min(take_and_free() for _ in range(4)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="speaks of glibc's allocator")
@pytest.mark.parametrize("keeps", [True, False])
def test_freed_memory_is_not_asked_for_again_page_by_page(keeps: bool) -> None:
    code = COUNT_FAULTS.format(keeps=keeps)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 100) is keeps
