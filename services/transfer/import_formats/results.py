"""What a file of time entries says, whatever program has written it."""

from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One entry; its instants are aware, in UTC, in whole seconds, and its texts are within the limits.

    `number` counts from 1 for the first line of data; all other fields together are what the row
    says. `billable` is None where the file does not say; `hourly_rate` is an amount in minor units
    and its currency, and `timezone` the IANA name of where it was tracked, where the file has them.
    `takes_project_rate` is False where the file says what an hour costs, even if nobody can read
    it: then the entry has this rate or none, never the project's. `price` is what the row itself
    says of that; which currency the form says is no part of it. `user` is whose time it is, as
    the file names that person, and `entry_id` the id in an export of this service. `laid_on` is the
    day of a row that has no time of day: its entry was laid behind the one before on that day.
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
    takes_project_rate: bool = True
    user: str | None = None
    entry_id: str | None = None
    laid_on: date | None = None
    price: tuple[str, ...] = ()

    def content(self) -> dict[str, object]:
        """All that the row says, but for its entry_id: rows are equal when this is.

        What it does not say is not in it, so that a column that is read one day leaves other rows as they are. Where
        an entry is laid on its day depends on the rows before it, so it counts how long it is; and which rate an
        hour has may depend on the form, so it counts what the row says of it.
        """
        said = {name: value for name, default in _SAID if (value := getattr(self, name)) != default}
        if self.laid_on is not None:
            said["seconds"] = (self.ended_at - self.started_at) // timedelta(seconds=1)
            del said["started_at"], said["ended_at"]
        return said


_NOT_SAID = frozenset({"number", "entry_id", "hourly_rate", "takes_project_rate"})
_SAID: tuple[tuple[str, object], ...] = tuple(
    (column.name, column.default) for column in fields(ImportedRow) if column.name not in _NOT_SAID
)


@dataclass(frozen=True, slots=True)
class RowMessage:
    """What is to be said of one row: why it cannot be read, or what was made of it."""

    row: int
    column: str | None
    message: str


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """Where a field is read from, and the first three values that are not empty."""

    header: str
    values: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ReadResult:
    """A whole file: the rows that can be read, those that cannot, and those that are no time of work.

    Row 0 of a notice stands for the file. `columns` has our fields and where they come from,
    `ignored_columns` the headers of all other columns.
    """

    rows: list[ImportedRow] = field(default_factory=list)
    errors: list[RowMessage] = field(default_factory=list)
    notices: list[RowMessage] = field(default_factory=list)
    skipped: int = 0
    columns: dict[str, MappedColumn] = field(default_factory=dict)
    ignored_columns: list[str] = field(default_factory=list)
