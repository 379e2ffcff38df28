"""What an export is asked for by."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from services.common.values.fields import BooleanFlag
from services.tracking.schemas.ranges import RangeQuery

_DELIMITERS = {",": ",", "comma": ",", ";": ";", "semicolon": ";", "\t": "\t", "tab": "\t"}
_DECIMALS = {".": ".", "point": ".", ",": ",", "comma": ","}


def _delimiter(value: object) -> object:
    if not isinstance(value, str) or value not in _DELIMITERS:
        raise ValueError("is none of comma (,), semicolon (;) and tab")
    return _DELIMITERS[value]


def _decimal(value: object) -> object:
    if not isinstance(value, str) or value not in _DECIMALS:
        raise ValueError("is neither point (.) nor comma (,)")
    return _DECIMALS[value]


Delimiter = Annotated[
    str, BeforeValidator(_delimiter), WithJsonSchema({"type": "string", "examples": ["comma", "semicolon", "tab"]})
]
Decimals = Annotated[str, BeforeValidator(_decimal), WithJsonSchema({"type": "string", "examples": ["point", "comma"]})]


class ExportQuery(RangeQuery):
    """Which entries, and whether their parts outside of that time are left out."""

    cut: BooleanFlag = Field(
        default=False, description="true: clip entries to [from, to), so that the files of adjacent ranges add up."
    )


class CsvQuery(ExportQuery):
    """Which entries, and what the program wants that reads them."""

    bom: BooleanFlag = Field(default=False, description="Whether to begin with a byte order mark, for Excel.")
    delimiter: Delimiter = Field(default=",", description="comma, semicolon or tab, or the character itself.")
    decimal: Decimals = Field(default=".", description="Decimal separator: point or comma, or the character itself.")
