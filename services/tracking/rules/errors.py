"""The error for a time entry that does not exist."""

from bson import ObjectId

from app.errors import NotFoundError
from documents.common.base import require_object_id


class EntryNotFoundError(NotFoundError):
    """The time entry does not exist, or belongs to another user."""

    code = "entry_not_found"
    detail = "There is no such time entry."


def require_entry_id(text: str) -> ObjectId:
    """Parse the id of an entry. Raises EntryNotFoundError when the text is not an id."""
    return require_object_id(text, EntryNotFoundError)
