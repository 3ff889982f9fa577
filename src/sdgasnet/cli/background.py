"""Reading ahead and writing behind, each in one thread, in order and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

From = TypeVar("From")
To = TypeVar("To")
MOST_WAITING = 8
"""Pictures that are held before and behind the network."""


def run_ahead(work: Callable[[From], To], items: Iterable[From]) -> Iterator[To]:
    """Results of ``work`` in the order of the items, a few of them made ahead.

    Examples:
        >>> list(run_ahead(str.upper, ["a", "b"]))
        ['A', 'B']
    """
    with ThreadPoolExecutor(1) as executor:
        waiting: deque[Future[To]] = deque()
        try:
            for item in items:
                waiting.append(executor.submit(work, item))
                if len(waiting) > MOST_WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


class BackgroundWriter:
    """Runs writing jobs one after another; an error of a job comes up at the next one, or at the end."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def submit(self, job: Callable[..., None], *arguments: Any) -> None:
        """Add a job; waits while too many are on their way.

        Raises:
            Exception: What an earlier job raised.
        """
        self._waiting.append(self._executor.submit(job, *arguments))
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > MOST_WAITING):
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish all jobs, or drop those not yet begun after an error."""
        self._executor.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for job in self._waiting:
                job.result()
