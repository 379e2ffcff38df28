"""The instants that a request names, checked against the clock and against each other."""

from datetime import datetime, timedelta
from typing import Any

from app.clock import aware_utc, rfc3339, truncate_to_seconds, utc_now
from app.errors import FieldError, ValidationError
from documents.common.base import Row
from services.common.intervals import Interval
from services.tracking.schemas.entry_changes import MAX_ENTRY_SECONDS, EntryCreate

MAX_CLOCK_SKEW = timedelta(seconds=60)
"""How far a client's clock may be ahead of a timer's: up to that its instant is taken for now."""

MAX_FUTURE = timedelta(hours=24)
"""How far in the future an entry may end that is written by hand."""


class InTheFutureError(ValidationError):
    """An instant is later than the server's clock allows."""

    code = "in_the_future"
    detail = "It lies in the future."


def clamp_to_now(sent: datetime | None, *, pointer: str) -> datetime:
    """The instant of a timer in whole seconds, at the latest now.

    Raises InTheFutureError when it is more than 60 s ahead.
    """
    now = utc_now()
    if sent is None:
        return truncate_to_seconds(now)
    if sent - now > MAX_CLOCK_SKEW:
        wrong = f"is more than 60 seconds after now, which is {rfc3339(now)}"
        raise InTheFutureError(errors=(FieldError(wrong, pointer=pointer),))
    return truncate_to_seconds(min(sent, now))


def require_end_after_start(running: Row, sent: datetime | None, *, pointer: str) -> None:
    """Raises ValidationError when a timer is to end before its start; an end that was not sent is never wrong."""
    if sent is not None and truncate_to_seconds(sent) < aware_utc(running["started_at"]):
        wrong = f"is before the timer's start, {rfc3339(running['started_at'])}: the timer runs on"
        raise ValidationError(errors=(FieldError(wrong, pointer=pointer),))


def new_entry_interval(new: EntryCreate) -> Interval:
    """The time of a new entry. Raises ValidationError or InTheFutureError."""
    if new.ended_at is None and new.duration_seconds is None:
        raise ValidationError(errors=(FieldError("is missing, and so is duration_seconds", pointer="#/ended_at"),))
    sent = {"ended_at": new.ended_at, "duration_seconds": new.duration_seconds}
    return _span(new.started_at, {name: value for name, value in sent.items() if value is not None})


def entry_interval(entry: Row) -> Interval:
    """The time of an ended entry as it stands."""
    return Interval(aware_utc(entry["started_at"]), aware_utc(entry["ended_at"]))


def updated_interval(entry: Row, fields: dict[str, Any]) -> Interval:
    """The time of an entry once these fields are changed. Raises ValidationError or InTheFutureError."""
    standing = entry_interval(entry)
    sent: dict[str, Any] = {name: fields[name] for name in ("ended_at", "duration_seconds") if name in fields}
    if sent:
        return _span(fields.get("started_at", standing.started_at), sent)
    if "started_at" not in fields:
        return standing
    moved = Interval(truncate_to_seconds(fields["started_at"]), standing.ended_at)
    _check(moved, field="started_at")
    return moved


def _span(started_at: datetime, sent: dict[str, Any]) -> Interval:
    if len(sent) > 1:
        wrong = "stands beside ended_at: send the one or the other"
        raise ValidationError(errors=(FieldError(wrong, pointer="#/duration_seconds"),))
    ((name, value),) = sent.items()
    start = truncate_to_seconds(started_at)
    end = truncate_to_seconds(value) if name == "ended_at" else start + timedelta(seconds=value)
    _check(Interval(start, end), field=name)
    return Interval(start, end)


def _check(span: Interval, *, field: str) -> None:
    pointer = f"#/{field}"
    beside = "before the end" if field == "started_at" else "after the start"
    if span.ended_at - span.started_at < timedelta(seconds=1):
        wrong = f"is not at least one second {beside}"
        raise ValidationError(errors=(FieldError(wrong, pointer=pointer),))
    if span.seconds > MAX_ENTRY_SECONDS:
        wrong = f"is more than {MAX_ENTRY_SECONDS // 86_400} days {beside}"
        raise ValidationError(errors=(FieldError(wrong, pointer=pointer),))
    now = utc_now()
    if span.ended_at - now > MAX_FUTURE:
        wrong = f"is more than 24 hours after now, which is {rfc3339(now)}"
        raise InTheFutureError(errors=(FieldError(wrong, pointer=pointer),))


def split_interval(entry: Row, at: datetime) -> tuple[Interval, Interval]:
    """What lies before and after an instant inside of the entry. Raises ValidationError when it is not inside."""
    whole, middle = entry_interval(entry), truncate_to_seconds(at)
    if not whole.started_at < middle < whole.ended_at:
        wrong = f"is not between the start, {rfc3339(whole.started_at)}, and the end, {rfc3339(whole.ended_at)}"
        raise ValidationError(errors=(FieldError(wrong, pointer="#/at"),))
    return Interval(whole.started_at, middle), Interval(middle, whole.ended_at)
