"""The field types of request and response models, each with its validation."""

import re
from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from app.clock import truncate_to_milliseconds
from app.security.password_normalization import validate_new_password
from documents.common.base import object_id
from services.common.values.emails import normalize_email
from services.common.values.money import MAX_AMOUNT, minor_units
from services.common.values.texts import Text, nfc, normalize_line, normalize_lines, normalize_tag, without_nul

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MIN_YEAR, MAX_YEAR = 1970, 9998
_ZONES = frozenset(available_timezones() - {"localtime", "Factory"})  # not names of a zone
MAX_TITLE_LENGTH = 200
MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 20_000
MAX_NOTE_LENGTH = 5_000
MAX_PASSWORD_LENGTH = 128
MAX_TAGS = 10
MAX_TAG_LENGTH = 50
MAX_CURSOR_LENGTH = 2000
"""A cursor contains a sort value: a title of 200 characters can take 1,200 bytes in JSON."""


class RequestModel(BaseModel):
    """The base of request bodies. Unknown fields are refused, and values are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class EmptyBody(RequestModel):
    """An empty object. Unknown fields are refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


def _zone(value: str) -> str:
    if value not in _ZONES:
        raise ValueError("is not the name of an IANA time zone (example: Europe/Berlin)")
    return value


def _email(value: str) -> str:
    normalize_email(value)
    return value


def _instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError(
            "is not an RFC 3339 instant with an offset (example: 2026-11-18T09:00:00Z; in a URL write + as %2B)"
        )
    try:
        parsed = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("is not a valid date and time") from error
    _require_supported_year(parsed)
    return truncate_to_milliseconds(parsed)


def _instant_or_date(value: object) -> datetime | date:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        return _instant(value)
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(
            "is neither a date (example: 2026-11-18) nor an RFC 3339 instant with an offset "
            "(example: 2026-11-18T09:00:00Z; in a URL write + as %2B)"
        )
    return _day(value)


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("is not a date (example: 2026-11-18)")
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a valid date") from error
    _require_supported_year(day)
    return day


def _require_supported_year(day: date) -> None:
    if not MIN_YEAR <= day.year <= MAX_YEAR:
        raise ValueError(f"is outside the years {MIN_YEAR} to {MAX_YEAR}")


def _boolean(value: object) -> object:
    if isinstance(value, str):
        lowered = value.lower()
        if lowered not in {"true", "false"}:
            raise ValueError("is neither true nor false")
        return lowered == "true"
    return value


def whole_number(value: object) -> object:
    """Return the value of a query parameter if its text is a whole number. Raises ValueError otherwise."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("is not a whole number")
    return value


def _color(value: str) -> str:
    if not _COLOR.fullmatch(value):
        raise ValueError("is not a colour in the form #rrggbb (example: #2f6fde)")
    return value.lower()


def _currency(value: str) -> str:
    if value not in minor_units():
        raise ValueError("is not an ISO 4217 currency code in capitals (example: EUR)")
    return value


def _project_or_none(value: str) -> str:
    if value != "none" and object_id(value) is None:
        raise ValueError("is neither the id of a project nor 'none'")
    return value


def _task_id(value: str) -> str:
    if object_id(value) is None:
        raise ValueError("is not the id of a task")
    return value


def _unique(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


_no_nul = AfterValidator(without_nul)

Title = Annotated[str, Text(normalize_line, MAX_TITLE_LENGTH, min_length=1)]
Description = Annotated[str, Text(normalize_lines, MAX_DESCRIPTION_LENGTH)]
Note = Annotated[str, Text(normalize_lines, MAX_NOTE_LENGTH)]
FullName = Annotated[str, Text(normalize_line, MAX_NAME_LENGTH, min_length=1)]
ProjectName = Annotated[str, Text(normalize_line, MAX_NAME_LENGTH, min_length=1)]
ClientName = Annotated[str, Text(normalize_line, MAX_NAME_LENGTH, min_length=1)]
SearchText = Annotated[str, Text(nfc, 200, min_length=1), _no_nul]
Tag = Annotated[str, Text(normalize_tag, MAX_TAG_LENGTH, min_length=1)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_unique)]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), _no_nul, AfterValidator(_email)]
Password = Annotated[str, Text(validate_new_password, MAX_PASSWORD_LENGTH, min_length=8)]
Zone = Annotated[str, AfterValidator(_zone)]
Color = Annotated[
    str,
    AfterValidator(_color),
    WithJsonSchema({"type": "string", "pattern": f"^{_COLOR.pattern}$", "examples": ["#2f6fde"]}),
]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="In minor units of the currency.")]
CurrencyCode = Annotated[str, AfterValidator(_currency), Field(description="ISO 4217", examples=["EUR"])]
WeekStart = Annotated[int, Field(ge=0, le=6, description="First day of the week: 0 (Monday) to 6 (Sunday).")]
Priority = Annotated[int, Field(ge=0, le=4)]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An aware datetime in UTC with milliseconds, in the years 1970 to 9998."""

InstantOrDate = Annotated[
    datetime | date,
    BeforeValidator(_instant_or_date),
    WithJsonSchema({"type": "string", "examples": ["2026-11-18", "2026-11-18T09:00:00Z"]}),
]
"""A query parameter that is an instant, or a date whose range depends on a time zone."""

Day = Annotated[
    date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-18"]})
]
"""A query parameter that is a date."""

BooleanFlag = Annotated[bool, BeforeValidator(_boolean)]
"""A query parameter or form field that is true or false, in lower or upper case (Python writes True)."""

FirstDayOfWeek = Annotated[int, Field(ge=0, le=6), BeforeValidator(whole_number)]
"""A query parameter that is a day of the week: 0 (Monday) to 6 (Sunday)."""

Limit = Annotated[
    int, Field(ge=1, le=200, description="Maximum number of items on the page."), BeforeValidator(whole_number)
]

Cursor = Annotated[str, Field(max_length=MAX_CURSOR_LENGTH, description="next_cursor of the previous page.")]
NextCursor = Annotated[str | None, Field(description="The cursor of the next page, or null on the last page.")]

TaskFilter = Annotated[str, AfterValidator(_task_id), Field(description="The id of a task.")]

ProjectFilter = Annotated[
    str,
    AfterValidator(_project_or_none),
    Field(description="The id of a project, or none for tasks without a project."),
]

Id = Annotated[str, WithJsonSchema({"type": "string", "examples": ["6920a3f1c2d4e5f607182930"]})]
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An instant in a response: RFC 3339 in UTC with Z."""


class PageQuery(BaseModel):
    """The query parameters of a paginated list."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Cursor | None = None
