"""The bytes of a file as the lines of a text: which encoding it has, and what is no text at all."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import BinaryIO

from app.errors import FieldError, ValidationError

MAX_LINE_LENGTH = 1_000_000
WINDOWS = "cp1252"
ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")
"""How an archive begins, and one that is empty."""

_LOOKED_AT = 256
_READ_AT_ONCE = 1024 * 1024
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: None,  # it begins like the one of UTF-16, so that it is looked for first
    codecs.BOM_UTF32_BE: None,
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_UNREADABLE = "is not text in UTF-8, UTF-16 or Windows-1252: save it as CSV in UTF-8"


def file_error(detail: str) -> ValidationError:
    """What is wrong with the file as a whole."""
    return ValidationError(errors=(FieldError(detail, pointer="#/file"),))


@contextmanager
def open_text(file: BinaryIO) -> Iterator[TextIOWrapper]:
    """The text of the file from its beginning. Raises ValidationError for what is no text."""
    encoding, mark = _encoding(file)
    file.seek(mark)
    text = TextIOWrapper(file, encoding, newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # the file is closed already
            text.detach()  # else it is closed with this


def read_lines(text: TextIOWrapper) -> Iterator[str]:
    """The lines with their ends, whichever those are.

    Raises ValidationError for what is no text, for a NUL character and for a line of over 1,000,000
    characters.
    """
    while line := _line(text):
        if len(line) > MAX_LINE_LENGTH:
            raise file_error(f"has a line of more than {MAX_LINE_LENGTH} characters")
        if "\0" in line:
            raise file_error("holds a NUL character: it is no text file, or it is damaged")
        yield line


def _line(text: TextIOWrapper) -> str:
    try:
        return text.readline(MAX_LINE_LENGTH + 1)
    except UnicodeDecodeError as wrong:
        raise file_error(_UNREADABLE) from wrong


def _encoding(file: BinaryIO) -> tuple[str, int]:
    """The encoding, and how many bytes its mark takes."""
    file.seek(0)
    head = file.read(_LOOKED_AT)
    if head.startswith(ARCHIVE):
        raise file_error("is a workbook or an archive, not a CSV file: export it as CSV")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            if encoding is None:
                raise file_error("is text in UTF-32: save it as CSV in UTF-8")
            return encoding, len(mark)
    return _encoding_without_mark(file, head), 0


def _encoding_without_mark(file: BinaryIO, head: bytes) -> str:
    """In UTF-16 nearly every second byte of a header in English is zero."""
    first, second = head[::2].count(0), head[1::2].count(0)
    if second > len(head) // 4 > first:
        return "utf-16-le"
    if first > len(head) // 4 > second:
        return "utf-16-be"
    return "utf-8" if _is_utf8(file) else _windows(file)


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while some := file.read(_READ_AT_ONCE):
            decoder.decode(some)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _windows(file: BinaryIO) -> str:
    """Windows-1252. Raises ValidationError for what cannot be that, or is rather UTF-8 that was damaged."""
    file.seek(0)
    content = file.read()
    replaced = content.decode("utf-8", "replace")
    damaged = replaced.count("\N{REPLACEMENT CHARACTER}")
    whole = sum(not letter.isascii() for letter in replaced) - damaged
    if whole > damaged or _NO_TEXT.search(content):
        raise file_error(_UNREADABLE)
    try:
        content.decode(WINDOWS)
    except UnicodeDecodeError as wrong:
        raise file_error(_UNREADABLE) from wrong
    return WINDOWS
