"""Whether what is stored keeps every promise that can be checked at rest, and mending what follows from the rest."""

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
    """One thing that is wrong: in which collection, with which document or index, and whether it was mended."""

    collection: str
    about: str
    says: str
    mended: bool = False

    def __str__(self) -> str:
        return f"{self.collection} {self.about}: {self.says}{' (repaired)' if self.mended else ''}"


@dataclass(slots=True)
class Report:
    """What an examination has found."""

    tasks: int
    entries: int
    findings: list[Finding]


async def examine(*, repair: bool = False) -> Report:
    """Looks through the whole database, which may be in use meanwhile. With `repair`, what can be mended is."""
    examination = Examination(repair=repair)
    findings = [finding async for finding in examination.findings()]
    return Report(examination.tasks, examination.entries, findings)


class Examination:
    """One look through the whole database, a user's tasks at a time. It counts what it has seen."""

    def __init__(self, *, repair: bool = False) -> None:
        self._repair = repair
        self.tasks = 0
        self.entries = 0

    async def findings(self) -> AsyncIterator[Finding]:
        """Each thing that is wrong, as it is found."""
        async for collection, about, says in find_structure_errors():
            yield Finding(collection, about, says)
        for document in DOCUMENTS:
            if document is not Task:
                async for finding in _wrong_documents(document):
                    yield finding
        async for user_id in iterate_owner_ids(Task):
            for finding in await self._wrong_tasks(user_id):
                yield finding

    async def _wrong_tasks(self, user_id: Any) -> list[Finding]:
        """What is wrong with the tasks of a user.

        Each task is judged by one read of it. What takes several reads may have changed between them:
        then all is read again in one transaction, as of one instant.
        """
        look = await _look_at(user_id)
        if look.doubtful:
            look = await retry_on_conflict(lambda: Task.run_in_transaction(lambda: _look_at(user_id)))
        self.tasks += look.tasks
        self.entries += look.entries
        mendable = {wrong.task_id for wrong in look.found if wrong.mendable} if self._repair else set()
        mended = {task_id for task_id in mendable if await _mend(user_id, task_id)}
        return [
            Finding("tasks", format_value(wrong.task_id), wrong.says, mended=wrong.mendable and wrong.task_id in mended)
            for wrong in look.found
        ]


@dataclass(frozen=True, slots=True)
class _Wrong:
    """One thing that is wrong with a task; `mendable` when it follows from the rest of what is stored."""

    task_id: Any
    says: str
    mendable: bool = False


@dataclass(slots=True)
class _Look:
    """The tasks of a user as they were read; `doubtful` when what is wrong took more than one read to see."""

    tasks: int = 0
    entries: int = 0
    found: list[_Wrong] = field(default_factory=list)
    doubtful: bool = False


async def _look_at(user_id: Any) -> _Look:
    look = _Look()
    between = await _Between.of(user_id)
    async for task in iterate_rows(Task, {"user_id": user_id}):
        alone, several = list(_wrong_alone(task)), list(between.wrong_with(task))
        look.tasks += 1
        look.entries += len(entry_ids(task))
        look.found += alone + several
        look.doubtful = look.doubtful or bool(several)
    return look


def _wrong_alone(task: Row) -> Iterator[_Wrong]:
    task_id, verdict = task["_id"], check_task(task)
    yield from (_Wrong(task_id, says) for says in verdict.schema_errors + verdict.inconsistencies)
    for name, value in verdict.counters.items():
        stands = format_value(task[name]) if name in task else "missing"
        yield _Wrong(task_id, f"{name} is {stands}, its entries say {format_value(value)}", mendable=True)


class _Between:
    """What must be so between a user's tasks and everything else. It is told of them one after the other."""

    def __init__(
        self, user_id: Any, *, is_known: bool, projects: set[Any], deleted: set[Any], imports: set[Any]
    ) -> None:
        self._user_id = user_id
        self._is_known = is_known
        self._projects = projects
        self._imports = imports
        self._holders = dict.fromkeys(deleted, "deleted_entries")
        self._running: str | None = None

    @classmethod
    async def of(cls, user_id: Any) -> Self:
        """What stands beside the tasks of this user."""
        mine = {"user_id": user_id}
        return cls(
            user_id,
            is_known=await User.find_by_id(user_id) is not None,
            projects={row["_id"] async for row in iterate_rows(Project, mine)},
            deleted={row["_id"] async for row in iterate_rows(DeletedEntry, mine)},
            imports={row["_id"] async for row in iterate_rows(ImportBatch, mine)},
        )

    def wrong_with(self, task: Row) -> Iterator[_Wrong]:
        """What does not go with the tasks before it, or with the rest."""
        task_id, about = task["_id"], format_value(task["_id"])
        if not self._is_known:
            yield _Wrong(task_id, f"its user {format_value(self._user_id)} does not exist")
        project_id = task.get("project_id")
        if isinstance(project_id, ObjectId) and project_id not in self._projects:
            yield _Wrong(task_id, f"project_id is {project_id}, which is no project of its user", mendable=True)
        for import_id in import_ids(task) - self._imports:
            yield _Wrong(task_id, f"import_id {import_id} is no import of its user")
        if "active" in task:
            if self._running is not None:
                yield _Wrong(task_id, f"its timer runs, and so does that of {self._running}")
            self._running = about
        for entry_id in entry_ids(task):
            holder = self._holders.get(entry_id)
            if holder is not None:
                yield _Wrong(task_id, f"its entry {entry_id} is in {holder} too")
            self._holders[entry_id] = about


async def _mend(user_id: Any, task_id: Any) -> bool:
    """Whether the task is now as its entries and projects say, by a change of exactly the version that was read."""

    async def attempt() -> bool | None:
        mine = {"user_id": user_id}
        for task in [task async for task in iterate_rows(Task, {"_id": task_id, **mine})]:
            verdict, project_id = check_task(task), task.get("project_id")
            if verdict.schema_errors:
                return False  # the database would refuse the change
            fields = dict(verdict.counters)
            if project_id and not [project async for project in iterate_rows(Project, {"_id": project_id, **mine})]:
                fields["project_id"] = None
            if fields and await Task.update_at_version(task, fields) is None:
                return None
        return True

    return await retry_on_conflict(attempt)


async def _wrong_documents(document: type[StoredDocument]) -> AsyncIterator[Finding]:
    """What is wrong with the documents of a collection, each by itself, and those of a user who does not exist."""
    name, schema = document.get_collection_name(), schema_of(document)
    async for row in iterate_rows(document):
        wrong = [f"{violation.path} {violation.message}" for violation in schema_violations(schema, row)]
        for says in wrong or _contradictions(document, row):
            yield Finding(name, format_value(row["_id"]), says)
    if "user_id" in document.model_fields:
        async for user_id in iterate_owner_ids(document):
            if await User.find_by_id(user_id) is None:
                async for row in iterate_rows(document, {"user_id": user_id}):
                    yield Finding(name, format_value(row["_id"]), f"its user {format_value(user_id)} does not exist")


def _contradictions(document: type[StoredDocument], row: Row) -> Iterator[str]:
    if document is User and row["email_key"] != email_key(row["email"]):
        yield "email_key is not that of its email"
    if document is DeletedEntry and row["entry"]["id"] != row["_id"]:
        yield f"entry.id is {row['entry']['id']}, not the id of the document"
