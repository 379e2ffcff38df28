"""The user on whose behalf a service call runs."""

from dataclasses import dataclass

from bson import ObjectId

from app.security.scopes import InsufficientScopeError, Scope
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The authenticated user, with the settings that the services need.

    `session_id` is set when the user signed in with a password. `scopes` are those of an API token;
    None means that all scopes are granted.
    """

    id: ObjectId
    timezone: str
    overlap_policy: OverlapPolicy
    timer_cap_hours: int
    token_version: int
    week_start: int
    session_id: ObjectId | None = None
    scopes: frozenset[Scope] | None = None

    def require_scope(self, scope: Scope) -> None:
        """Raise InsufficientScopeError if the user has sent an API token without this scope."""
        if self.scopes is not None and scope not in self.scopes:
            raise InsufficientScopeError((scope,))


def acting_user(user: Row, *, session_id: ObjectId | None = None, scopes: frozenset[Scope] | None = None) -> ActingUser:
    """Return the ActingUser for a stored user."""
    return ActingUser(
        id=user["_id"],
        timezone=user["timezone"],
        overlap_policy=user["preferences"]["overlap_policy"],
        timer_cap_hours=user["preferences"]["timer_cap_hours"],
        token_version=user["token_version"],
        week_start=user["week_start"],
        session_id=session_id,
        scopes=scopes,
    )
