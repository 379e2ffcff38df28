"""Results with a version, for ETag, If-Match and If-None-Match (optimistic concurrency)."""

from dataclasses import dataclass
from typing import Any

from app.errors import StaleVersionError


@dataclass(frozen=True, slots=True)
class Versioned:
    """A response body with the version of the task that it belongs to.

    `version` is None when the resource has none. `replayed` is true when the response was stored under an
    Idempotency-Key by an earlier request.
    """

    body: Any
    version: int | None
    created: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class VersionCondition:
    """The versions that a request header lists; `any` stands for the asterisk (RFC 9110 section 13.1)."""

    versions: frozenset[str]
    any: bool = False

    def matches(self, version: int | str) -> bool:
        """Return whether the condition lists the version."""
        return self.any or str(version) in self.versions


def require_version(condition: VersionCondition | None, version: int) -> None:
    """Raise StaleVersionError when the If-Match condition does not list the version."""
    if condition is not None and not condition.matches(version):
        raise StaleVersionError
