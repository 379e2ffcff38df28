"""Open a file as text: detect its encoding, and refuse what is not text."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from typing import BinaryIO

from app.errors import FieldError, ValidationError

MAX_LINE_LENGTH = 1_000_000
WINDOWS_ENCODING = "cp1252"
ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
"""The first bytes of a ZIP archive, and of an empty one."""

_HEAD_BYTES = 256
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: None,  # starts with the mark of UTF-16, so it is tried first
    codecs.BOM_UTF32_BE: None,
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_UNKNOWN_ENCODING = "is not text in UTF-8, UTF-16 or Windows-1252: save it as CSV in UTF-8"


def file_error(detail: str) -> ValidationError:
    """Return the error for a file that cannot be read at all."""
    return ValidationError(errors=(FieldError(detail, pointer="#/file"),))


@contextmanager
def open_text(file: BinaryIO) -> Iterator[TextIOWrapper]:
    """Open the file as text, from its beginning. Raises ValidationError if it is not text.

    The file is read as a whole, because a thread that reads a few kilobytes every few milliseconds starves the others.
    Each read releases the interpreter lock and takes it again before another thread has noticed. One that waits for
    the lock asks for it when it was not released for five milliseconds (sys.setswitchinterval), which then never
    happens.
    """
    file.seek(0)
    content = file.read()
    encoding, mark = _detect_encoding(content)
    stream = BytesIO(content)
    stream.seek(mark)
    with TextIOWrapper(stream, encoding, newline="") as text:
        yield text


def read_lines(text: TextIOWrapper) -> Iterator[str]:
    """Yield the lines with their line ends.

    Raises ValidationError if the file is not text, has a NUL character or has a line longer than
    MAX_LINE_LENGTH.
    """
    while line := _read_line(text):
        if len(line) > MAX_LINE_LENGTH:
            raise file_error(f"has a line of more than {MAX_LINE_LENGTH:,} characters")
        if "\0" in line:
            raise file_error("contains a NUL character: it is not a text file, or it is damaged")
        yield line


def _read_line(text: TextIOWrapper) -> str:
    try:
        return text.readline(MAX_LINE_LENGTH + 1)
    except UnicodeDecodeError as error:
        raise file_error(_UNKNOWN_ENCODING) from error


def _detect_encoding(content: bytes) -> tuple[str, int]:
    """Return the encoding, and the number of bytes of the byte order mark."""
    if content.startswith(ZIP_SIGNATURES):
        raise file_error("is a workbook or an archive, not a CSV file: export it as CSV")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            if encoding is None:
                raise file_error("is text in UTF-32: save it as CSV in UTF-8")
            return encoding, len(mark)
    return _guess_encoding(content), 0


def _guess_encoding(content: bytes) -> str:
    """Guess the encoding of a file without a mark: in UTF-16 about half the bytes of an English header are zero."""
    head = content[:_HEAD_BYTES]
    first, second = head[::2].count(0), head[1::2].count(0)
    if second > len(head) // 4 > first:
        return "utf-16-le"
    if first > len(head) // 4 > second:
        return "utf-16-be"
    return "utf-8" if _is_encoded_in("utf-8", content) else _require_windows(content)


def _is_encoded_in(encoding: str, content: bytes) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _require_windows(content: bytes) -> str:
    """Return Windows-1252. Raises ValidationError if the file cannot be that, or looks like damaged UTF-8."""
    replaced = content.decode("utf-8", "replace")
    invalid = replaced.count("\N{REPLACEMENT CHARACTER}")
    valid = sum(not letter.isascii() for letter in replaced) - invalid
    if valid > invalid or _CONTROL_BYTES.search(content) or not _is_encoded_in(WINDOWS_ENCODING, content):
        raise file_error(_UNKNOWN_ENCODING)
    return WINDOWS_ENCODING
