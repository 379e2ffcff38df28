"""Whose time the rows of a file are."""

import unicodedata
from collections import Counter

from app.errors import FieldError, ValidationError
from app.plural import pluralize
from services.transfer.import_formats.tables.cells import RowCells
from services.transfer.import_formats.values.texts import excerpt

_MAX_NAME_LENGTH = 254
_MAX_NAMED = 20


class UserFilter:
    """The people that a file names, and the one whose rows alone are asked for."""

    def __init__(self, only: str | None) -> None:
        self._only = None if only is None else _folded(only.strip())
        self._rows: Counter[str] = Counter()
        self._taken: set[str] = set()

    def of(self, cells: RowCells) -> tuple[str | None, bool]:
        """Whose row it is, None where it names nobody, and whether it is taken."""
        full = " ".join(filter(None, (cells.text("first_name"), cells.text("last_name"))))
        names = [name for name in (cells.text("user"), full, cells.text("email")) if name]
        person = names[0] if names else None
        is_taken = self._only is None or self._only in {_folded(name) for name in names}
        if person is not None:
            self._rows[person] += 1
        if is_taken:
            self._taken.add(person or "")
        return person, is_taken

    def require_the_one(self) -> None:
        """Raises ValidationError when no row is of the person who was asked for."""
        if self._only is None or self._taken:
            return
        said = f"; it has those of {self._named(self._rows)}" if self._rows else ""
        wrong = f"is nobody whose rows the file has{said}"
        raise ValidationError(errors=(FieldError(wrong, pointer="#/user"),))

    def notice(self) -> str | None:
        """What is to be said of the people of the file."""
        if self._only is None:
            if len(self._rows) < 2:  # noqa: PLR2004 - nobody else
                return None
            return f"names {len(self._rows)} users, and the rows of all were taken: {self._named(self._rows)}"
        others = Counter({name: rows for name, rows in self._rows.items() if name not in self._taken})
        if not others:
            return None
        rows, users = pluralize(others.total(), "row"), pluralize(len(others), "other user")
        return f"names {len(self._rows)} users: {rows} of {users} left out: {self._named(others)}"

    def _named(self, rows: Counter[str]) -> str:
        named = ", ".join(f"{excerpt(name)} ({count:,})" for name, count in rows.most_common(_MAX_NAMED))
        return named if len(rows) <= _MAX_NAMED else f"{named} and {len(rows) - _MAX_NAMED} more"


def _folded(name: str) -> str:
    """A name as names are compared: in one Unicode form, whatever its case. Of a very long one the beginning."""
    return unicodedata.normalize("NFC", name[:_MAX_NAME_LENGTH]).casefold()
