"""The maximum number of documents of one kind that a user may have."""

from bson import ObjectId

from app.errors import ServiceError
from app.security.tokens import InvalidTokenError
from documents.accounts.users import User
from documents.common.base import Row, StoredDocument
from services.common.concurrency import retry_transaction


async def add_up_to(maximum: int, document: StoredDocument, user_id: ObjectId, *, error: type[ServiceError]) -> Row:
    """Insert the user's document, and return its row. Raises `error` if the user has the maximum number already.

    If an earlier attempt of the request has inserted it, its row is returned.

    Concurrent requests cannot exceed the maximum: each writes to the user, so one of two transactions is retried.
    Raises InvalidTokenError if the account is being deleted.
    """

    async def attempt() -> Row:
        if not await User.lock(user_id):
            raise InvalidTokenError
        stored = await document.find_inserted(user_id)
        if stored is not None:
            return stored
        if len(await document.find_ids(user_id)) >= maximum:
            raise error
        return await document.add()

    return await retry_transaction(user_id, attempt)
