"""Changes that a request makes in several steps, and records once at its end.

The change is stored in the user's document before the first step. If the service is killed before the last one, the
next start records the change. A reader of the feed therefore always learns that something has changed.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.accounts.users import User
from documents.common.base import Row
from documents.common.outbox import are_changes_recorded
from documents.tracking.projects import Project
from services.common.concurrency import retry_on_conflict
from services.tracking.rules.changes import project_changed


@dataclass(slots=True)
class PendingChange:
    """An outbox item that is recorded when the request ends, unless nothing has changed (`is_needed`)."""

    item: Row
    is_needed: bool = True


@asynccontextmanager
async def recorded_at_the_end(user_id: ObjectId, item: Row) -> AsyncIterator[PendingChange]:
    """Record this change when the block ends, also when it ends with an error. The block may update it."""
    pending = PendingChange(item)
    if not are_changes_recorded():
        yield pending
        return
    await User.add_pending_change(user_id, item)
    try:
        yield pending
    except BaseException:
        with suppress(Exception):  # the next start of the service records it
            await _record(user_id, item)
        raise
    if pending.is_needed:
        await _record(user_id, item)
    else:
        await User.end_pending_change(user_id, item["id"], [])


async def record_pending_changes() -> None:
    """Record the changes, of all users, that a crash or a database outage interrupted.

    A request that is still in progress in another process records its change again at its end.
    """
    for user in await User.find_with_pending_changes():
        for item in user["pending_changes"]:
            await _record(user["_id"], item, must_be_pending=True)


async def _record(user_id: ObjectId, pending: Row, *, must_be_pending: bool = False) -> None:
    """Move a pending change to an outbox. With `must_be_pending`, do nothing if another process has done so."""
    item = {**pending, "id": ObjectId(), "occurred_at": naive_utc(utc_now())}
    if pending["type"] == "project.updated":
        if await _record_in_project(user_id, pending):
            await User.end_pending_change(user_id, pending["id"], [])
            return
        item["data"] = None  # the project was deleted
    items = [item] if are_changes_recorded() else []
    if await User.end_pending_change(user_id, pending["id"], items) or must_be_pending:
        return
    for each in items:
        await User.add_to_outbox(user_id, each)


async def _record_in_project(user_id: ObjectId, pending: Row) -> bool:
    """Record the rerate of a project in its own outbox, after its other changes. Return False when it is deleted."""

    def describe_rerate(project: Row) -> Sequence[Row]:
        (item,) = project_changed("project.updated")(project)
        return [{**item, "data": {**item["data"], **pending["data"]}, "request_id": pending["request_id"]}]

    async def attempt() -> tuple[bool] | None:
        project = await Project.find_live(user_id, pending["project_id"])
        if project is None:
            return (False,)
        return (True,) if await Project.record_if_unchanged(project, describe_rerate) else None

    (is_recorded,) = await retry_on_conflict(user_id, attempt)
    return is_recorded
