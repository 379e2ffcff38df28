"""Ids of documents that are listed by id, newest first.

The first four bytes of an ObjectId are the second of its creation, the next five belong to its process. So the ids of
two workers have no order within a second. In these ids, two bytes of milliseconds follow the second.
"""

from datetime import datetime

from beanie import PydanticObjectId
from bson import ObjectId

from app.clock import utc_now

SUFFIX_BYTES = 6
"""How many bytes follow the time."""

_MILLISECOND = 1_000


def object_id_of(created_at: datetime, suffix: bytes) -> ObjectId:
    """Return the id with this time and this suffix."""
    milliseconds = created_at.microsecond // _MILLISECOND
    return ObjectId(int(created_at.timestamp()).to_bytes(4) + milliseconds.to_bytes(2) + suffix)


def new_ordered_id() -> PydanticObjectId:
    """Return a new id. The ids of one process are in the order of their creation, also within a millisecond."""
    unique = ObjectId().binary  # after the time, five bytes of the process and a counter of three bytes
    return PydanticObjectId(object_id_of(utc_now(), unique[4:7] + unique[9:]))
