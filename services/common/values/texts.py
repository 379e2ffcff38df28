"""What a text may hold, and the one form in which it is stored.

A title, a name or a tag is one line with something to see in it. A note or a description may have
several lines. Both are stored in Unicode NFC, so that texts that look equal are equal.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

MAX_MARKS = 30
MAX_FORMS = 4
"""How many characters at most are one in NFC."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What one line cannot hold: category Cc, and the separators of lines and paragraphs."""

_CONTROL_BUT_NEW_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_OTHER_BREAKS = re.compile(r"\r(?!\n)|[\x0b\x0c\x1c-\x1e\x85]")
"""What ends a line in some files, and is a control character to us."""

_BREAKS = re.compile(r"[\t\r\n\u2028\u2029]+")
_WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace()).translate(
    dict.fromkeys(range(0x1C, 0x20))
)
"""The property White_Space of Unicode. Python adds U+001C to U+001F, which are refused and not trimmed."""

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that show nothing: the fillers of Hangul and the empty Braille pattern."""

_SEEN = frozenset(("Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Nd", "Nl", "No", "Co", "Cn"))
_SEEN_CLASSES = frozenset("PS")

_OPENS = {"\u202a": "\u202c", "\u202b": "\u202c", "\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"}
"""Embeddings and isolates (UAX #9), and what ends each."""

_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVERRIDES = re.compile("[\u202d\u202e]")


def nfc(text: str) -> str:
    """The text in NFC.

    Raises ValueError for more than 30 combining marks in a row, which no language needs (UAX #15, Stream-Safe
    Text Format): to sort them would take a time that is the square of their number.
    """
    if text.isascii():
        return text
    if _too_many_marks().search(text):
        raise ValueError(f"has more than {MAX_MARKS} combining marks in a row")
    return unicodedata.normalize("NFC", text)


@cache
def _too_many_marks() -> re.Pattern[str]:
    marks = "".join(character for character in map(chr, range(0x300, 0x1F000)) if unicodedata.combining(character))
    return re.compile(f"[{marks}]{{{MAX_MARKS + 1},}}")


def is_visible(text: str) -> bool:
    """Whether there is anything to see: marks, white space and format characters alone show nothing."""
    return any(_is_seen(character) for character in text)


def _is_seen(character: str) -> bool:
    category = unicodedata.category(character)
    return (category in _SEEN or category[0] in _SEEN_CLASSES) and character not in _BLANK


def normalize_line(text: str) -> str:
    """The text trimmed and in NFC.

    Raises ValueError when it holds a control character or a line break, shows nothing, or changes the
    direction of the text beside it.
    """
    trimmed = nfc(text).strip(_WHITE_SPACE)
    if trimmed.isascii() and trimmed.isprintable() and trimmed:
        return trimmed
    if found := _CONTROL.search(trimmed):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}: it must be one line of plain text")
    if not is_visible(trimmed):
        raise ValueError("has no visible character")
    _require_own_direction(trimmed)
    return trimmed


def normalize_lines(text: str) -> str:
    """The text in NFC. It may hold line breaks (LF or CRLF) and tabs.

    Raises ValueError when it holds another control character, or when a line changes the direction of the
    text beside it.
    """
    if found := _CONTROL_BUT_NEW_LINES.search(text):
        raise ValueError(
            f"holds the control character U+{ord(found[0]):04X}: only line breaks (LF or CRLF) and tabs are allowed"
        )
    if _DIRECTION.search(text):
        for line in text.splitlines():
            _require_own_direction(line)
    return nfc(text)


def cell_to_line(text: str) -> str:
    """A text of a file in one line: line breaks and tabs become spaces, and what shows nothing is empty.

    Raises ValueError for another control character.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    whole = " ".join(filter(None, map(str.strip, _BREAKS.split(cell_to_lines(text)))))
    return normalize_line(whole) if is_visible(whole) else ""


def cell_to_lines(text: str) -> str:
    """A text of a file with its line breaks and tabs. What would change the direction of other text is left out.

    Raises ValueError for another control character.
    """
    if text.isascii() and text.isprintable():
        return text
    return normalize_lines(_in_its_own_direction(_OTHER_BREAKS.sub("\n", text)))


def upgrade_line(text: str, max_length: int) -> str:
    """A line that an earlier version has stored, as a request may send it now; empty where nothing is left to see."""
    try:
        return truncate(normalize_line(text), max_length)
    except ValueError:
        plain = nfc(" ".join(_CONTROL.sub(" ", _without_excess(text)).split()))
        return truncate(plain, max_length) if is_visible(plain) else ""


def upgrade_lines(text: str, max_length: int) -> str:
    """A text of several lines that an earlier version has stored, as a request may send it now."""
    try:
        return normalize_lines(text)[:max_length]
    except ValueError:
        plain = _CONTROL_BUT_NEW_LINES.sub("", _OTHER_BREAKS.sub("\n", _without_excess(text)))
        return nfc(plain)[:max_length]


def _without_excess(text: str) -> str:
    return _too_many_marks().sub(lambda run: run[0][:MAX_MARKS], _DIRECTION.sub("", text))


def truncate(text: str, max_length: int) -> str:
    """The beginning of a text that is one line, as one line itself."""
    return text if len(text) <= max_length else _in_its_own_direction(text[:max_length].rstrip())


def _in_its_own_direction(text: str) -> str:
    try:
        for line in text.splitlines():
            _require_own_direction(line)
    except ValueError:
        return _DIRECTION.sub("", text)
    return text


def without_nul(value: str) -> str:
    """The text. Raises ValueError when it holds a NUL character."""
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def _require_own_direction(line: str) -> None:
    """Raises ValueError for an override, or for an embedding or isolate that is not both opened and closed here."""
    if _OVERRIDES.search(line):
        raise ValueError("holds a directional override (U+202D or U+202E)")
    waiting: list[str] = []
    for character in _DIRECTION.findall(line):
        if character in _OPENS:
            waiting.append(_OPENS[character])
        elif not waiting or waiting.pop() != character:
            waiting.append("")
            break
    if waiting:
        raise ValueError("holds a directional embedding or isolate (U+202A, U+202B, U+2066 to U+2068) without its end")


@dataclass(frozen=True, slots=True)
class Text:
    """Metadata of an annotated str: how it is read, and how many characters it has then."""

    normalize: Callable[[str], str]
    max_length: int
    min_length: int = 0

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A validator that comes after that of str."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The bounds of the length; the rest of the rule cannot be said there."""
        shape = handler(schema)
        if self.min_length:
            shape["minLength"] = self.min_length
        shape["maxLength"] = self.max_length
        return shape

    def _checked(self, value: str) -> str:
        if len(value) > MAX_FORMS * self.max_length and len(value.strip()) > MAX_FORMS * self.max_length:
            raise ValueError(f"has more than {self.max_length:,} characters")  # whatever its form: it is not read first
        text = self.normalize(value)
        if len(text) < self.min_length:
            raise ValueError(f"has fewer than {self.min_length} characters")
        if len(text) > self.max_length:
            raise ValueError(f"has more than {self.max_length:,} characters")
        return text


def normalize_tag(text: str) -> str:
    """A tag as it is stored and compared: one line, in lower case. Raises ValueError as one_line does."""
    return nfc(normalize_line(text).lower())
