"""Checks of the change feed: no number is missing, and no change waits for the relay for long."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from app.clock import naive_utc, utc_now
from documents.accounts.users import User
from documents.common.json_schema import format_value
from documents.common.outbox import HAS_OUTBOX
from documents.feed.changes import Change
from documents.maintenance.inspection import iterate_rows
from documents.registry import OUTBOX_DOCUMENTS
from services.maintenance.findings import Finding

MAX_OUTBOX_AGE = timedelta(minutes=1)


async def check_feeds() -> AsyncIterator[Finding]:
    """Yield the users whose changes have gaps, and the documents whose changes were not copied to the feed in time."""
    now = naive_utc(utc_now())
    for user_id in await Change.find_users_with_gaps(now):
        user = await User.find_by_id(user_id)
        if user is None or user.get("deleted_at") is not None:
            continue  # a deletion in progress
        first, last, count = await Change.count_seqs(user_id, now)  # again: the relay may have added some meanwhile
        if missing := last - first + 1 - count:
            message = f"of the changes {first} to {last}, {missing} {'is' if missing == 1 else 'are'} missing"
            yield Finding(Change.Settings.name, f"user {user_id}", message)
    for document in OUTBOX_DOCUMENTS:
        async for row in iterate_rows(document, HAS_OUTBOX):
            since = row["outbox_since"]
            if isinstance(since, datetime) and since < now - MAX_OUTBOX_AGE:
                message = f"its outbox has items since {format_value(since)}, so the relay does not copy them"
                yield Finding(document.Settings.name, format_value(row["_id"]), message)
