"""What the columns of a file can say."""

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
"""What a cell can say. A start or an end is a time of day, or a date and a time."""

FIELDS: tuple[Field, ...] = get_args(Field)

TEXTS: tuple[Field, ...] = ("task", "description", "note")

ColumnMapping = Mapping[Field, str | None]
"""The header that a field is read from; None where it is read from no column."""

API_NAMES: Mapping[Field, str] = {
    "start_date": "date",
    "seconds": "duration_seconds",
    "minutes": "duration_minutes",
    "decimal_hours": "duration_hours",
    "rate": "hourly_rate",
}
"""What the API calls a field where it has another name, so that it is that of our own CSV."""

_OTHER_NAMES: dict[str, Field] = {"started_at": "start", "ended_at": "end", "title": "task", "tag": "tags"}
FIELDS_BY_NAME: Mapping[str, Field] = {
    **_OTHER_NAMES,
    **{field: field for field in FIELDS},
    **{name: field for field, name in API_NAMES.items()},
}
"""The fields by all names that a mapping may have for them."""
