"""How many files and connections this process may have open."""

from contextlib import suppress
from functools import lru_cache
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

from app.config import Settings

RESERVED_FILES = 128
"""The open files of a worker other than its connections to clients and to the database, with a margin."""


def raise_open_file_limit(settings: Settings) -> None:
    """Raise the limit of open files as far as MAX_CONNECTIONS needs it and the system allows it."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    needed = settings.max_connections + _reserved(settings)
    limit = needed if hard == RLIM_INFINITY else min(needed, hard)
    if soft != RLIM_INFINITY and soft < limit:
        with suppress(OSError, ValueError):  # the real limit of macOS is lower than the one that it reports
            setrlimit(RLIMIT_NOFILE, (limit, hard))


@lru_cache(maxsize=1)
def max_client_connections(settings: Settings) -> int:
    """Return how many client connections this process accepts: MAX_CONNECTIONS, or fewer if open files are limited."""
    soft, _ = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY:
        return settings.max_connections
    return max(1, min(settings.max_connections, soft - _reserved(settings)))


def _reserved(settings: Settings) -> int:
    return settings.db_pool_size + RESERVED_FILES
