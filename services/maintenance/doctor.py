"""The doctor: checks the invariants of all stored documents, and repairs values that are derived from others."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.accounts.users import User
from documents.common.base import Row, StoredDocument, object_id
from documents.common.json_schema import format_value, schema_of, schema_violations
from documents.maintenance.inspection import find_structure_errors, iterate_owner_ids, iterate_rows
from documents.registry import DOCUMENTS
from documents.sharing.calendar_feeds import CalendarFeed
from documents.sharing.shares import Share
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from documents.webhooks.deliveries import Delivery
from services.common.values.emails import email_key
from services.maintenance.feed_checks import check_feeds
from services.maintenance.findings import Finding
from services.maintenance.page_checks import find_unlisted_pages
from services.maintenance.repairs import repair
from services.maintenance.task_checks import check_tasks
from services.sharing.schemas.shares import is_valid_report


@dataclass(slots=True)
class Report:
    """The result of an examination."""

    tasks: int
    entries: int
    findings: list[Finding]


async def examine(*, repair: bool = False) -> Report:
    """Check the whole database, which may be in use. With `repair`, derived values that are wrong are corrected."""
    examination = Examination(repair=repair)
    findings = [finding async for finding in examination.findings()]
    return Report(examination.tasks, examination.entries, findings)


class Examination:
    """A check of the whole database, one user at a time. It counts the tasks and entries that it has read."""

    def __init__(self, *, repair: bool = False) -> None:
        self._repair = repair
        self._started_at = naive_utc(utc_now())
        self._page_ids: set[ObjectId] = set()
        self.tasks = 0
        self.entries = 0

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield each inconsistency as it is found."""
        async for collection, subject, message in find_structure_errors():
            yield Finding(collection, subject, message)
        for document in DOCUMENTS:
            async for finding in _check_documents(document):
                yield finding
        async for finding in check_feeds():
            yield finding
        async for user_id in iterate_owner_ids(Task):
            for finding in await self._check_tasks(user_id):
                yield finding
        async for finding in self._check_unlisted_pages():
            yield finding

    async def _check_tasks(self, user_id: Any) -> list[Finding]:
        """Check the tasks of a user, with the pages that they list."""
        result = await check_tasks(user_id)
        self.tasks += result.tasks
        self.entries += result.entries
        self._page_ids |= result.page_ids
        documents = {error.document for error in result.errors if error.is_repairable} if self._repair else set()
        repaired = {document for document in documents if await repair(document[0], user_id, document[1])}
        return [
            error.as_finding(repaired=error.is_repairable and error.document in repaired) for error in result.errors
        ]

    async def _check_unlisted_pages(self) -> AsyncIterator[Finding]:
        """Find the pages that no task lists. They are not part of the data, so that a repair deletes them."""
        async for user_id, error in find_unlisted_pages(self._page_ids, self._started_at):
            is_deleted = self._repair and await TaskPage.delete_by_id(user_id, error.document_id)
            yield error.as_finding(repaired=is_deleted)


async def _check_documents(document: type[StoredDocument]) -> AsyncIterator[Finding]:
    """Check the documents of a collection, each on its own, and whether their users exist.

    Tasks and the pages that they list are checked later, together.
    """
    if document not in {Task, TaskPage}:
        schema = schema_of(document)
        async for row in iterate_rows(document):
            errors = [f"{violation.path} {violation.message}" for violation in schema_violations(schema, row)]
            for message in errors or _inconsistencies(document, row):
                yield Finding(document.get_collection_name(), format_value(row["_id"]), message)
    if document is not Task and "user_id" in document.model_fields:
        async for finding in _check_owners(document):
            yield finding


async def _check_owners(document: type[StoredDocument]) -> AsyncIterator[Finding]:
    async for user_id in iterate_owner_ids(document):
        if await User.find_by_id(user_id) is None:
            async for row in iterate_rows(document, {"user_id": user_id}):
                message = f"its user {format_value(user_id)} does not exist"
                yield Finding(document.get_collection_name(), format_value(row["_id"]), message)


def _inconsistencies(document: type[StoredDocument], row: Row) -> Iterator[str]:
    if document is User and row["email_key"] != email_key(row["email"]):
        yield "email_key is not that of its email"
    if document is DeletedEntry and row["entry"]["id"] != row["_id"]:
        yield f"entry.id is {row['entry']['id']}, not the id of the document"
    if document is Delivery and (row["status"] == "pending") != (row["next_attempt_at"] is not None):
        yield f"next_attempt_at does not fit the status {row['status']}"
    if document is CalendarFeed and row["project_id"] not in {None, "none"} and object_id(row["project_id"]) is None:
        yield "project_id is not an id, so nobody can read the feed"
    if document is Share and not is_valid_report(row["report"]):
        yield "report is not a valid query, so nobody can read it"
