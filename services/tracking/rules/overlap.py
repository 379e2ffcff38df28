"""Time tracked twice: what the user's policy makes of a stretch of time that others share."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bson import ObjectId

from app.clock import naive_utc
from app.errors import ConflictError
from documents.accounts.users import OverlapPolicy, User
from documents.tracking.queries.overlap import find_overlapping
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict, retry_transaction
from services.common.intervals import Interval
from services.tracking.schemas.overlaps import OverlapRead, read_overlap

T = TypeVar("T")


class OverlapError(ConflictError):
    """The time is tracked already, and the policy forbids to track it twice; `overlaps` lists the entries."""

    code = "overlap"
    detail = "This time is tracked already: see overlaps."


def effective_policy(user: ActingUser, asked: OverlapPolicy | None) -> OverlapPolicy:
    """What the request asks for, else what the user prefers."""
    return asked or user.overlap_policy


async def run_with_policy(policy: OverlapPolicy, attempt: Callable[[], Awaitable[T | None]]) -> T:
    """What `attempt` answers: in one transaction where the policy minds overlaps. Raises like until_settled."""
    if policy == "allow":
        return await retry_on_conflict(attempt)
    return await retry_transaction(attempt)


def no_overlaps(policy: OverlapPolicy) -> list[OverlapRead] | None:
    """What an answer lists where no time has changed hands: under `warn` a client always finds a list."""
    return [] if policy == "warn" else None


async def check_overlaps(
    user: ActingUser, policy: OverlapPolicy, span: Interval, *, but: ObjectId | None = None
) -> list[OverlapRead] | None:
    """The entries of the user that share a part of the span, `but` left out; None unless the policy is to warn.

    To be called inside of the transaction that writes the span: no other one of the user then
    writes time that it does not see. Raises OverlapError where the policy forbids what was found.
    """
    if policy == "allow":
        return None
    if span.seconds == 0:
        return no_overlaps(policy)
    await User.begin_change_of_time(user.id)
    found = await find_overlapping(user.id, naive_utc(span.started_at), naive_utc(span.ended_at), but=but)
    shared = [read_overlap(str(row["task_id"]), row["entry"], span) for row in found]
    shared += await _running_beside(user, span, but)
    if shared and policy == "forbid":
        raise OverlapError(overlaps=shared)
    return shared if policy == "warn" else None


async def _running_beside(user: ActingUser, span: Interval, but: ObjectId | None) -> list[OverlapRead]:
    """The running timer, which counts up to now."""
    task = await Task.find_running(user.id)
    if task is None or task["active"]["id"] == but:
        return []
    read = read_overlap(str(task["_id"]), task["active"], span)
    return [read] if read["overlap_seconds"] else []
