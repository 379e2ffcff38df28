"""Logging of the errors of a background task that tries again."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()


class Outages:
    """Logs the first of several errors in a row: an outage of the database is one line in the log, not one per try."""

    def __init__(self, event: str, errors: type[Exception] | tuple[type[Exception], ...] = Exception) -> None:
        self._event = event
        self._errors = errors
        self._has_failed = False

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Suppress the errors of a try, and log the first one since the last try without an error."""
        try:
            yield
        except self._errors:
            if not self._has_failed:
                log.warning(self._event, exc_info=True)
            self._has_failed = True
        else:
            self._has_failed = False
