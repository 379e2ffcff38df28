"""Validation and normalisation of texts.

A title, a name or a tag is one line with at least one visible character. A note or a description may have
several lines. Texts are stored in Unicode NFC, so that equal-looking texts compare as equal.
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
MAX_NFC_REDUCTION = 4
"""NFC combines at most this many characters into one."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""The control characters (category Cc), and the line and paragraph separators."""

_CONTROL_BUT_NEW_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_UNUSUAL_LINE_BREAKS = re.compile(r"\r(?!\n)|[\x0b\x0c\x1c-\x1e\x85]")
"""Control characters that end a line in some files."""

_BREAKS_AND_TABS = re.compile(r"[\t\r\n\u2028\u2029]+")
_WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace()).translate(
    dict.fromkeys(range(0x1C, 0x20))
)
"""Unicode's property White_Space. Python's isspace() adds U+001C to U+001F, which are refused, not trimmed."""

_INVISIBLE_GLYPHS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol without a visible glyph: the Hangul fillers and the blank Braille pattern."""

_VISIBLE_CATEGORIES = frozenset(("Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Nd", "Nl", "No", "Co", "Cn"))
_VISIBLE_CLASSES = frozenset("PS")

_CLOSED_BY = {
    "\u202a": "\u202c",
    "\u202b": "\u202c",
    "\u2066": "\u2069",
    "\u2067": "\u2069",
    "\u2068": "\u2069",
}
"""Directional embeddings and isolates (UAX #9), each with the character that closes it."""

_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVERRIDES = re.compile("[\u202d\u202e]")


def nfc(text: str) -> str:
    """Return the text in NFC.

    Raises ValueError for more than 30 combining marks in a row. No language needs more (UAX #15, Stream-Safe Text
    Format), and the time to sort them grows with the square of their number.
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
    """Return whether the text has a visible character. Marks, white space and format characters are not visible."""
    return any(_is_visible_character(character) for character in text)


def _is_visible_character(character: str) -> bool:
    category = unicodedata.category(character)
    return (category in _VISIBLE_CATEGORIES or category[0] in _VISIBLE_CLASSES) and character not in _INVISIBLE_GLYPHS


def normalize_line(text: str) -> str:
    """Return a line of text trimmed and in NFC.

    Raises ValueError when it contains a control character or a line break, has no visible character, or
    changes the direction of the text that follows it.
    """
    trimmed = nfc(text).strip(_WHITE_SPACE)
    if trimmed.isascii() and trimmed.isprintable() and trimmed:
        return trimmed
    if match := _CONTROL.search(trimmed):
        raise ValueError(f"contains the control character U+{ord(match[0]):04X}: it must be one line of plain text")
    if not is_visible(trimmed):
        raise ValueError("has no visible character")
    _require_closed_direction(trimmed)
    return trimmed


def normalize_lines(text: str) -> str:
    """Return a text in NFC. It may contain line breaks (LF or CRLF) and tabs.

    Raises ValueError when it contains another control character, or when a line changes the direction of the
    text that follows it.
    """
    if match := _CONTROL_BUT_NEW_LINES.search(text):
        raise ValueError(
            f"contains the control character U+{ord(match[0]):04X}: only line breaks (LF or CRLF) and tabs are allowed"
        )
    if _DIRECTION.search(text):
        for line in text.splitlines():
            _require_closed_direction(line)
    return nfc(text)


def cell_to_line(text: str) -> str:
    """Return the text of a file's cell as one line. Line breaks and tabs become spaces.

    A text without a visible character becomes empty. Raises ValueError for another control character.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    line = " ".join(filter(None, map(str.strip, _BREAKS_AND_TABS.split(cell_to_lines(text)))))
    return normalize_line(line) if is_visible(line) else ""


def cell_to_lines(text: str) -> str:
    """Return the text of a file's cell with its line breaks and tabs.

    Directional characters are removed when they would affect text that follows. Raises ValueError for another
    control character.
    """
    if text.isascii() and text.isprintable():
        return text
    return normalize_lines(_without_open_direction(_UNUSUAL_LINE_BREAKS.sub("\n", text)))


def upgrade_line(text: str, max_length: int) -> str:
    """Return a line that an earlier version stored in a form that is valid today. Empty if nothing visible is left."""
    try:
        line = normalize_line(text)
    except ValueError:
        line = nfc(" ".join(_CONTROL.sub(" ", _without_excess_marks(text)).split()))
    line = truncate(line, max_length)
    return line if is_visible(line) else ""


def upgrade_lines(text: str, max_length: int) -> str:
    """Return a text of several lines that an earlier version stored in a form that is valid today."""
    try:
        lines = normalize_lines(text)
    except ValueError:
        lines = nfc(_CONTROL_BUT_NEW_LINES.sub("", _UNUSUAL_LINE_BREAKS.sub("\n", _without_excess_marks(text))))
    return truncate(lines, max_length)


def _without_excess_marks(text: str) -> str:
    return _too_many_marks().sub(lambda run: run[0][:MAX_MARKS], _DIRECTION.sub("", text))


def truncate(text: str, max_length: int) -> str:
    """Return the first `max_length` characters of valid text, as valid text without white space around it."""
    return text if len(text) <= max_length else _without_open_direction(text[:max_length]).strip()


def _without_open_direction(text: str) -> str:
    try:
        for line in text.splitlines():
            _require_closed_direction(line)
    except ValueError:
        return nfc(_without_excess_marks(text))
    return text


def without_nul(value: str) -> str:
    """Return the text. Raises ValueError when it contains a NUL character."""
    if "\0" in value:
        raise ValueError("contains a NUL character")
    return value


def _require_closed_direction(line: str) -> None:
    """Raise ValueError for an override, and for an embedding or isolate that is not both opened and closed here."""
    if _OVERRIDES.search(line):
        raise ValueError("contains a directional override (U+202D or U+202E)")
    open_until: list[str] = []
    for character in _DIRECTION.findall(line):
        if character in _CLOSED_BY:
            open_until.append(_CLOSED_BY[character])
        elif not open_until or open_until.pop() != character:
            open_until.append("")
            break
    if open_until:
        raise ValueError(
            "contains a directional embedding or isolate (U+202A, U+202B, U+2066 to U+2068) that is not closed"
        )


@dataclass(frozen=True, slots=True)
class Text:
    """Metadata of an annotated str: its normalisation, and the limits of its length in characters afterwards."""

    normalize: Callable[[str], str]
    max_length: int
    min_length: int = 0

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a validator that runs after that of str."""
        return core_schema.no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema with the limits of the length. The other rules have no keyword there."""
        json_schema = handler(schema)
        if self.min_length:
            json_schema["minLength"] = self.min_length
        json_schema["maxLength"] = self.max_length
        return json_schema

    def _validate(self, value: str) -> str:
        longest = MAX_NFC_REDUCTION * self.max_length
        if len(value) > longest and len(value.strip()) > longest:  # too long in any form: do not normalise it first
            raise ValueError(f"has more than {self.max_length:,} characters")
        text = self.normalize(value)
        if len(text) < self.min_length:
            raise ValueError(f"has fewer than {self.min_length} characters")
        if len(text) > self.max_length:
            raise ValueError(f"has more than {self.max_length:,} characters")
        return text


def normalize_tag(text: str) -> str:
    """Return a tag as it is stored and compared: one line in lower case. Raises ValueError as `normalize_line` does."""
    return nfc(normalize_line(text).lower())
