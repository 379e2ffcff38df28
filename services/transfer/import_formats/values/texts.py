"""Convert the texts of a row to titles, notes, names and tags within their length limits."""

import csv
import json
import re
from collections.abc import Iterable
from contextlib import suppress

from services.common.values.fields import MAX_NAME_LENGTH, MAX_NOTE_LENGTH, MAX_TAG_LENGTH, MAX_TAGS, MAX_TITLE_LENGTH
from services.common.values.texts import cell_to_line, cell_to_lines, is_visible, normalize_tag, truncate

MAX_EXCERPT_LENGTH = 40
NO_DESCRIPTION = "(no description)"
_STRING = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_PYTHON_STRING = re.compile(_STRING)
_PYTHON_LIST = re.compile(rf"\[\s*(?:{_STRING}\s*(?:,\s*{_STRING}\s*)*(?:,\s*)?)?\]")
_ESCAPED = re.compile(r"\\(.)")
_HASHTAG = re.compile(r"#[^#\s]+")


def excerpt(text: str) -> str:
    """Return the start of a cell for a message, with control characters as spaces (they could move a cursor)."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:MAX_EXCERPT_LENGTH])
    return printable if len(text) <= MAX_EXCERPT_LENGTH else f"{printable}..."


def to_title_and_note(texts: Iterable[str]) -> tuple[str, str | None]:
    """Return the first visible text as the title, in one line, and the others as the note.

    If the title is truncated, the note starts with the whole of it. Raises ValueError for a control character.
    """
    title, *others = [text for text in texts if is_visible(text)] or [NO_DESCRIPTION]
    line = cell_to_line(title)
    if len(line) > MAX_TITLE_LENGTH:
        others.insert(0, title)
    return truncate(line, MAX_TITLE_LENGTH), "\n".join(map(cell_to_lines, others)) or None


def require_note_length(note: str) -> None:
    """Raise ValueError if the note is too long. Notes are never truncated."""
    if len(note) > MAX_NOTE_LENGTH:
        raise ValueError(f"gives a note of {len(note):,} characters; the maximum is {MAX_NOTE_LENGTH:,}")


def truncate_name(name: str) -> tuple[str, str | None]:
    """Truncate the name of a project or client. Returns the name, and a message if it was truncated."""
    if len(name) <= MAX_NAME_LENGTH:
        return name, None
    return truncate(name, MAX_NAME_LENGTH), f"was truncated to {MAX_NAME_LENGTH} characters: {excerpt(name)}"


def parse_tags(*texts: str, is_own: bool = False) -> tuple[tuple[str, ...], str | None]:
    """Parse the tags of some cells. Returns them in lower case without repeats, and a message if any were cut.

    A cell is a list in JSON or Python syntax, or words that each start with #, or tags separated by commas,
    else by semicolons, else by bars. A tag that contains the separator is quoted as in CSV. With `is_own` the
    cell is from this service's own export, where only commas separate. Raises ValueError for a control
    character.
    """
    parts = [part for text in texts for part in _split_tags(text, is_own=is_own)]
    whole = [normalize_tag(part) for part in map(cell_to_line, parts) if part]
    tags = tuple(dict.fromkeys(truncate(tag, MAX_TAG_LENGTH) for tag in whole))
    if len(tags) > MAX_TAGS or max(map(len, whole), default=0) > MAX_TAG_LENGTH:
        limits = f"has more than {MAX_TAGS} tags, or a tag of more than {MAX_TAG_LENGTH} characters"
        return tags[:MAX_TAGS], f"{limits}: the excess was cut"
    return tags, None


def _split_tags(text: str, *, is_own: bool) -> list[str]:
    if not is_own:
        if (tags := parse_tag_list(text)) is not None:
            return tags
        words = text.split()
        if words and all(_HASHTAG.fullmatch(word) for word in words):
            return [word.strip("#,;") for word in words]
    if '"' in text:
        with suppress(csv.Error):
            return next(csv.reader((text,), skipinitialspace=True, strict=True))
    separators = "," if is_own else ",;|"
    return text.split(next((separator for separator in separators if separator in text), ","))


def parse_tag_list(text: str) -> list[str] | None:
    """Parse a list of strings in JSON or Python syntax. Returns None if it is not one."""
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        return value if isinstance(value, list) and all(isinstance(tag, str) for tag in value) else None
    if not _PYTHON_LIST.fullmatch(text):
        return None
    return [_ESCAPED.sub(r"\1", match[0][1:-1]) for match in _PYTHON_STRING.finditer(text)]
