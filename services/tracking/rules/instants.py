"""Validation of the instants in a request, against the clock and against each other."""

from datetime import datetime, timedelta
from typing import Any

from app.clock import aware_utc, rfc3339, truncate_to_seconds, utc_now
from app.errors import FieldError, ValidationError
from documents.common.base import Row
from services.common.intervals import Interval
from services.tracking.schemas.entry_changes import MAX_ENTRY_SECONDS, EntryCreate

MAX_CLOCK_SKEW = timedelta(seconds=60)
"""How far a client's clock may be ahead: up to this, the instant of a timer counts as now."""

MAX_FUTURE = timedelta(hours=24)
"""How far in the future a manual entry may end."""


class InTheFutureError(ValidationError):
    """An instant is further in the future than allowed."""

    code = "in_the_future"
    detail = "The instant is in the future."


def clamp_to_now(instant: datetime | None, *, pointer: str) -> datetime:
    """Return the instant of a timer in whole seconds, but not later than now. None means now.

    Raises InTheFutureError when it is more than 60 seconds ahead.
    """
    now = utc_now()
    if instant is None:
        return truncate_to_seconds(now)
    if instant - now > MAX_CLOCK_SKEW:
        detail = f"must be at most 60 seconds after now ({rfc3339(now)})"
        raise InTheFutureError(errors=(FieldError(detail, pointer=pointer),))
    return truncate_to_seconds(min(instant, now))


def require_end_after_start(running: Row, ended_at: datetime | None, *, pointer: str) -> None:
    """Raise ValidationError when the end of a timer is before its start. None is accepted."""
    if ended_at is not None and truncate_to_seconds(ended_at) < aware_utc(running["started_at"]):
        detail = f"is before the start of the timer, {rfc3339(running['started_at'])}; the timer is still running"
        raise ValidationError(errors=(FieldError(detail, pointer=pointer),))


def new_entry_interval(new: EntryCreate) -> Interval:
    """Return the interval of a new entry. Raises ValidationError or InTheFutureError."""
    if new.ended_at is None and new.duration_seconds is None:
        detail = "is required when duration_seconds is missing"
        raise ValidationError(errors=(FieldError(detail, pointer="#/ended_at"),))
    end = {"ended_at": new.ended_at, "duration_seconds": new.duration_seconds}
    return _to_interval(new.started_at, {name: value for name, value in end.items() if value is not None})


def entry_interval(entry: Row) -> Interval:
    """Return the interval of a stored ended entry."""
    return Interval(aware_utc(entry["started_at"]), aware_utc(entry["ended_at"]))


def updated_interval(entry: Row, fields: dict[str, Any]) -> Interval:
    """Return the interval of an entry after an update with `fields`. Raises ValidationError or InTheFutureError.

    `started_at` alone keeps the end; with `duration_seconds`, the start stays and the end moves.
    """
    current = entry_interval(entry)
    end: dict[str, Any] = {name: fields[name] for name in ("ended_at", "duration_seconds") if name in fields}
    if end:
        return _to_interval(fields.get("started_at", current.started_at), end)
    if "started_at" not in fields:
        return current
    updated = Interval(truncate_to_seconds(fields["started_at"]), current.ended_at)
    _validate(updated, field="started_at")
    return updated


def _to_interval(started_at: datetime, end: dict[str, Any]) -> Interval:
    """Return the validated interval. `end` is either `ended_at` or `duration_seconds`."""
    if len(end) > 1:
        detail = "cannot be combined with ended_at"
        raise ValidationError(errors=(FieldError(detail, pointer="#/duration_seconds"),))
    ((name, value),) = end.items()
    start = truncate_to_seconds(started_at)
    interval = Interval(start, truncate_to_seconds(value) if name == "ended_at" else start + timedelta(seconds=value))
    _validate(interval, field=name)
    return interval


def _validate(interval: Interval, *, field: str) -> None:
    pointer = f"#/{field}"
    other_bound = "before the end" if field == "started_at" else "after the start"
    if interval.ended_at - interval.started_at < timedelta(seconds=1):
        detail = f"must be at least one second {other_bound}"
        raise ValidationError(errors=(FieldError(detail, pointer=pointer),))
    if interval.seconds > MAX_ENTRY_SECONDS:
        detail = f"must be at most {MAX_ENTRY_SECONDS // 86_400} days {other_bound}"
        raise ValidationError(errors=(FieldError(detail, pointer=pointer),))
    now = utc_now()
    if interval.ended_at - now > MAX_FUTURE:
        detail = f"must be at most 24 hours after now ({rfc3339(now)})"
        raise InTheFutureError(errors=(FieldError(detail, pointer=pointer),))


def split_interval(entry: Row, at: datetime) -> tuple[Interval, Interval]:
    """Split the interval of an entry at an instant. Raises ValidationError when it is not strictly inside."""
    whole, middle = entry_interval(entry), truncate_to_seconds(at)
    if not whole.started_at < middle < whole.ended_at:
        detail = f"must be between the start, {rfc3339(whole.started_at)}, and the end, {rfc3339(whole.ended_at)}"
        raise ValidationError(errors=(FieldError(detail, pointer="#/at"),))
    return Interval(whole.started_at, middle), Interval(middle, whole.ended_at)
