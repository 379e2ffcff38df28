"""What is tried with made-up bytes: something that is read, and what may stand in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of bytes that come from outside.

    `look` tells whether they were read, or refused with the error that the reader documents; any other
    is a defect. So is what was read and does not mean what the bytes say: that is an AssertionError.
    `samples` are read, `refused` are not, `words` are what may stand in either.
    """

    look: Callable[[bytes], bool]
    samples: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    refused: tuple[bytes, ...] = ()


def chosen(data: bytes, choices: Sequence[T]) -> tuple[T, bytes]:
    """One of the choices, as the first byte tells, and the other bytes."""
    return choices[(data[0] if data else 0) % len(choices)], data[1:]


def text_of(data: bytes) -> str:
    """Any bytes as a text; what is no UTF-8 is a sign for that."""
    return data.decode(errors="replace")
