"""The query parameters of exports."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from services.common.values.fields import BooleanFlag
from services.tracking.schemas.ranges import RangeQuery

_DELIMITERS = {",": ",", "comma": ",", ";": ";", "semicolon": ";", "\t": "\t", "tab": "\t"}
_DECIMALS = {".": ".", "point": ".", ",": ",", "comma": ","}


def _delimiter(value: object) -> object:
    if not isinstance(value, str) or value not in _DELIMITERS:
        raise ValueError("must be comma (,), semicolon (;) or tab")
    return _DELIMITERS[value]


def _decimal(value: object) -> object:
    if not isinstance(value, str) or value not in _DECIMALS:
        raise ValueError("must be point (.) or comma (,)")
    return _DECIMALS[value]


Delimiter = Annotated[
    str, BeforeValidator(_delimiter), WithJsonSchema({"type": "string", "examples": ["comma", "semicolon", "tab"]})
]
Decimals = Annotated[str, BeforeValidator(_decimal), WithJsonSchema({"type": "string", "examples": ["point", "comma"]})]


class ExportQuery(RangeQuery):
    """The time range and the filters of an export."""

    cut: BooleanFlag = Field(
        default=False, description="true: clip entries to [from, to), so that the files of adjacent ranges add up."
    )


class CsvQuery(ExportQuery):
    """The same, and the CSV dialect."""

    bom: BooleanFlag = Field(default=False, description="Whether to begin with a byte order mark, for Excel.")
    delimiter: Delimiter = Field(default=",", description="comma, semicolon or tab, or the character itself.")
    decimal: Decimals = Field(default=".", description="Decimal separator: point or comma, or the character itself.")
