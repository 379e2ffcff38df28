"""The scopes of API tokens."""

from typing import Literal

from typing_extensions import TypeAliasType

from app.errors import PermissionDeniedError

Scope = TypeAliasType("Scope", Literal["read", "write", "timer", "reports", "exports"])

SCOPES: dict[str, str] = {
    "read": "Read tasks, time entries, projects, tags, imports and the timer, and follow the changes",
    "write": "Change tasks, time entries, projects and tags, and import",
    "timer": "Read and change the timer",
    "reports": "Read reports",
    "exports": "Export time entries and the account",
}
"""The description of each scope in the OpenAPI document."""


class InsufficientScopeError(PermissionDeniedError):
    """The API token is valid but lacks a scope. WWW-Authenticate names the required scopes (RFC 6750 section 3.1)."""

    code = "insufficient_scope"
    detail = "No API token may do this: sign in."

    def __init__(self, required: tuple[Scope, ...] = ()) -> None:
        scopes = " ".join(required)
        kind = "one of the scopes" if required[1:] else "the scope"
        detail = f"The API token needs {kind} {scopes}." if required else None
        parameter = f', scope="{scopes}"' if required else ""
        challenge = f'Bearer realm="Task Timer", error="insufficient_scope"{parameter}'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})
