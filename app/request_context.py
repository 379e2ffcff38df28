"""The origin of the current request, for the code that records or limits requests."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

MAX_USER_AGENT_LENGTH = 500

_Scope = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The network address, user agent and id of a request, and how long the audit trail stores them."""

    address: str
    user_agent: str
    request_id: str
    audit_retention: timedelta


COMMAND_LINE = RequestContext("", "task-timer", "", timedelta(days=365))
"""The context of the commands of `task-timer`."""

_current: ContextVar[tuple[_Scope, timedelta] | None] = ContextVar("current_request", default=None)


def current_request() -> RequestContext:
    """Return the context of the current request. Behind a trusted proxy, the address is that of the proxy's client."""
    current = _current.get()
    if current is None:
        return COMMAND_LINE
    scope, audit_retention = current
    client = scope.get("client")
    user_agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return RequestContext(
        address=client[0] if client else "",
        user_agent=user_agent.decode("latin-1")[:MAX_USER_AGENT_LENGTH],
        request_id=scope.get("request_id", ""),
        audit_retention=audit_retention,
    )


def current_request_id() -> str | None:
    """Return the id of the current request, or None for the work of a command or a background task."""
    current = _current.get()
    return None if current is None else current[0].get("request_id")


def current_request_fields() -> dict[str, Any]:
    """Return what identifies the current request in the log. Empty for a command or a background task."""
    current = _current.get()
    if current is None:
        return {}
    scope, _ = current
    client = scope.get("client")
    return {"request_id": scope.get("request_id"), "client_address": client[0] if client else None}


@contextmanager
def request_context(scope: _Scope, audit_retention: timedelta) -> Iterator[None]:
    """Make this the current request in the block, and in the tasks that are started in it."""
    token = _current.set((scope, audit_retention))
    try:
        yield
    finally:
        _current.reset(token)
