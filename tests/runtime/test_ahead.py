from __future__ import annotations

import threading
import time

import pytest

from sdgasnet.runtime.ahead import run_ahead


@pytest.mark.parametrize("workers", [1, 3])
def test_order_is_kept_and_little_is_made_ahead(workers: int) -> None:
    made: list[int] = []

    def work(item: int) -> int:
        made.append(item)
        time.sleep(0.001 * (item % 3))
        return item * 10

    results = run_ahead(work, range(100), workers, most_waiting=5)
    assert [next(results) for _ in range(3)] == [0, 10, 20]
    time.sleep(0.05)
    assert len(made) <= 5 + 3
    assert list(results) == [item * 10 for item in range(3, 100)]
    assert sorted(made) == list(range(100))


def test_an_error_comes_where_its_item_is() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    results = run_ahead(work, range(20), workers=2, most_waiting=4)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)


def test_leaving_early_ends_the_threads() -> None:
    before = threading.active_count()
    results = run_ahead(str, range(1000), workers=2, most_waiting=4)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
