"""The fields that a column of a file can hold."""

from collections.abc import Mapping
from typing import Literal, get_args

Field = Literal[
    "start_date",
    "start",
    "end_date",
    "end",
    "duration",
    "seconds",
    "minutes",
    "hours",
    "decimal_hours",
    "break",
    "task",
    "description",
    "note",
    "project",
    "client",
    "tags",
    "categories",
    "billable",
    "rate",
    "rate_or_amount",
    "amount",
    "currency",
    "timezone",
    "user",
    "email",
    "first_name",
    "last_name",
    "kind",
    "entry_id",
]
"""A field of a row. A start or an end holds a time of day, or a date and a time.

The names are part of stored import keys (see `ImportedRow.content`): do not rename them."""

FIELDS: tuple[Field, ...] = get_args(Field)

TEXTS: tuple[Field, ...] = ("task", "description", "note")
"""The fields that describe the work; the first that is not empty is the title."""

ColumnMapping = Mapping[Field, str | None]
"""The header of the column for a field; None to read the field from no column."""

API_NAMES: Mapping[Field, str] = {
    "start_date": "date",
    "seconds": "duration_seconds",
    "minutes": "duration_minutes",
    "decimal_hours": "duration_hours",
    "rate": "hourly_rate",
}
"""The fields that have another name in the API: that of the column in our own CSV export."""

_ALIASES: dict[str, Field] = {"started_at": "start", "ended_at": "end", "title": "task", "tag": "tags"}
FIELDS_BY_NAME: Mapping[str, Field] = {
    **_ALIASES,
    **{field: field for field in FIELDS},
    **{name: field for field, name in API_NAMES.items()},
}
"""The fields by every name that a column mapping accepts."""
