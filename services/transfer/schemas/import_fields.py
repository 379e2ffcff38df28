"""Types of form fields that control how an uploaded file is read."""

import re
from datetime import time
from typing import Annotated, Literal

import orjson
from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from typing_extensions import TypeAliasType

from services.common.values.money import minor_units
from services.transfer.import_formats.tables.fields import API_NAMES, FIELDS, FIELDS_BY_NAME, ColumnMapping

_MAX_COLUMNS = 50
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_NAMED = ", ".join(API_NAMES.get(field, field) for field in FIELDS)


def _columns(value: object) -> object:
    """Parse a JSON object that maps fields to headers. Raises ValueError."""
    if not isinstance(value, str):
        return value
    try:
        mapping = orjson.loads(value)
    except ValueError:
        mapping = None
    if not isinstance(mapping, dict) or len(mapping) > _MAX_COLUMNS:
        raise ValueError('must be a JSON object, for example {"task": "Work description"}')
    mapped: dict[str, str | None] = {}
    for name, header in mapping.items():
        field = FIELDS_BY_NAME.get(name)
        if field is None:
            raise ValueError(f"has the unknown field {name[:50]!r}; the fields are {_NAMED}")
        if header is not None and not isinstance(header, str):
            raise ValueError(f"must have a string or null for {name}")
        if field in mapped:
            raise ValueError(f"has the field {name} twice")
        mapped[field] = header
    return mapped


def _currency(value: str) -> str:
    if value.upper() not in minor_units():
        raise ValueError("must be an ISO 4217 currency code, for example EUR")
    return value.upper()


def _time_of_day(value: object) -> object:
    if isinstance(value, str) and not _TIME_OF_DAY.fullmatch(value):
        raise ValueError("must be a time of day, for example 09:00")
    return time.fromisoformat(value) if isinstance(value, str) else value


def _to_minutes(value: time) -> str:
    return f"{value:%H:%M}"


ImportFormatOrAuto = TypeAliasType(
    "ImportFormatOrAuto",
    Literal["auto", "toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"],
)
ColumnsField = Annotated[
    ColumnMapping,
    BeforeValidator(_columns),
    WithJsonSchema(
        {
            "type": "string",
            "contentMediaType": "application/json",
            "examples": ['{"task": "Work description"}'],
        }
    ),
]
CurrencyField = Annotated[str, AfterValidator(_currency), WithJsonSchema({"type": "string"})]
TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    PlainSerializer(_to_minutes, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_TIME_OF_DAY.pattern}$", "examples": ["09:00"]}),
]
