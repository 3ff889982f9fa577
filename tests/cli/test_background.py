from __future__ import annotations

import threading
import time

import pytest

from sdgasnet.cli.background import MOST_WAITING, BackgroundWriter, run_ahead


def test_order_is_kept_and_little_is_made_ahead() -> None:
    made: list[int] = []

    def work(item: int) -> int:
        made.append(item)
        return item * 10

    results = run_ahead(work, range(100))
    assert [next(results) for _ in range(3)] == [0, 10, 20]
    time.sleep(0.05)
    assert len(made) <= MOST_WAITING + 3
    assert list(results) == [item * 10 for item in range(3, 100)]
    assert made == list(range(100))


def test_an_error_comes_where_its_item_is() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    results = run_ahead(work, range(20))
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    results = run_ahead(str, range(1000))
    next(results)
    results.close()
    time.sleep(0.1)
    assert threading.active_count() <= before + 1


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
