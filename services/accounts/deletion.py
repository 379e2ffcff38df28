"""The end of an account: everything that is the user's goes, whatever happens in between."""

import asyncio
from datetime import timedelta

import structlog
from bson import ObjectId

from app.clock import aware_utc, utc_now
from documents.accounts.deletions import AccountDeletion
from documents.accounts.users import User
from documents.common.base import StoredDocument
from documents.registry import USER_DOCUMENTS
from documents.transfer.import_batches import ImportBatch
from services.accounts.authentication import KNOWN_SECONDS, authentication_service
from services.accounts.users import WrongPasswordError, user_service
from services.common.acting_user import ActingUser

SWEPT_AGAIN_AFTER = timedelta(seconds=KNOWN_SECONDS + 10)
"""When no process knows the user any more, and no request of before is under way."""


log = structlog.get_logger()


class AccountDeletionService:
    """Deletes accounts in steps. The first one makes it irrevocable; the others can be done again and again."""

    def __init__(self) -> None:
        self._later: set[asyncio.Task[None]] = set()

    async def delete(self, user: ActingUser, *, password: str) -> None:
        """Removes every document that is the user's, the account included. Raises WrongPasswordError."""
        known = await user_service.require_password(user, password)
        if not await User.begin_deletion(known):
            raise WrongPasswordError
        authentication_service.forget(user.id)
        log.info("account_deleted", user_id=str(user.id))
        await self._remove(user.id)
        self._sweep_later(user.id)

    async def finish(self) -> None:
        """Ends the deletions, whosever they are, that were interrupted."""
        for user in await User.find_being_deleted():
            await self._remove(user["_id"])
        for deletion in await AccountDeletion.all_under_way():
            await self._sweep(deletion["_id"], wait=aware_utc(deletion["created_at"]) + SWEPT_AGAIN_AFTER - utc_now())

    async def _remove(self, user_id: ObjectId) -> None:
        """Everything but the account first: as long as it is there, an interrupted deletion is found again."""
        await AccountDeletion.begin(user_id)
        await self._empty(user_id)
        await User.end_deletion(user_id)

    def _sweep_later(self, user_id: ObjectId) -> None:
        sweep = asyncio.create_task(self._sweep(user_id, wait=SWEPT_AGAIN_AFTER))
        self._later.add(sweep)
        sweep.add_done_callback(self._later.discard)

    async def _sweep(self, user_id: ObjectId, *, wait: timedelta) -> None:
        """Removes what was written since by requests that were under way, or that another process let in."""
        await asyncio.sleep(max(0.0, wait.total_seconds()))
        await self._empty(user_id)
        await AccountDeletion.end(user_id)

    @staticmethod
    async def _empty(user_id: ObjectId) -> None:
        # Imports first: each transaction of an import updates its ImportBatch, so once that is gone none can commit.
        documents: tuple[type[StoredDocument], ...] = (ImportBatch, *USER_DOCUMENTS)
        for document in documents:
            while ids := await document.find_ids(user_id):
                for document_id in ids:
                    await document.delete_by_id(user_id, document_id)


account_deletion_service = AccountDeletionService()
