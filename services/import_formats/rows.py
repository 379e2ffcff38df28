"""What a file of time entries says, whatever program has written it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One entry; its instants are aware, in UTC, in whole seconds, and its texts are within the limits.

    `number` counts from 1 for the first line of data. `billable` is None where the file does not
    say; `hourly_rate` is an amount in minor units and its currency, and `timezone` the IANA name of
    where it was tracked, where the file has them.
    """

    number: int
    started_at: datetime
    ended_at: datetime
    title: str
    note: str | None = None
    project: str | None = None
    client: str | None = None
    tags: tuple[str, ...] = ()
    billable: bool | None = None
    hourly_rate: tuple[int, str] | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class RowFinding:
    """What is to be said of one row: why it cannot be read, or what was made of it."""

    row: int
    column: str | None
    message: str


@dataclass(slots=True)
class RowsRead:
    """A whole file: the rows that can be read, those that cannot, and those that are no time of work."""

    rows: list[ImportedRow] = field(default_factory=list)
    errors: list[RowFinding] = field(default_factory=list)
    notices: list[RowFinding] = field(default_factory=list)
    skipped: int = 0
