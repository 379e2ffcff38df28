"""Loading a user's existing data, against which an import is planned."""

from collections.abc import Callable, Mapping

from bson import ObjectId

from documents.common.base import Row
from documents.transfer.import_queries import find_projects, find_tasks, stream_deleted_entries, stream_entries
from services.common.concurrency import retry_transaction
from services.transfer.imports.matching import ExistingEntries
from services.transfer.imports.plan import Existing, TargetTask

MAX_READ_ROUNDS = 5

Visit = Callable[[list[Row]], None]
"""Called with a batch of entries."""


async def load_existing(
    user_id: ObjectId, entry_ids: Mapping[ObjectId, str], import_id: ObjectId | None = None
) -> Existing:
    """Return the user's projects, tasks and imported entries, under their present and their imported names.

    Entries in the trash and deleted entries that can be restored are included.

    Args:
        entry_ids: The entry ids of the file by the ids that such entries can have in this account.
        import_id: The current import: entries that an earlier attempt has written are `own`.
    """
    existing = Existing()

    def add(entries: list[Row]) -> None:
        for entry in entries:
            _add_entry(existing.entries, entry, entry_ids, import_id)

    tasks = await visit_entries(user_id, add)
    _add_projects(existing, await find_projects(user_id))
    for task in tasks:
        if task["deleted_at"] is None:
            _add_task(existing, task)
    return existing


def _add_entry(
    existing: ExistingEntries, entry: Row, entry_ids: Mapping[ObjectId, str], import_id: ObjectId | None
) -> None:
    if entry["id"] in entry_ids:
        existing.ids.add(entry_ids[entry["id"]])
    if "import_key" in entry:
        is_own = import_id is not None and entry.get("import_id") == import_id
        keys = existing.own if is_own else existing.imported
        keys[entry["id"]] = entry["import_key"]


def _add_projects(existing: Existing, projects: list[Row]) -> None:
    for project in projects:
        if "import_name" in project:
            existing.projects.setdefault(project["import_name"], project["_id"])
    for project in projects:
        existing.projects.setdefault(project["name"], project["_id"])


def _add_task(existing: Existing, task: Row) -> None:
    found_as = (task["project_id"], task["title"])
    target = TargetTask(task["_id"], found_as=found_as)
    if "import_name" in task:
        target.found_as = None
        existing.imported.setdefault((task["import_name"]["project"], task["import_name"]["title"]), target)
    existing.named.setdefault(found_as, target)


async def visit_entries(user_id: ObjectId, visit: Visit) -> list[Row]:
    """Call `visit` with all entries of the user, and return the user's tasks without entries.

    An entry may be moved to a task that was read before, or be restored. That changes the version of the task, so
    tasks of another version are read again until no version changes. If the user's tasks change all the time, the
    last of these rounds is one transaction, in which nothing changes.
    """
    seen: dict[ObjectId, int] = {}
    for _ in range(MAX_READ_ROUNDS):
        tasks, versions = await _visit_changed(user_id, visit, seen)
        if versions == seen:
            return tasks
        seen = versions

    async def read_snapshot() -> list[Row]:
        tasks, _ = await _visit_changed(user_id, visit, seen)
        return tasks

    # Reading all entries can take seconds: other requests of the user do not wait for it.
    return await retry_transaction(("snapshot", user_id), read_snapshot)


async def _visit_changed(
    user_id: ObjectId, visit: Visit, seen: dict[ObjectId, int]
) -> tuple[list[Row], dict[ObjectId, int]]:
    """Visit the entries of the tasks whose versions differ from those in `seen`. Return all tasks and versions."""
    tasks = await find_tasks(user_id)
    versions = {task["_id"]: task["version"] for task in tasks}
    changed = [task for task in tasks if seen.get(task["_id"]) != task["version"]]
    if changed or not seen:
        async for entries in stream_entries(user_id, changed):
            visit(entries)
        async for entries in stream_deleted_entries(user_id):
            visit(entries)
    return tasks, versions
