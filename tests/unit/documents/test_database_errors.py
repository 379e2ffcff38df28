"""Errors of the database. A stub server reports those that the embedded store does not report."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bson import ObjectId
from pydantic import SecretStr
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from app.config import Settings
from app.database.client import connect
from app.database.setup import bind
from app.errors import DatabaseUnavailableError
from documents.common.base import DocumentFullError, _is_duplicate
from documents.common.outbox import no_changes
from documents.common.transactions import current_session, transaction
from documents.feed.changes import Change, RefusedChangeError
from documents.registry import DOCUMENTS
from documents.tracking.tasks import Task
from services.accounts import audit
from services.accounts.audit import audit_service
from services.common import outages
from services.transfer.import_service import parse_file
from services.transfer.imports.background import BackgroundImports
from tests.conftest import Database
from tests.support.http import Json
from tests.support.services import captured_logs, restoring_documents
from tests.support.stored_documents import task_row
from tests.support.stub_server import Answer, refusal, stub_server

PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def bound_to_stub(database: Database, answer: Answer) -> AsyncIterator[None]:
    """Bind the documents to a stub server with these responses, and to this database again afterwards."""
    with stub_server(answer) as url:
        client = connect(Settings(_env_file=None, database_url=SecretStr(url)))
        try:
            async with restoring_documents(database):
                await bind(client.any, DOCUMENTS)
                yield
        finally:
            await client.close()


class TestTooLargeDocument:
    @pytest.mark.parametrize("code", [10334, 17419, 17420])
    async def test_task_is_full(self, database: Database, code: int) -> None:
        answer: Json = {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": code, "errmsg": "it would be too large"}]}
        async with bound_to_stub(database, lambda name, _: answer if name == "update" else None):
            with pytest.raises(DocumentFullError) as error:
                await Task.update_at_version(task_row(ObjectId()), {"title": "x"}, no_changes)
        assert error.value.code == "task_full"


class TestRefusedChange:
    @pytest.mark.parametrize(
        ("code", "error"), [(121, RefusedChangeError), (10334, RefusedChangeError), (50, BulkWriteError)]
    )
    async def test_invalid_and_too_large_changes_are_refused(
        self, database: Database, code: int, error: type[Exception]
    ) -> None:
        answer: Json = {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": code, "errmsg": "it cannot be added"}]}
        async with bound_to_stub(database, lambda name, _: answer if name == "insert" else None):
            with pytest.raises(error):
                await Change.add_in_order([{"_id": ObjectId()}])


class TestPollForBackgroundImports:
    async def test_no_import_is_started_after_the_end(self) -> None:
        imports = BackgroundImports(parse_file)
        async with imports.running():
            pass
        imports._start(ObjectId())
        assert not imports._tasks

    async def test_outage_is_logged_once(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.transfer.imports.background.POLL_SECONDS", 0.01)
        polls = 0

        def refuse(name: str, _: Json) -> Json | None:
            nonlocal polls
            polls += name == "aggregate"
            return refusal(11601, "interrupted") if name == "aggregate" else None

        with captured_logs(outages) as logs:
            async with (
                bound_to_stub(database, refuse),
                BackgroundImports(parse_file).running(),
                asyncio.timeout(PATIENCE_SECONDS),
            ):
                while polls < 5:  # noqa: ASYNC110 -- the stub server runs in another thread
                    await asyncio.sleep(0.01)
        count = [line["event"] for line in logs].count("unread_imports")
        assert count in {1, 2}, "the service under test polls as well"


class TestAuditTrail:
    async def test_event_that_cannot_be_recorded_is_logged(self, database: Database) -> None:
        interrupted = refusal(11601, "interrupted")
        async with bound_to_stub(database, lambda name, _: interrupted if name == "insert" else None):
            with captured_logs(audit) as logs:
                audit_service.record_in_background(ObjectId(), "sign_in_failed")
                await asyncio.gather(*audit_service._background_tasks)
        assert [line for line in logs if line["event"] == "unrecorded_event"] == [
            {"event": "unrecorded_event", "log_level": "warning", "audit_event": "sign_in_failed"}
        ]


class TestDuplicateKeyDetection:
    @pytest.mark.parametrize(
        ("refused", "is_duplicate"),
        [
            (DuplicateKeyError("E11000", 11000, {"code": 11000}), True),
            (BulkWriteError({"writeErrors": [{"code": 11000}]}), True),
            (BulkWriteError({"writeErrors": [{"code": 121}, {"code": 11000}]}), True),
            (BulkWriteError({"writeErrors": [{"code": 121}]}), False),
            (BulkWriteError({"writeErrors": []}), False),
            (BulkWriteError({}), False),
        ],
    )
    def test_error_code_11000_is_a_duplicate_key(
        self, refused: DuplicateKeyError | BulkWriteError, is_duplicate: bool
    ) -> None:
        assert _is_duplicate(refused) is is_duplicate


class TestWriteConflict:
    @pytest.mark.parametrize(
        "conflict",
        [
            refusal(112, "WriteConflict"),
            refusal(16777220, "could not serialize access"),
            refusal(251, "NoSuchTransaction", "TransientTransactionError"),
            {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": 112, "errmsg": "WriteConflict"}]},
        ],
    )
    @pytest.mark.parametrize("many", [True, False])
    async def test_write_conflict_makes_the_transaction_return_none(self, conflict: Json, many: bool) -> None:
        assert await self._of_an_insert(conflict, many=many) is None

    @pytest.mark.parametrize("many", [True, False])
    async def test_other_errors_are_raised(self, many: bool) -> None:
        with pytest.raises(OperationFailure):
            await self._of_an_insert(refusal(121, "Document failed validation"), many=many)

    async def _of_an_insert(self, answer: Json, *, many: bool) -> str | None:
        with stub_server(lambda name, _: answer if name == "insert" else None) as url:
            client = connect(Settings(_env_file=None, database_url=SecretStr(url)))

            async def work() -> str:
                things = client.any.things
                await (things.insert_many([{}, {}]) if many else things.insert_one({}))
                return "committed"

            try:
                return await transaction(client, work)
            finally:
                await client.close()


class TestUnknownOutcomeOfACommit:
    async def test_transaction_is_not_retried(self) -> None:
        """A restarted store does not know the transaction, whether it was committed or not."""
        unknown = refusal(251, "no such transaction")
        with stub_server(lambda name, _: unknown if name == "commitTransaction" else None) as url:
            client = connect(Settings(_env_file=None, database_url=SecretStr(url)))

            async def work() -> str:
                await client.any.things.insert_one({}, session=current_session())
                return "committed"

            with pytest.raises(DatabaseUnavailableError):
                await transaction(client, work)
            await client.close()
