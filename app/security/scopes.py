"""What an API token may be good for."""

from typing import Literal

from typing_extensions import TypeAliasType

from app.errors import PermissionDeniedError

Scope = TypeAliasType("Scope", Literal["read", "write", "timer", "reports", "exports"])

SCOPES: dict[str, str] = {
    "read": "Read tasks, time entries, projects, tags, imports and the timer",
    "write": "Change tasks, time entries, projects and tags, and import",
    "timer": "Read and change the timer",
    "reports": "Read reports",
    "exports": "Export time entries and the account",
}
"""The same for a person, in the OpenAPI document."""


class InsufficientScopeError(PermissionDeniedError):
    """The API token is good, but not for this. The answer tells for what it would have to be (RFC 6750 section 3.1)."""

    code = "insufficient_scope"
    detail = "No API token may do this: sign in."

    def __init__(self, needed: tuple[Scope, ...] = ()) -> None:
        scopes = " ".join(needed)
        said = f"The API token needs {'one of the scopes' if needed[1:] else 'the scope'} {scopes}." if needed else None
        shown = f', scope="{scopes}"' if needed else ""
        challenge = f'Bearer realm="Task Timer", error="insufficient_scope"{shown}'
        super().__init__(said, headers={"WWW-Authenticate": challenge})
