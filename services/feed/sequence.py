"""The position of a user's feed."""

from bson import ObjectId

from documents.feed.changes import Change
from documents.feed.feed_states import FeedState


async def newest_seq(user_id: ObjectId) -> int:
    """Return the `seq` of the user's newest change, which may have expired, or 0 when nothing has changed yet."""
    state = await FeedState.find(user_id)
    return await Change.find_newest_seq_after(user_id, state["last_seq"] if state else 0)
