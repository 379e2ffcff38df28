"""Progress bars. Nothing is shown if standard error is not a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    FileSizeColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)


@contextmanager
def shown_bytes(name: str, *, hidden: bool = False) -> Iterator[Callable[[int], object]]:
    """Show a progress bar, and yield the function to call with the size of each part in bytes."""
    columns = (TextColumn("{task.description}"), BarColumn(), FileSizeColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    hidden = hidden or not sys.stderr.isatty()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(name, total=None)  # the total is not known in advance
        yield lambda size: progress.advance(task, size)


@contextmanager
def shown_rows(name: str) -> Iterator[Callable[[int, int], object]]:
    """Show a progress bar, and yield the function to call with the number of completed rows and the total."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(name, total=None)
        yield lambda completed, total: progress.update(task, completed=completed, total=total)
