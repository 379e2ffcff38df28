"""The end of a running entry. No rule refuses it; a questionable entry is marked for review instead."""

from datetime import datetime, timedelta

from app.clock import aware_utc, naive_utc, utc_now
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.queries.overlap import has_overlap
from services.common.acting_user import ActingUser
from services.common.intervals import Interval, timer_interval
from services.tracking.rules.overlap import effective_policy
from services.tracking.rules.rates import hourly_rate_for


async def build_ended_entry(
    user: ActingUser, task: Row, *, ended_at: datetime, overlap: OverlapPolicy | None = None
) -> Row:
    """Build the ended entry from the running entry of the task. It is at least 0 seconds long.

    It is marked `needs_review` when it is longer than the user's timer cap, or when the overlap policy
    is not `allow` and it overlaps an ended entry. A billable entry gets the hourly rate of the project.
    """
    running = task["active"]
    tracked = timer_interval(aware_utc(running["started_at"]), ended_at)
    needs_review = running["needs_review"] or _exceeds_cap(user, tracked) or await _overlaps(user, overlap, tracked)
    return {
        **running,
        "ended_at": naive_utc(tracked.ended_at),
        "duration_seconds": tracked.seconds,
        "needs_review": needs_review,
        "hourly_rate": await hourly_rate_for(user.id, task["project_id"], running["billable"]),
        "updated_at": naive_utc(utc_now()),
    }


def _exceeds_cap(user: ActingUser, tracked: Interval) -> bool:
    return timedelta(seconds=tracked.seconds) > timedelta(hours=user.timer_cap_hours)


async def _overlaps(user: ActingUser, overlap: OverlapPolicy | None, tracked: Interval) -> bool:
    if effective_policy(user, overlap) == "allow" or tracked.seconds == 0:
        return False
    return await has_overlap(user.id, naive_utc(tracked.started_at), naive_utc(tracked.ended_at))
