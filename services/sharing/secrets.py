"""Finding what a user has made public under a secret."""

from app.clock import aware_utc, utc_now
from app.security.bearer_secrets import is_path_secret, sha256_of
from documents.accounts.users import User
from documents.common.base import Row
from documents.sharing.calendar_feeds import CalendarFeed
from documents.sharing.shares import Share


async def find_public(document: type[CalendarFeed] | type[Share], secret: str) -> tuple[Row, Row] | None:
    """Return the feed or share with this secret, and its user.

    Returns None also when it has expired, or its user is disabled or being deleted.
    """
    row = await document.find_by_hash(sha256_of(secret)) if is_path_secret(secret) else None
    if row is None or _has_expired(row):
        return None
    owner = await User.find_by_id(row["user_id"])
    return (row, owner) if owner is not None and owner["is_active"] else None


def _has_expired(row: Row) -> bool:
    expires_at = row.get("expires_at")  # a calendar feed has none
    return expires_at is not None and aware_utc(expires_at) <= utc_now()
