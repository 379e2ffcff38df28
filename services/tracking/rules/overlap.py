"""The overlap policy: what happens when a time range overlaps other entries of the user."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bson import ObjectId

from app.clock import naive_utc
from app.errors import ConflictError
from documents.accounts.users import OverlapPolicy, User
from documents.tracking.queries.overlap import find_overlapping
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.intervals import Interval
from services.tracking.rules.capacity import EntryRoom
from services.tracking.schemas.overlaps import OverlapRead, read_overlap

T = TypeVar("T")


class OverlapError(ConflictError):
    """The time overlaps other entries and the policy forbids it. `overlaps` lists the entries."""

    code = "overlap"
    detail = "The time overlaps other entries: see overlaps."


def effective_policy(user: ActingUser, requested: OverlapPolicy | None) -> OverlapPolicy:
    """Return the policy of the request, or else the user's preference."""
    return requested or user.overlap_policy


async def run_with_policy(
    user: ActingUser, policy: OverlapPolicy, attempt: Callable[[], Awaitable[T | None]], room: EntryRoom | None = None
) -> T:
    """Retry `attempt` until it succeeds, in a transaction unless the policy is `allow`.

    An attempt that adds an entry requires its `room`.
    """
    room = room or EntryRoom()
    if policy == "allow":
        return await retry_on_conflict(user.id, lambda: room.run(attempt))
    return await room.retry_transaction(user.id, attempt)


def no_overlaps(policy: OverlapPolicy) -> list[OverlapRead] | None:
    """Return the `overlaps` of a response when there are none: an empty list under `warn`, else None."""
    return [] if policy == "warn" else None


async def check_overlaps(
    user: ActingUser, policy: OverlapPolicy, interval: Interval, *, exclude_id: ObjectId | None = None
) -> list[OverlapRead] | None:
    """Return the user's entries that overlap the interval, without `exclude_id`; None unless the policy is `warn`.

    Call it in the transaction that writes the interval. Concurrent writes of the user's time then conflict.
    Raises OverlapError when the policy is `forbid` and an entry overlaps.
    """
    if policy == "allow":
        return None
    if interval.seconds == 0:
        return no_overlaps(policy)
    await User.lock_timeline(user.id)
    rows = await find_overlapping(
        user.id, naive_utc(interval.started_at), naive_utc(interval.ended_at), exclude_id=exclude_id
    )
    overlaps = [read_overlap(str(row["task_id"]), row["entry"], interval) for row in rows]
    overlaps += await _overlap_with_timer(user, interval, exclude_id)
    if overlaps and policy == "forbid":
        raise OverlapError(overlaps=overlaps)
    return overlaps if policy == "warn" else None


async def _overlap_with_timer(user: ActingUser, interval: Interval, exclude_id: ObjectId | None) -> list[OverlapRead]:
    """Return the running timer if it overlaps the interval. It counts up to now."""
    task = await Task.find_running(user.id)
    if task is None or task["active"]["id"] == exclude_id:
        return []
    overlap = read_overlap(str(task["_id"]), task["active"], interval)
    return [overlap] if overlap["overlap_seconds"] else []
