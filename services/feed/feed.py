"""The change feed of the acting user."""

from typing import ClassVar

from app.errors import NotFoundError, ServiceError
from documents.feed.changes import Change
from services.common.acting_user import ActingUser
from services.feed.schemas import ChangePage, ChangeQuery, read_change
from services.feed.sequence import newest_seq


class ChangesDisabledError(NotFoundError):
    """The service records no changes: CHANGES_ENABLED is false."""

    code = "changes_disabled"
    detail = "This service does not record changes."


class ChangesExpiredError(ServiceError):
    """The change after the given `seq` is not stored any more. `last_seq` is that of the newest change."""

    status: ClassVar = 410
    title = "Gone"
    code = "changes_expired"
    detail = "These changes are no longer stored. Read everything again, then continue after last_seq."


class FeedService:
    """The changes of the acting user."""

    async def list_changes(self, user: ActingUser, *, query: ChangeQuery) -> ChangePage:
        """Return the changes after `query.after`. Raises ChangesExpiredError.

        `last_seq` is read before the changes, so that a type filter passes over no change that is added meanwhile.
        """
        last_seq = await newest_seq(user.id)
        rows = await Change.find_after(user.id, query.after, types=query.type, limit=query.limit + 1)
        is_next_stored = bool(rows) and rows[0]["seq"] == query.after + 1
        if query.after < last_seq and not is_next_stored and not await Change.has_seq(user.id, query.after + 1):
            raise ChangesExpiredError(last_seq=last_seq)
        items = [read_change(row) for row in rows[: query.limit]]
        if len(rows) > query.limit:
            return {"items": items, "last_seq": items[-1]["seq"], "has_more": True}
        return {"items": items, "last_seq": max(last_seq, items[-1]["seq"] if items else 0), "has_more": False}


feed_service = FeedService()
