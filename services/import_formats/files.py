"""The bytes of a file as the lines of a text: which encoding it has, and what is no text at all."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import BinaryIO

from app.errors import FieldError, ValidationError

LONGEST_LINE = 1_000_000
_LOOKED_AT = 256
_WORKBOOK = b"PK\x03\x04"
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: None,  # it begins like the one of UTF-16, so that it is looked for first
    codecs.BOM_UTF32_BE: None,
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def unreadable(detail: str) -> ValidationError:
    """What is wrong with the file as a whole."""
    return ValidationError(errors=(FieldError(detail, pointer="#/file"),))


@contextmanager
def opened(file: BinaryIO) -> Iterator[TextIOWrapper]:
    """The text of the file from its beginning. Raises ValidationError for what is neither in UTF-8 nor in UTF-16."""
    encoding, mark = _encoding(file)
    file.seek(mark)
    text = TextIOWrapper(file, encoding, newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # the file is closed already
            text.detach()  # else it is closed with this


def lines_of(text: TextIOWrapper) -> Iterator[str]:
    """The lines with their ends, whichever those are.

    Raises ValidationError for what is no text, for a NUL character and for a line of over 1,000,000
    characters.
    """
    while line := _line(text):
        if len(line) > LONGEST_LINE:
            raise unreadable(f"has a line of more than {LONGEST_LINE} characters")
        if "\0" in line:
            raise unreadable("holds a NUL character: it is no text file, or it is damaged")
        yield line


def _line(text: TextIOWrapper) -> str:
    try:
        return text.readline(LONGEST_LINE + 1)
    except UnicodeDecodeError as wrong:
        raise unreadable("is not text in UTF-8 or UTF-16: save it as CSV in UTF-8") from wrong


def _encoding(file: BinaryIO) -> tuple[str, int]:
    """The encoding, and how many bytes its mark takes."""
    file.seek(0)
    head = file.read(_LOOKED_AT)
    if head.startswith(_WORKBOOK):
        raise unreadable("is a workbook or an archive, not a CSV file: export it as CSV")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            if encoding is None:
                raise unreadable("is text in UTF-32: save it as CSV in UTF-8")
            return encoding, len(mark)
    return _encoding_without_mark(head), 0


def _encoding_without_mark(head: bytes) -> str:
    """In UTF-16 nearly every second byte of a header in English is zero."""
    first, second = head[::2].count(0), head[1::2].count(0)
    if second > len(head) // 4 > first:
        return "utf-16-le"
    if first > len(head) // 4 > second:
        return "utf-16-be"
    return "utf-8"
