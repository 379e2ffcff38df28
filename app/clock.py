"""The current time, and conversions between aware datetimes and naive UTC, the form that the driver decodes."""

from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- as it is stored
"""The first instant that requests accept, as naive UTC. Stored times are later, or missing."""


def utc_now() -> datetime:
    """Return the current time, aware, in whole milliseconds: the precision of a stored date."""
    return truncate_to_milliseconds(datetime.now(UTC))


def truncate_to_milliseconds(instant: datetime) -> datetime:
    """Round the instant down to a whole millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def truncate_to_seconds(instant: datetime) -> datetime:
    """Round the instant down to a whole second, the precision of time entries."""
    return instant.replace(microsecond=0)


def naive_utc(instant: datetime) -> datetime:
    """Convert an aware instant to naive UTC, the form that the driver decodes."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def aware_utc(instant: datetime) -> datetime:
    """Convert a stored instant, which is naive UTC, to an aware one."""
    return instant.replace(tzinfo=UTC)


def rfc3339(instant: datetime) -> str:
    """Format an instant in UTC, naive or aware, as RFC 3339 with Z, with milliseconds only if they are not zero."""
    if instant.tzinfo is not None:
        instant = instant.replace(tzinfo=None)
    return f"{instant.isoformat('T', 'milliseconds') if instant.microsecond else instant.isoformat()}Z"
