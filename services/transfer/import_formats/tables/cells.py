"""The cells of one row, by what they say."""

from collections.abc import Sequence

from services.transfer.import_formats.tables.columns import Columns
from services.transfer.import_formats.tables.fields import Field

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CellError(Exception):
    """Why a row cannot be read, and the field that says so."""

    def __init__(self, field: Field | None, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class RowCells:
    """The texts of a row; one that is not there is empty."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: Columns, row: Sequence[str]) -> None:
        self._columns = columns
        self._row = row

    def text(self, field: Field) -> str:
        """What the row says, trimmed."""
        return self.whole(field).strip()

    def whole(self, field: Field) -> str:
        """What the row says, without the apostrophe that keeps a spreadsheet from taking it for a formula."""
        place = self._columns.places.get(field)
        if place is None or place >= len(self._row):
            return ""
        text = self._row[place]
        if text[:1] == "'" and self._columns.layout.is_neutralised and text.lstrip("'").startswith(_BEGINS_A_FORMULA):
            text = text[1:]
        return "" if text == self._columns.layout.nothing else text
