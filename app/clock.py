"""The server's clock, and the two forms of an instant: aware in the code, naive UTC as the driver decodes it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present instant, aware, in whole milliseconds: the finest that a document keeps."""
    return truncate_to_milliseconds(datetime.now(UTC))


def truncate_to_milliseconds(instant: datetime) -> datetime:
    """The instant without the part below a millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def truncate_to_seconds(instant: datetime) -> datetime:
    """The instant without the part below a second: what a time entry starts and ends at."""
    return instant.replace(microsecond=0)


def naive_utc(instant: datetime) -> datetime:
    """An aware instant in the form that the driver decodes: naive UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def aware_utc(instant: datetime) -> datetime:
    """A stored instant as the code reckons with it."""
    return instant.replace(tzinfo=UTC)


def rfc3339(instant: datetime) -> str:
    """A stored or aware UTC instant as RFC 3339 with Z: whole seconds without a fraction, others with three digits."""
    if instant.tzinfo is not None:
        instant = instant.replace(tzinfo=None)
    return f"{instant.isoformat('T', 'milliseconds') if instant.microsecond else instant.isoformat()}Z"
