"""The columns that a program writes, and how their headers are compared."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.transfer.import_formats.tables.fields import Field

_WORD_SEPARATORS = re.compile(r"[\s_.-]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MAX_COMPARED_LENGTH = 200

RankedField = tuple[int, Field]
"""A field, and how certain it is that a header means it: 0 is the most certain."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a program's files, and how their cells are read.

    Attributes:
        fields: The possible fields of each normalized header, most certain first.
        required: Groups of fields, at least one of each of which must have a column, with its name for messages.
        empty_cell: What the program writes into an empty cell.
        has_totals: Whether the file ends with a row of totals.
        has_escaped_formulas: Whether an apostrophe before a formula character is removed.
        excludes_breaks: Whether a duration may be shorter than the time from start to end, because of breaks.
        is_titled_by_tags: Whether the tags are the title if no other column has one.
    """

    fields: Mapping[str, Sequence[RankedField]]
    required: tuple[tuple[tuple[Field, ...], str], ...]
    empty_cell: str = ""
    has_totals: bool = False
    has_escaped_formulas: bool = False
    excludes_breaks: bool = False
    is_titled_by_tags: bool = False


def normalize_header(header: str) -> str:
    """Return the header in the form that is compared: lower case, one space between words."""
    words = _CAMEL_CASE.sub(" ", unicodedata.normalize("NFKC", header[:_MAX_COMPARED_LENGTH]).strip())
    return _WORD_SEPARATORS.sub(" ", words.casefold()).strip(" ?:*#")


def index_headers(names: Mapping[Field, str]) -> dict[str, list[RankedField]]:
    """Return the fields of each header, from the headers of each field.

    Headers are separated by commas. A bar separates groups: a header of a later group is used only if no
    column has a header of an earlier group.
    """
    ranked: dict[str, list[RankedField]] = {}
    for field, headers in names.items():
        for rank, group in enumerate(headers.split("|")):
            for header in group.split(","):
                ranked.setdefault(normalize_header(header), []).append((rank, field))
    return {header: sorted(fields) for header, fields in ranked.items()}
