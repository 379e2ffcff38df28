"""A CSV file as a header and its rows (RFC 4180, with commas, semicolons or tabs)."""

import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import chain

from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.text_files import WINDOWS, file_error, read_lines

MAX_CELL_LENGTH = 100_000
MAX_ROWS = 500_000
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?[ ,;\t]*[\r\n]*', re.IGNORECASE)
"""The first line by which Excel knows what divides the cells."""

_READ_AS_WINDOWS = "is not in UTF-8: it was read as Windows-1252, so look whether its letters are right"


class CsvTable:
    """The header, as it stands in the file, and then the rows, each with its number.

    Whatever makes the borders of cells uncertain is a ValidationError of the file as a whole: after a
    quotation mark that is not closed nobody knows which rows are lost. A first line such as sep=; says
    what divides the cells.
    """

    def __init__(self, text: TextIOWrapper) -> None:
        lines = read_lines(text)
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            raise file_error("is empty: its first line must be the header that names the columns")
        delimiter = None
        if told := _SEPARATOR.fullmatch(first):
            delimiter = told[1]
            first = next((line for line in lines if line.strip()), None)
            if first is None:
                raise file_error("is empty after its line sep=: the next must be the header that names the columns")
        self._records = csv.reader(chain((first,), lines), delimiter=delimiter or _delimiter(first), strict=True)
        self.notices = [] if text.encoding != WINDOWS else [RowMessage(0, None, _READ_AS_WINDOWS)]
        self._number = -1
        self.header = [cell.strip() for cell in self._next() or ()]
        self._number = 0

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not blank. The first line after the header is number 1, blank or not."""
        while (cells := self._next()) is not None:
            self._number += 1
            if self._number > MAX_ROWS:
                raise file_error(f"has more than {MAX_ROWS} rows: import it in parts")
            if any(map(str.strip, cells)):
                yield self._number, cells

    def _next(self) -> list[str] | None:
        try:
            cells = next(self._records, None)
        except csv.Error as wrong:
            place = "the header" if self._number < 0 else f"row {self._number + 1}"
            raise file_error(
                f"cannot be divided into cells from line {self._records.line_num} on, which is in {place}: "
                f"{wrong}. Is a quotation mark missing there?"
            ) from wrong
        if cells and max(map(len, cells)) > MAX_CELL_LENGTH:
            raise file_error(
                f"has a cell of more than {MAX_CELL_LENGTH} characters that ends in line {self._records.line_num}: "
                "is a quotation mark missing there?"
            )
        return cells


def _delimiter(line: str) -> str:
    """What divides the line into the most cells."""
    return max(_DELIMITERS, key=lambda delimiter: _cells(line, delimiter))


def _cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader((line,), delimiter=delimiter)))
    except csv.Error:
        return 0
