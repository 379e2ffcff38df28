"""Read the cells of a row by field."""

from collections.abc import Sequence

from services.transfer.import_formats.tables.columns import Columns
from services.transfer.import_formats.tables.fields import Field

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class CellError(Exception):
    """A cell that cannot be read; `field` is None if the whole row is wrong."""

    def __init__(self, field: Field | None, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class RowCells:
    """The texts of a row by field. A missing cell is empty."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: Columns, row: Sequence[str]) -> None:
        self._columns = columns
        self._row = row

    def text(self, field: Field) -> str:
        """Return the cell without surrounding white space."""
        return self.raw_text(field).strip()

    def raw_text(self, field: Field) -> str:
        """Return the cell without the apostrophe that our export puts before a formula (see `escape_formula`)."""
        index = self._columns.indexes.get(field)
        if index is None or index >= len(self._row):
            return ""
        text = self._row[index]
        layout = self._columns.layout
        if text[:1] == "'" and layout.has_escaped_formulas and text.lstrip("'").startswith(_FORMULA_PREFIXES):
            text = text[1:]
        return "" if text == layout.empty_cell else text
