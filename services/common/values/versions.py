"""A thing with its version: what ETag tells, and If-Match and If-None-Match ask for."""

from dataclasses import dataclass
from typing import Any

from app.errors import StaleVersionError


@dataclass(frozen=True, slots=True)
class Versioned:
    """An answer about a task, an entry or a timer, with the version of the task it belongs to.

    One about something else has no version. `replayed` says that it was given before.
    """

    body: Any
    version: int | None
    created: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class VersionCondition:
    """The versions that a request names; `any` stands for the asterisk (RFC 9110 section 13.1)."""

    versions: frozenset[str]
    any: bool = False

    def matches(self, version: int) -> bool:
        """Whether the version is one of those named."""
        return self.any or str(version) in self.versions


def require_version(condition: VersionCondition | None, version: int) -> None:
    """Raises StaleVersionError when If-Match was sent and does not name this version."""
    if condition is not None and not condition.matches(version):
        raise StaleVersionError
