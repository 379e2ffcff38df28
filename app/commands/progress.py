"""How far a command has come, for whoever watches it in a terminal."""

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
    """What is to be told of each piece how many bytes it has. A stderr that is no terminal shows nothing of it."""
    columns = (TextColumn("{task.description}"), BarColumn(), FileSizeColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    hidden = hidden or not sys.stderr.isatty()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=hidden) as shown:
        task = shown.add_task(name, total=None)  # how much it will be nobody knows before it is all there
        yield lambda count: shown.advance(task, count)


@contextmanager
def shown_rows(name: str) -> Iterator[Callable[[int, int], object]]:
    """What is to be told how many rows of how many are done. A stderr that is no terminal shows nothing of it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)
