"""Account deletion: removes all documents of a user, even when it is interrupted."""

import asyncio
from datetime import timedelta

import structlog
from bson import ObjectId

from app.clock import aware_utc, utc_now
from app.database.client import OPERATION_TIMEOUT_MS
from documents.accounts.deletions import AccountDeletion
from documents.accounts.users import User
from documents.registry import USER_DOCUMENTS
from services.accounts.authentication import CACHE_SECONDS, authentication_service
from services.accounts.users import WrongPasswordError, user_service
from services.common.acting_user import ActingUser
from services.common.concurrency import CONTENTION_SECONDS, TURN_SECONDS

SWEEP_DELAY = timedelta(seconds=CACHE_SECONDS + TURN_SECONDS + CONTENTION_SECONDS, milliseconds=OPERATION_TIMEOUT_MS)
"""After this time no process has the user cached, and a change that waited for its turn has been made or refused."""

log = structlog.get_logger()


class AccountDeletionService:
    """Deletes accounts in steps. The first step is irrevocable; the others can be repeated."""

    def __init__(self) -> None:
        self._sweeps: set[asyncio.Task[None]] = set()

    async def delete(self, user: ActingUser, *, password: str) -> None:
        """Delete the account and all documents of the user. Raises WrongPasswordError."""
        stored = await user_service.require_password(user, password)
        if not await User.begin_deletion(stored):
            raise WrongPasswordError
        authentication_service.invalidate(user.id)
        log.info("account_deleted", user_id=str(user.id))
        await self._remove(user.id)
        self._start_sweep(user.id)

    async def finish(self) -> None:
        """Finish the interrupted deletions of all users."""
        for user in await User.find_being_deleted():
            await self._remove(user["_id"])
        for deletion in await AccountDeletion.find_unfinished():
            await self._sweep(deletion["_id"], wait=aware_utc(deletion["created_at"]) + SWEEP_DELAY - utc_now())

    async def _remove(self, user_id: ObjectId) -> None:
        """Delete the documents first and the account last, so that an interrupted deletion can be found again."""
        await AccountDeletion.begin(user_id)
        await self._delete_documents(user_id)
        await User.end_deletion(user_id)

    def _start_sweep(self, user_id: ObjectId) -> None:
        sweep = asyncio.create_task(self._sweep(user_id, wait=SWEEP_DELAY))
        self._sweeps.add(sweep)
        sweep.add_done_callback(self._sweeps.discard)

    async def _sweep(self, user_id: ObjectId, *, wait: timedelta) -> None:
        """Delete what requests in progress, or processes with a cached user, have written since the deletion."""
        await asyncio.sleep(max(0.0, wait.total_seconds()))
        await self._delete_documents(user_id)
        await AccountDeletion.end(user_id)

    @staticmethod
    async def _delete_documents(user_id: ObjectId) -> None:
        for document in USER_DOCUMENTS:
            while ids := await document.find_ids(user_id):
                for document_id in ids:
                    await document.delete_by_id(user_id, document_id)


account_deletion_service = AccountDeletionService()
