"""The result of reading a file of time entries, in any format."""

from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One time entry. Instants are aware UTC in whole seconds; texts are within their limits.

    The names of the fields are part of stored import keys (see `content`): do not rename them.

    Attributes:
        number: 1 for the first line of data.
        billable: None if the file does not say.
        hourly_rate: An amount in minor units and its currency.
        timezone: The IANA time zone in the row.
        takes_project_rate: False if the row has a rate or an amount, even one that cannot be read. The entry
            then never takes the rate of its project.
        user: The person who tracked the time, as the file names them.
        entry_id: The id of the entry, in an export of this service.
        laid_on: The day of a row without a time of day. Its entry follows the previous entry of that day.
        price: The rate or the amount in the row as (field, number, currency), without the default currency of
            the request.
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
        """Return what identifies the row: two rows are duplicates if their contents are equal.

        Import keys are hashes of the content, so it must not change between versions. Fields with their default
        are left out, so that a new field does not change the content of rows without it. A row without a time
        of day counts with its length, because its start depends on the rows before it. Money counts as `price`,
        because the rate depends on the request.
        """
        content = {name: value for name, default in _CONTENT_FIELDS if (value := getattr(self, name)) != default}
        if self.laid_on is not None:
            content["seconds"] = (self.ended_at - self.started_at) // timedelta(seconds=1)
            del content["started_at"], content["ended_at"]
        return content


_NOT_CONTENT = frozenset({"number", "entry_id", "hourly_rate", "takes_project_rate"})
_CONTENT_FIELDS: tuple[tuple[str, object], ...] = tuple(
    (column.name, column.default) for column in fields(ImportedRow) if column.name not in _NOT_CONTENT
)


@dataclass(frozen=True, slots=True)
class RowMessage:
    """An error or a notice about a row; row 0 is the whole file. The message continues after the column's name."""

    row: int
    column: str | None
    message: str


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """The column of a field: its header and its first three values that are not empty."""

    header: str
    values: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ReadResult:
    """The content of a file.

    Attributes:
        rows: The rows that can be imported.
        errors: A message for each row that cannot be read.
        notices: Messages about changes to rows, columns or the file.
        skipped: The number of rows that are breaks.
        columns: The column of each field, by the field's name in the API.
        ignored_columns: The headers of all other columns.
    """

    rows: list[ImportedRow] = field(default_factory=list)
    errors: list[RowMessage] = field(default_factory=list)
    notices: list[RowMessage] = field(default_factory=list)
    skipped: int = 0
    columns: dict[str, MappedColumn] = field(default_factory=dict)
    ignored_columns: list[str] = field(default_factory=list)
