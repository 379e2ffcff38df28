"""The texts of a row within the limits that every task, project and tag has."""

import csv
from collections.abc import Iterable
from contextlib import suppress

from services.schemas.fields import LONGEST_NAME, LONGEST_NOTE, LONGEST_TAG, LONGEST_TITLE, MOST_TAGS
from services.schemas.texts import cell_in_lines, cell_in_one_line, cut, is_visible, tag_name

LONGEST_SHOWN = 40
NO_DESCRIPTION = "(no description)"


def shown(text: str) -> str:
    """What a message shows of a cell: not much, and nothing that moves the cursor of a terminal."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_SHOWN])
    return plain if len(text) <= LONGEST_SHOWN else f"{plain}..."


def title_and_note(texts: Iterable[str]) -> tuple[str, str | None]:
    """The first text that shows something is the title, in one line; the others are the note.

    A title that is cut is kept whole in the note. Raises ValueError for a control character.
    """
    title, *others = [text for text in texts if is_visible(text)] or [NO_DESCRIPTION]
    line = cell_in_one_line(title)
    if len(line) > LONGEST_TITLE:
        others.insert(0, title)
    return cut(line, LONGEST_TITLE), "\n".join(map(cell_in_lines, others)) or None


def cut_note(note: str) -> tuple[str, str | None]:
    """The note, and what is to be said of it."""
    if len(note) <= LONGEST_NOTE:
        return note, None
    return note[:LONGEST_NOTE], f"has made a note of over {LONGEST_NOTE} characters: it was cut there"


def cut_name(name: str) -> tuple[str, str | None]:
    """The name of a project or a client, and what is to be said of it."""
    if len(name) <= LONGEST_NAME:
        return name, None
    return cut(name, LONGEST_NAME), f"has more than {LONGEST_NAME} characters: it was cut there: {shown(name)}"


def parsed_tags(text: str) -> tuple[tuple[str, ...], str | None]:
    """The tags between commas, in lower case, each once, and what is to be said of them.

    One that holds a comma is quoted, as in a CSV file. Raises ValueError for a control character.
    """
    whole = [tag_name(part) for part in map(cell_in_one_line, _divided(text)) if part]
    tags = tuple(dict.fromkeys(cut(tag, LONGEST_TAG) for tag in whole))
    if len(tags) > MOST_TAGS or max(map(len, whole), default=0) > LONGEST_TAG:
        return tags[:MOST_TAGS], f"has more than {MOST_TAGS} tags of {LONGEST_TAG} characters: the rest was cut"
    return tags, None


def _divided(text: str) -> list[str]:
    if '"' in text:
        with suppress(csv.Error):
            return next(csv.reader((text,), skipinitialspace=True, strict=True))
    return text.split(",")
