"""Read a CSV file as a header and rows (RFC 4180, separated by commas, semicolons or tabs)."""

import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import chain

from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.text_files import WINDOWS_ENCODING, file_error, read_lines

MAX_CELL_LENGTH = 100_000
MAX_ROWS = 500_000
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?[ ,;\t]*[\r\n]*', re.IGNORECASE)
"""A first line that names the separator, as Excel reads it."""

_WINDOWS_NOTICE = "is not UTF-8 and was read as Windows-1252: check that accented letters are right"


class CsvTable:
    """The header and the rows of a CSV file. A first line like sep=; names the separator.

    Raises ValidationError for the whole file if a row cannot be split into cells: an unclosed quotation mark
    can swallow any number of rows.
    """

    def __init__(self, text: TextIOWrapper) -> None:
        lines = read_lines(text)
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            raise file_error("is empty: the first line must be a header with the column names")
        delimiter = None
        if match := _SEPARATOR.fullmatch(first):
            delimiter = match[1]
            first = next((line for line in lines if line.strip()), None)
            if first is None:
                raise file_error("is empty after the line sep=: the next line must be a header with the column names")
        self._records = csv.reader(chain((first,), lines), delimiter=delimiter or _detect_delimiter(first), strict=True)
        self.notices = [] if text.encoding != WINDOWS_ENCODING else [RowMessage(0, None, _WINDOWS_NOTICE)]
        self._number = -1
        self.header = [cell.strip() for cell in self._next() or ()]
        self._number = 0

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank, with their numbers. The line after the header is 1, blank or not."""
        while (cells := self._next()) is not None:
            self._number += 1
            if self._number > MAX_ROWS:
                raise file_error(f"has more than {MAX_ROWS:,} rows: split it into several files")
            if any(map(str.strip, cells)):
                yield self._number, cells

    def _next(self) -> list[str] | None:
        try:
            cells = next(self._records, None)
        except csv.Error as error:
            place = "the header" if self._number < 0 else f"row {self._number + 1}"
            raise file_error(
                f"cannot be split into cells at line {self._records.line_num}, in {place}: {error}. "
                "Is a quotation mark missing?"
            ) from error
        if cells and max(map(len, cells)) > MAX_CELL_LENGTH:
            raise file_error(
                f"has a cell of more than {MAX_CELL_LENGTH:,} characters that ends at line {self._records.line_num}: "
                "is a quotation mark missing?"
            )
        return cells


def _detect_delimiter(line: str) -> str:
    """Return the delimiter that splits the line into the most cells."""
    return max(_DELIMITERS, key=lambda delimiter: _count_cells(line, delimiter))


def _count_cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader((line,), delimiter=delimiter)))
    except csv.Error:
        return 0
