"""Time limits of database operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymongo


@contextmanager
def without_deadline() -> Iterator[None]:
    """Remove the time limit from the operations in this block.

    The value must be 0: with None the client's timeoutMS would apply.
    """
    with pymongo.timeout(0):
        yield
