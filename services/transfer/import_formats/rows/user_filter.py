"""Select the rows of one person, and report the people that a file names."""

import unicodedata
from collections import Counter

from app.errors import FieldError, ValidationError
from app.plural import pluralize
from services.transfer.import_formats.tables.cells import RowCells
from services.transfer.import_formats.values.texts import excerpt

_MAX_NAME_LENGTH = 254
_MAX_LISTED_NAMES = 20


class UserFilter:
    """Selects the rows of one person, by name or e-mail address; all rows if `user` is None."""

    def __init__(self, user: str | None) -> None:
        self._user = None if user is None else _normalize(user.strip())
        self._row_counts: Counter[str] = Counter()
        self._selected: set[str] = set()

    def select(self, cells: RowCells) -> tuple[str | None, bool]:
        """Return the person that the row names, if any, and whether the row is selected."""
        full_name = " ".join(filter(None, (cells.text("first_name"), cells.text("last_name"))))
        names = [name for name in (cells.text("user"), full_name, cells.text("email")) if name]
        person = names[0] if names else None
        is_selected = self._user is None or self._user in {_normalize(name) for name in names}
        if person is not None:
            self._row_counts[person] += 1
        if is_selected:
            self._selected.add(person or "")
        return person, is_selected

    def require_match(self) -> None:
        """Raise ValidationError if a user was requested and no row was selected."""
        if self._user is None or self._selected:
            return
        users = f"; the users are {self._listed(self._row_counts)}" if self._row_counts else ""
        raise ValidationError(errors=(FieldError(f"is not a user in the file{users}", pointer="#/user"),))

    def notice(self) -> str | None:
        """Return a message about the people in the file, if there is more than one."""
        if self._user is None:
            if len(self._row_counts) < 2:  # noqa: PLR2004 - nobody else
                return None
            return f"names {len(self._row_counts)} users; the rows of all were read: {self._listed(self._row_counts)}"
        others = Counter({name: rows for name, rows in self._row_counts.items() if name not in self._selected})
        if not others:
            return None
        rows, users = pluralize(others.total(), "row"), pluralize(len(others), "other user")
        return f"names {len(self._row_counts)} users; {rows} of {users} ignored: {self._listed(others)}"

    def _listed(self, row_counts: Counter[str]) -> str:
        names = ", ".join(f"{excerpt(name)} ({count:,})" for name, count in row_counts.most_common(_MAX_LISTED_NAMES))
        more = len(row_counts) - _MAX_LISTED_NAMES
        return f"{names} and {more} more" if more > 0 else names


def _normalize(name: str) -> str:
    """Return the name in the form that is compared: NFC, case-folded, truncated."""
    return unicodedata.normalize("NFC", name[:_MAX_NAME_LENGTH]).casefold()
