"""Progress bars with an estimate of the time left; plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

CONSOLE = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line to standard error."""
    CONSOLE.print(text, markup=False)


@contextmanager
def counting_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that reports (done, total)."""
    with _bars() as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=CONSOLE,
        transient=True,
        disable=not CONSOLE.is_terminal,
    )


class TrainingBars:
    """Bars of a training: pictures read, epochs, steps of the epoch; and a line for each epoch.

    Args:
        shown: False for the processes beside the first one.
    """

    def __init__(self, shown: bool = True) -> None:
        self._shown = shown
        self._bars = _bars()
        self._reading = self._bars.add_task("reading pictures", total=None, visible=False)
        self._epochs = self._bars.add_task("epochs", total=None, visible=False)
        self._steps = self._bars.add_task("steps", total=None, visible=False)
        self._validating = self._bars.add_task("measuring", total=None, visible=False)
        self._epoch_count = 0
        self._started = time.monotonic()
        self._epochs_here = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        """A line of its own."""
        if self._shown:
            say(text)

    def pictures_read(self, count: int, total: int) -> None:
        """Pictures decoded into memory."""
        self._bars.update(self._reading, completed=count, total=total, visible=count < total)

    def epoch_started(self, epoch: int, epochs: int, steps: int) -> None:
        """A new epoch, counted from 1."""
        if self._epochs_here == 0:
            self._started = time.monotonic()
        self._epoch_count = epochs
        self._bars.update(self._epochs, completed=epoch - 1, total=epochs, visible=True)
        self._bars.reset(self._steps, total=steps, visible=True, description=f"epoch {epoch}")
        self._bars.update(self._validating, visible=False)

    def step_done(self, terms: dict[str, float]) -> None:
        """One step of the epoch."""
        self._bars.advance(self._steps)

    def validating(self, count: int, total: int) -> None:
        """Pictures of the val split measured."""
        self._bars.update(self._validating, completed=count, total=total, visible=count < total)

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Say what the epoch came to, and how long the rest will take."""
        if not self._shown:
            return
        self._epochs_here += 1
        self._bars.update(self._epochs, completed=row["epoch"])
        seconds = (time.monotonic() - self._started) / self._epochs_here * (self._epoch_count - row["epoch"])
        accuracy = f"  AP50 {row['AP50']:.3f}  AP {row['AP']:.3f}" if row["AP50"] != "" else ""
        teacher = f", distillation {row['distillation']:.3f}" if row["distillation"] else ""
        say(
            f"epoch {row['epoch']:>{len(str(self._epoch_count))}}/{self._epoch_count}  loss {row['total']:.3f} "
            f"(classes {row['classes']:.3f}, boxes {row['boxes']:.3f}, distribution {row['distribution']:.3f}"
            f"{teacher}){accuracy}  {row['train_seconds']:.1f} s, {seconds / 60:.0f} min left"
        )
