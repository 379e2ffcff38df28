"""What there is to say of an entry that cannot be found."""

from bson import ObjectId

from app.errors import NotFoundError
from documents.common.base import object_id


class EntryNotFoundError(NotFoundError):
    """There is no such entry, or it is somebody else's."""

    code = "entry_not_found"
    detail = "There is no such time entry."


def require_entry_id(text: str) -> ObjectId:
    """The id of an entry. Raises EntryNotFoundError when it is no id at all."""
    entry_id = object_id(text)
    if entry_id is None:
        raise EntryNotFoundError
    return entry_id
