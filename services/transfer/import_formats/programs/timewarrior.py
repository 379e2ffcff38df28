"""Timewarrior: what `timew export` writes, a list of intervals in JSON."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.columns import Layout, index_headers
from services.transfer.import_formats.tables.csv_table import MAX_ROWS
from services.transfer.import_formats.tables.text_files import file_error, open_text

TIMEWARRIOR = Layout(
    index_headers({"start": "start", "end": "end", "task": "annotation", "tags": "tags"}),
    needed=((("start",), "start"),),
    is_titled_by_tags=True,
)
"""An annotation says what was done; where there is none, the tags do."""

_KEYS = ("id", "start", "end", "tags", "annotation")
_NOT_JSON = "is not the JSON that timew export writes: a list of intervals with their start"


class Intervals:
    """The intervals as a table: the keys are its header, and each interval is a row."""

    def __init__(self, file: BinaryIO) -> None:
        self.notices: list[RowMessage] = []
        self._found = [interval if isinstance(interval, dict) else {} for interval in _listed(file)]
        others = sorted({key for interval in self._found for key in interval} - set(_KEYS))
        self.header = [*_KEYS, *others]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The intervals, by the order of the file."""
        for number, interval in enumerate(self._found, start=1):
            yield number, [_text(interval.get(key)) for key in self.header]


def _listed(file: BinaryIO) -> list[Any]:
    with open_text(file) as text:
        try:
            found = orjson.loads(text.read().encode())
        except ValueError as wrong:
            raise file_error(f"{_NOT_JSON}") from wrong
    if not isinstance(found, list):
        raise file_error(_NOT_JSON)
    if len(found) > MAX_ROWS:
        raise file_error(f"has more than {MAX_ROWS} intervals: import it in parts")
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if "\0" in text or "\\u0000" in text:
        raise file_error("holds a NUL character: it is damaged")
    return text
