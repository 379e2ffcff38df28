"""The texts of a row within the limits that every task, project and tag has."""

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
_PYTHON_LIST = re.compile(rf"\[\s*(?:{_STRING}\s*(?:,\s*{_STRING}\s*)*,?)?\s*\]")
_ESCAPED = re.compile(r"\\(.)")
_HASHTAG = re.compile(r"#[^#\s]+")


def excerpt(text: str) -> str:
    """What a message shows of a cell: not much, and nothing that moves the cursor of a terminal."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:MAX_EXCERPT_LENGTH])
    return plain if len(text) <= MAX_EXCERPT_LENGTH else f"{plain}..."


def to_title_and_note(texts: Iterable[str]) -> tuple[str, str | None]:
    """The first text that shows something is the title, in one line; the others are the note.

    A title that is cut is kept whole in the note. Raises ValueError for a control character.
    """
    title, *others = [text for text in texts if is_visible(text)] or [NO_DESCRIPTION]
    line = cell_to_line(title)
    if len(line) > MAX_TITLE_LENGTH:
        others.insert(0, title)
    return truncate(line, MAX_TITLE_LENGTH), "\n".join(map(cell_to_lines, others)) or None


def require_note_length(note: str) -> None:
    """Raises ValueError for a note that is too long: nothing of it is cut."""
    if len(note) > MAX_NOTE_LENGTH:
        raise ValueError(f"makes a note of {len(note):,} characters: at most {MAX_NOTE_LENGTH:,} are kept")


def truncate_name(name: str) -> tuple[str, str | None]:
    """The name of a project or a client, and what is to be said of it."""
    if len(name) <= MAX_NAME_LENGTH:
        return name, None
    return truncate(
        name, MAX_NAME_LENGTH
    ), f"has more than {MAX_NAME_LENGTH} characters: it was cut there: {excerpt(name)}"


def parse_tags(*texts: str, is_own: bool = False) -> tuple[tuple[str, ...], str | None]:
    """The tags of some cells, in lower case, each once, and what is to be said of them.

    They are a list of JSON or Python, words that each begin with #, or stand between commas, else
    semicolons, else bars; one that holds a comma is quoted, as in a CSV file. With `is_own` there are
    commas alone, as this service writes them. Raises ValueError for a control character.
    """
    parts = [part for text in texts for part in _divided(text, is_own=is_own)]
    whole = [normalize_tag(part) for part in map(cell_to_line, parts) if part]
    tags = tuple(dict.fromkeys(truncate(tag, MAX_TAG_LENGTH) for tag in whole))
    if len(tags) > MAX_TAGS or max(map(len, whole), default=0) > MAX_TAG_LENGTH:
        return tags[:MAX_TAGS], f"has more than {MAX_TAGS} tags of {MAX_TAG_LENGTH} characters: the rest was cut"
    return tags, None


def _divided(text: str, *, is_own: bool) -> list[str]:
    if not is_own:
        if (listed := parse_tag_list(text)) is not None:
            return listed
        words = text.split()
        if words and all(_HASHTAG.fullmatch(word) for word in words):
            return [word.strip("#,;") for word in words]
    if '"' in text:
        with suppress(csv.Error):
            return next(csv.reader((text,), skipinitialspace=True, strict=True))
    marks = "," if is_own else ",;|"
    return text.split(next((mark for mark in marks if mark in text), ","))


def parse_tag_list(text: str) -> list[str] | None:
    """The strings of a list of JSON or Python; None for what is none."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    with suppress(ValueError, RecursionError):
        listed = json.loads(text)
        return listed if isinstance(listed, list) and all(isinstance(tag, str) for tag in listed) else None
    if not _PYTHON_LIST.fullmatch(text):
        return None
    return [_ESCAPED.sub(r"\1", found[0][1:-1]) for found in _PYTHON_STRING.finditer(text)]
