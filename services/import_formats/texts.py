"""The texts of a row within the limits that every task, project and tag has."""

from collections.abc import Iterable

from services.schemas.fields import LONGEST_NAME, LONGEST_NOTE, LONGEST_TAG, LONGEST_TITLE, MOST_TAGS

LONGEST_SHOWN = 40
NO_DESCRIPTION = "(no description)"


def shown(text: str) -> str:
    """What a message shows of a cell."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def title_and_note(texts: Iterable[str]) -> tuple[str, str | None]:
    """The first text that says something is the title, the others are the note.

    A title that is cut is kept whole in the note.
    """
    title, *others = [text for text in texts if text.strip()] or [NO_DESCRIPTION]
    if len(title.strip()) > LONGEST_TITLE:
        others.insert(0, title)
    return title.strip()[:LONGEST_TITLE].rstrip(), "\n".join(others) or None


def cut_note(note: str) -> tuple[str, str | None]:
    """The note, and what is to be said of it."""
    if len(note) <= LONGEST_NOTE:
        return note, None
    return note[:LONGEST_NOTE], f"has made a note of over {LONGEST_NOTE} characters: it was cut there"


def cut_name(name: str) -> tuple[str, str | None]:
    """The name of a project or a client, and what is to be said of it."""
    if len(name) <= LONGEST_NAME:
        return name, None
    return name[:LONGEST_NAME].rstrip(), f"has more than {LONGEST_NAME} characters: it was cut there: {shown(name)}"


def parsed_tags(text: str) -> tuple[tuple[str, ...], str | None]:
    """The tags between commas, in lower case, each once, and what is to be said of them."""
    whole = [tag for tag in (part.strip().lower() for part in text.split(",")) if tag]
    tags = tuple(dict.fromkeys(tag[:LONGEST_TAG].rstrip() for tag in whole))
    if len(tags) > MOST_TAGS or max(map(len, whole), default=0) > LONGEST_TAG:
        return tags[:MOST_TAGS], f"has more than {MOST_TAGS} tags of {LONGEST_TAG} characters: the rest was cut"
    return tags, None
