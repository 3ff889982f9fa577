"""Writing behind the network, in order and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

MOST_WAITING = 8
"""Pictures that are held behind the network."""


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
