"""Where the request under way comes from, for whoever keeps or limits what was asked for."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

MAX_USER_AGENT_LENGTH = 500

_Request = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The network address and the program that a request comes from, and what the log calls it.

    What is kept of it in the audit trail is kept so long.
    """

    address: str
    user_agent: str
    request_id: str
    kept: timedelta


SHELL = RequestContext("", "task-timer", "", timedelta(days=365))
"""Where a command of the shell comes from."""

_under_way: ContextVar[tuple[_Request, timedelta] | None] = ContextVar("request_under_way", default=None)


def current_request() -> RequestContext:
    """Where the request under way comes from: through a trusted proxy, from whom that one names."""
    under_way = _under_way.get()
    if under_way is None:
        return SHELL
    scope, kept = under_way
    client = scope.get("client")
    user_agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return RequestContext(
        address=client[0] if client else "",
        user_agent=user_agent.decode("latin-1")[:MAX_USER_AGENT_LENGTH],
        request_id=scope.get("request_id", ""),
        kept=kept,
    )


@contextmanager
def request_context(scope: _Request, kept: timedelta) -> Iterator[None]:
    """Whatever runs in here, or is begun in here, comes from this request."""
    before = _under_way.set((scope, kept))
    try:
        yield
    finally:
        _under_way.reset(before)
