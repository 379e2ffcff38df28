"""A fuzz target: a parser, and samples of its input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A parser of untrusted bytes.

    Attributes:
        check: Parses the bytes. Returns whether they were accepted; False for an error that the parser
            documents. Any other error is a defect. A wrong result raises AssertionError.
        samples: Valid inputs.
        words: Parts of inputs, for the generation of others.
        refused: Invalid inputs.
    """

    check: Callable[[bytes], bool]
    samples: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    refused: tuple[bytes, ...] = ()


def choose(data: bytes, choices: Sequence[T]) -> tuple[T, bytes]:
    """Choose by the first byte. Returns the choice and the remaining bytes."""
    return choices[(data[0] if data else 0) % len(choices)], data[1:]


def to_text(data: bytes) -> str:
    """Decode the bytes as UTF-8; invalid ones become replacement characters."""
    return data.decode(errors="replace")
