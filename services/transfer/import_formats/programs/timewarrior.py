"""Timewarrior: the output of `timew export`, a JSON list of intervals."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.csv_table import MAX_ROWS
from services.transfer.import_formats.tables.layout import Layout, index_headers
from services.transfer.import_formats.tables.text_files import file_error, open_text

TIMEWARRIOR = Layout(
    index_headers({"start": "start", "end": "end", "task": "annotation", "tags": "tags"}),
    required=((("start",), "start"),),
    is_titled_by_tags=True,
)
"""The annotation is the title; without one, the tags are."""

_KEYS = ("id", "start", "end", "tags", "annotation")
_NOT_INTERVALS = "is not the output of timew export: a JSON list of intervals"


class TimewarriorIntervals:
    """The intervals as a table: the keys are the header, and each interval is a row."""

    def __init__(self, file: BinaryIO) -> None:
        self.notices: list[RowMessage] = []
        self._intervals = [interval if isinstance(interval, dict) else {} for interval in _load_list(file)]
        others = sorted({key for interval in self._intervals for key in interval} - set(_KEYS))
        self.header = [*_KEYS, *others]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the intervals in file order. One that is not an object is an empty row."""
        for number, interval in enumerate(self._intervals, start=1):
            yield number, [_to_cell(interval.get(key)) for key in self.header]


def _load_list(file: BinaryIO) -> list[Any]:
    with open_text(file) as text:
        try:
            intervals = orjson.loads(text.read().encode())
        except ValueError as error:
            raise file_error(_NOT_INTERVALS) from error
    if not isinstance(intervals, list):
        raise file_error(_NOT_INTERVALS)
    if len(intervals) > MAX_ROWS:
        raise file_error(f"has more than {MAX_ROWS:,} intervals: split it into several files")
    return intervals


def _to_cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if "\0" in text or "\\u0000" in text:
        raise file_error("contains a NUL character: it is damaged")
    return text
