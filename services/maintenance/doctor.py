"""The doctor: checks the invariants of all stored documents, and repairs values that are derived from others."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from bson import ObjectId

from documents.accounts.users import User
from documents.common.base import Row, StoredDocument
from documents.common.json_schema import format_value, schema_of, schema_violations
from documents.maintenance.inspection import find_structure_errors, iterate_owner_ids, iterate_rows
from documents.registry import DOCUMENTS
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from services.common.concurrency import retry_on_conflict
from services.common.values.emails import email_key
from services.tracking.rules.invariants import check_task, entry_ids, import_ids


@dataclass(frozen=True, slots=True)
class Finding:
    """An inconsistency: its collection, the document or index, what is wrong, and whether it was repaired."""

    collection: str
    subject: str
    message: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.collection} {self.subject}: {self.message}{' (repaired)' if self.repaired else ''}"


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
        self.tasks = 0
        self.entries = 0

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield each inconsistency as it is found."""
        async for collection, subject, message in find_structure_errors():
            yield Finding(collection, subject, message)
        for document in DOCUMENTS:
            if document is not Task:
                async for finding in _check_documents(document):
                    yield finding
        async for user_id in iterate_owner_ids(Task):
            for finding in await self._check_tasks(user_id):
                yield finding

    async def _check_tasks(self, user_id: Any) -> list[Finding]:
        """Check the tasks of a user.

        Checks within one task need a single read. Checks across documents need several reads, between which the
        data may change. If such a check fails, all is read again in one transaction, from one snapshot.
        """
        result = await _read_and_check(user_id)
        if result.needs_snapshot:
            result = await retry_on_conflict(lambda: Task.run_in_transaction(lambda: _read_and_check(user_id)))
        self.tasks += result.tasks
        self.entries += result.entries
        repairable = {error.task_id for error in result.errors if error.is_repairable} if self._repair else set()
        repaired = {task_id for task_id in repairable if await _repair_task(user_id, task_id)}
        return [
            Finding(
                "tasks",
                format_value(error.task_id),
                error.message,
                repaired=error.is_repairable and error.task_id in repaired,
            )
            for error in result.errors
        ]


@dataclass(frozen=True, slots=True)
class _TaskError:
    """An inconsistency of a task. It is repairable when the correct value follows from other stored values."""

    task_id: Any
    message: str
    is_repairable: bool = False


@dataclass(slots=True)
class _CheckResult:
    """The result of checking a user's tasks. `needs_snapshot` if a check across several reads failed."""

    tasks: int = 0
    entries: int = 0
    errors: list[_TaskError] = field(default_factory=list)
    needs_snapshot: bool = False


async def _read_and_check(user_id: Any) -> _CheckResult:
    result = _CheckResult()
    references = await _References.of(user_id)
    async for task in iterate_rows(Task, {"user_id": user_id}):
        reference_errors = list(references.check(task))
        result.tasks += 1
        result.entries += len(entry_ids(task))
        result.errors += [*_check_task(task), *reference_errors]
        result.needs_snapshot = result.needs_snapshot or bool(reference_errors)
    return result


def _check_task(task: Row) -> Iterator[_TaskError]:
    """Check a task on its own."""
    task_id, findings = task["_id"], check_task(task)
    yield from (_TaskError(task_id, message) for message in findings.schema_errors + findings.inconsistencies)
    for name, expected in findings.counters.items():
        stored = format_value(task[name]) if name in task else "missing"
        message = f"{name} is {stored}, its entries say {format_value(expected)}"
        yield _TaskError(task_id, message, is_repairable=True)


class _References:
    """Checks the references between a user's tasks and other documents. Pass it the tasks one after the other."""

    def __init__(
        self, user_id: Any, *, user_exists: bool, projects: set[Any], deleted: set[Any], imports: set[Any]
    ) -> None:
        self._user_id = user_id
        self._user_exists = user_exists
        self._projects = projects
        self._imports = imports
        self._owner_by_entry = dict.fromkeys(deleted, "deleted_entries")
        self._running_task: str | None = None

    @classmethod
    async def of(cls, user_id: Any) -> Self:
        """Read the ids of all documents that the tasks of a user can refer to."""
        by_owner = {"user_id": user_id}
        return cls(
            user_id,
            user_exists=await User.find_by_id(user_id) is not None,
            projects={row["_id"] async for row in iterate_rows(Project, by_owner)},
            deleted={row["_id"] async for row in iterate_rows(DeletedEntry, by_owner)},
            imports={row["_id"] async for row in iterate_rows(ImportBatch, by_owner)},
        )

    def check(self, task: Row) -> Iterator[_TaskError]:
        """Yield the errors of a task with regard to the tasks before it and the other documents."""
        task_id, task_name = task["_id"], format_value(task["_id"])
        if not self._user_exists:
            yield _TaskError(task_id, f"its user {format_value(self._user_id)} does not exist")
        project_id = task.get("project_id")
        if isinstance(project_id, ObjectId) and project_id not in self._projects:
            yield _TaskError(
                task_id, f"project_id is {project_id}, which is no project of its user", is_repairable=True
            )
        for import_id in import_ids(task) - self._imports:
            yield _TaskError(task_id, f"import_id {import_id} is no import of its user")
        if "active" in task:
            if self._running_task is not None:
                yield _TaskError(task_id, f"its timer runs, and so does that of {self._running_task}")
            self._running_task = task_name
        for entry_id in entry_ids(task):
            owner = self._owner_by_entry.get(entry_id)
            if owner is not None:
                yield _TaskError(task_id, f"its entry {entry_id} is in {owner} too")
            self._owner_by_entry[entry_id] = task_name


async def _repair_task(user_id: Any, task_id: Any) -> bool:
    """Correct the derived values of a task by an optimistic update. Return whether it is consistent now."""

    async def attempt() -> bool | None:
        by_owner = {"user_id": user_id}
        for task in [task async for task in iterate_rows(Task, {"_id": task_id, **by_owner})]:
            findings, project_id = check_task(task), task.get("project_id")
            if findings.schema_errors:
                return False  # the validator of the database would refuse the update
            fields = dict(findings.counters)
            if project_id and not [row async for row in iterate_rows(Project, {"_id": project_id, **by_owner})]:
                fields["project_id"] = None
            if fields and await Task.update_at_version(task, fields) is None:
                return None
        return True

    return await retry_on_conflict(attempt)


async def _check_documents(document: type[StoredDocument]) -> AsyncIterator[Finding]:
    """Check the documents of a collection, each on its own, and whether their users exist."""
    name, schema = document.get_collection_name(), schema_of(document)
    async for row in iterate_rows(document):
        errors = [f"{violation.path} {violation.message}" for violation in schema_violations(schema, row)]
        for message in errors or _inconsistencies(document, row):
            yield Finding(name, format_value(row["_id"]), message)
    if "user_id" in document.model_fields:
        async for user_id in iterate_owner_ids(document):
            if await User.find_by_id(user_id) is None:
                async for row in iterate_rows(document, {"user_id": user_id}):
                    yield Finding(name, format_value(row["_id"]), f"its user {format_value(user_id)} does not exist")


def _inconsistencies(document: type[StoredDocument], row: Row) -> Iterator[str]:
    if document is User and row["email_key"] != email_key(row["email"]):
        yield "email_key is not that of its email"
    if document is DeletedEntry and row["entry"]["id"] != row["_id"]:
        yield f"entry.id is {row['entry']['id']}, not the id of the document"
