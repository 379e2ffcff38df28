"""The user on whose behalf a request is made."""

from dataclasses import dataclass

from bson import ObjectId

from app.security.scopes import Scope
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The user who is asking, with what the services go by.

    `session_id` is that of who has signed in; `scopes` are those of an API token, None where all may be done.
    """

    id: ObjectId
    timezone: str
    overlap_policy: OverlapPolicy
    timer_cap_hours: int
    token_version: int
    week_start: int
    session_id: ObjectId | None = None
    scopes: frozenset[Scope] | None = None


def acting_user(user: Row, *, session_id: ObjectId | None = None, scopes: frozenset[Scope] | None = None) -> ActingUser:
    """A stored user as one who is asking."""
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
