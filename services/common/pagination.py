"""Lists of what a user has, the newest first: pages that stay true while more comes."""

from bson import ObjectId

from documents.common.base import Row, StoredDocument
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.values.fields import PageQuery


async def newest_first_page(
    document: type[StoredDocument], user_id: ObjectId, query: PageQuery, *, list_name: str
) -> tuple[list[Row], str | None]:
    """A page of the user's documents, and the cursor of the next one. Raises InvalidCursorError."""
    scope = cursor_scope(list_name, user_id, query)
    after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
    found = await document.find_newest(user_id, after=after, limit=query.limit + 1)
    return page_of(found, limit=query.limit, position=lambda row: Position(row["_id"]), scope=scope)
