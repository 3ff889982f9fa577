from __future__ import annotations

import pytest

from sdgasnet.cli.background import BackgroundWriter


def test_all_jobs_are_done_at_the_end_in_order() -> None:
    done: list[int] = []
    with BackgroundWriter() as writer:
        for number in range(50):
            writer.submit(done.append, number)
    assert done == list(range(50))


def test_a_failed_job_is_not_lost() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), BackgroundWriter() as writer:
        writer.submit(fail)
