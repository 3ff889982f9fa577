"""Work on the next items while the last ones are used, in order and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

From = TypeVar("From")
To = TypeVar("To")


def run_ahead(work: Callable[[From], To], items: Iterable[From], workers: int, most_waiting: int) -> Iterator[To]:
    """Results of ``work`` in the order of the items, a few of them made ahead in threads.

    Args:
        work: Called on each item.
        items: Read only as far as needed.
        workers: Threads, >= 1.
        most_waiting: Results begun and not yet taken, >= 1.

    Examples:
        >>> list(run_ahead(str.upper, ["a", "b"], workers=1, most_waiting=4))
        ['A', 'B']
    """
    with ThreadPoolExecutor(workers) as executor:
        waiting: deque[Future[To]] = deque()
        try:
            for item in items:
                waiting.append(executor.submit(work, item))
                if len(waiting) >= most_waiting:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
