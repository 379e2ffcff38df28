"""Pages of a user's documents, newest first."""

from bson import ObjectId

from documents.common.base import Row, StoredDocument
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.values.fields import PageQuery


async def newest_first_page(
    document: type[StoredDocument], user_id: ObjectId, query: PageQuery, *, list_name: str
) -> tuple[list[Row], str | None]:
    """Return a page of the user's documents and the cursor of the next page. Raises InvalidCursorError.

    Documents that are inserted later do not shift the pages: a page begins after an id, not at an offset.
    """
    scope = cursor_scope(list_name, user_id, query)
    after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
    rows = await document.find_newest(user_id, after=after, limit=query.limit + 1)
    return page_of(rows, limit=query.limit, position=lambda row: Position(row["_id"]), scope=scope)
