"""Deleting an account while one of its imports is in progress: the import leaves nothing behind.

The interleavings are forced: a transaction of the test holds a document that the deletion or the import has to write.
The sweep that follows a deletion later is cancelled, so that it cannot hide what an import has left.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.registry import USER_DOCUMENTS
from services.accounts.deletion import account_deletion_service
from services.transfer.import_service import background_imports
from tests.conftest import Database
from tests.operation.crash.test_killed_imports import LINES
from tests.support.http import PASSWORD, Client, Json, at, problem
from tests.transfer.test_background_imports import begin, leased_by_another
from tests.transfer.uploads import WEEK, import_rows, row, upload

WAIT_SECONDS = 60.0

Condition = Callable[[], Awaitable[bool]]


@pytest.fixture(autouse=True)
async def no_later_sweep() -> AsyncIterator[None]:
    """Cancel the sweeps that deletions have scheduled."""
    yield
    for sweep in list(account_deletion_service._sweeps):
        sweep.cancel()


async def wait_until(condition: Condition) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


def exists(collection: Any, **fields: Any) -> Condition:
    async def condition() -> bool:
        return await collection.find_one(fields) is not None

    return condition


def is_gone(collection: Any, **fields: Any) -> Condition:
    async def condition() -> bool:
        return await collection.find_one(fields) is None

    return condition


async def stored_data(client: Client, database: Database) -> Json:
    """All documents of the user by collection, except the audit trail."""
    names = {document.get_collection_name() for document in USER_DOCUMENTS} - {"audit_events"}
    rows = {name: await database[name].find({"user_id": client.user["_id"]}).to_list(None) for name in sorted(names)}
    return {name: found for name, found in rows.items() if found}


@asynccontextmanager
async def locked(collection: Any, document_id: str) -> AsyncIterator[None]:
    """Keep a document from being changed or removed: a transaction changes it, and is aborted at the end."""
    async with collection.database.client.start_session() as session:
        await session.start_transaction()
        await collection.update_one({"_id": ObjectId(document_id)}, {"$set": {"user_id": ObjectId()}}, session=session)
        yield
        await session.abort_transaction()


def delete_account(client: Client) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.request("DELETE", "/users/me", json={"password": PASSWORD}))


async def mark_as_being_deleted(client: Client, database: Database) -> None:
    """Begin the deletion as another process does it: this one still accepts the token for some seconds."""
    assert (await client.get("/users/me")).status_code == 200
    fields = {"is_active": False, "deleted_at": naive_utc(utc_now())}
    await database.users.update_one({"_id": client.user["_id"]}, {"$set": fields})


class TestDeleteAccountDuringImport:
    async def test_part_that_is_written_during_the_deletion_is_rolled_back(
        self, alice: Client, database: Database
    ) -> None:
        project = await alice.make_project(name="Website")
        mine = {"user_id": alice.user["_id"]}
        async with locked(database.projects, project["id"]):  # the import writes to it in each part
            request = asyncio.create_task(upload(alice, LINES))
            await wait_until(exists(database.import_batches, **mine))
            deletion = delete_account(alice)
            await wait_until(is_gone(database.import_batches, **mine))
        assert (await deletion).status_code == 204
        assert (await request).status_code in {401, 503}
        assert await stored_data(alice, database) == {}

    async def test_waiting_background_import_is_not_started(self, alice: Client, database: Database) -> None:
        first = await import_rows(alice, row(28, "09:00", "10:00"))
        task = await alice.make_task(title="Mine")
        entry = await alice.write(task)
        await alice.delete(at(entry))
        async with leased_by_another(database, first):
            await begin(alice, WEEK)
            async with locked(database.deleted_entries, entry["id"]):  # removed after projects and tasks
                deletion = delete_account(alice)
                await wait_until(is_gone(database.tasks, user_id=alice.user["_id"]))
                await database.import_batches.delete_one({"_id": ObjectId(first["id"])})  # nothing to wait for
                await asyncio.gather(*background_imports._tasks.values())
        assert (await deletion).status_code == 204
        assert await stored_data(alice, database) == {}

    async def test_waiting_undo_is_refused_with_404(self, alice: Client, database: Database) -> None:
        first, second = [await import_rows(alice, row(day, "09:00", "10:00")) for day in (2, 3)]
        async with leased_by_another(database, second):
            undo = asyncio.create_task(alice.delete(f"/imports/{first['id']}"))
            await asyncio.sleep(0.1)  # it answers the same however far it has come
            for batch in (first, second):
                await database.import_batches.delete_one({"_id": ObjectId(batch["id"])})
            problem(await undo, 404, "import_not_found")


class TestUploadAfterDeletion:
    """A process learns of a deletion by another process some seconds later. Until then it accepts the token."""

    @pytest.mark.parametrize("wait", ["true", "false"])
    async def test_is_refused_with_401(self, wait: str, alice: Client, database: Database) -> None:
        await mark_as_being_deleted(alice, database)
        problem(await upload(alice, WEEK, wait=wait), 401, "invalid_token")
        assert (await stored_data(alice, database)).keys() == {"refresh_tokens"}
