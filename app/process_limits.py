"""How many files and connections this process may hold open."""

from contextlib import suppress
from functools import lru_cache
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

from app.config import Settings

OTHER_FILES = 128
"""What a worker holds open beside its clients' connections and those to the database, with room to spare."""


def allow_connections(settings: Settings) -> None:
    """Raises the limit of open files as far as MAX_CONNECTIONS needs and the system lets it."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wished = settings.max_connections + _beside(settings)
    allowed = wished if hard == RLIM_INFINITY else min(wished, hard)
    if soft != RLIM_INFINITY and soft < allowed:
        with suppress(OSError, ValueError):  # macOS has a limit of its own below the one that it names
            setrlimit(RLIMIT_NOFILE, (allowed, hard))


@lru_cache(maxsize=1)
def most_connections(settings: Settings) -> int:
    """How many connections of clients this process takes: MAX_CONNECTIONS, or fewer where files are few."""
    soft, _ = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY:
        return settings.max_connections
    return max(1, min(settings.max_connections, soft - _beside(settings)))


def _beside(settings: Settings) -> int:
    return settings.db_pool_size + OTHER_FILES
