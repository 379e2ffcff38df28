"""What a user has already, as an import goes by it."""

from collections.abc import Callable

from bson import ObjectId

from documents.base import Row
from documents.imported import deleted_entries_of, entries_of, projects_of, tasks_of
from services.import_plans import Known, Name, Place, import_key

Take = Callable[[dict[ObjectId, Row], list[Row]], None]
"""Told of some entries, and of all tasks by their id."""


async def known_to(user_id: ObjectId, import_id: ObjectId | None = None) -> Known:
    """The user's projects, tasks and entries, as they stand and as they were imported.

    An entry that was changed since its import is known by both; so is one that is in the trash, or
    was deleted and can come back. `import_id` tells which are an earlier try's of this very import.
    """
    names = {project["_id"]: project["name"] for project in await projects_of(user_id)}
    known = Known(projects={name: project_id for project_id, name in names.items()})

    def take(tasks: dict[ObjectId, Row], entries: list[Row]) -> None:
        for entry in entries:
            _know_as_imported(known, entry, import_id)
            if entry["task_id"] in tasks:
                name = _name(tasks[entry["task_id"]], names)
                known.keys.add(import_key(user_id, name, entry["started_at"], entry["ended_at"], entry["note"]))

    for task in await every_entry(user_id, take):
        if task["deleted_at"] is None:
            name = _name(task, names)
            known.tasks.setdefault(name, Place(*name, task_id=task["_id"], taken=task["entry_count"], new=False))
    return known


def _know_as_imported(known: Known, entry: Row, import_id: ObjectId | None) -> None:
    if import_id is not None and entry.get("import_id") == import_id:
        known.own.add(entry["import_key"])
    elif "import_key" in entry:
        known.keys.add(entry["import_key"])


def _name(task: Row, projects: dict[ObjectId, str]) -> Name:
    return projects.get(task["project_id"]), task["title"]


async def every_entry(user_id: ObjectId, take: Take) -> list[Row]:
    """The user's tasks, once `take` was told of every entry, wherever it was while they were read.

    An entry may be moved to a task that has been read already, or be restored: then its task is of
    another version, and is read again.
    """
    seen: dict[ObjectId, int] | None = None
    while True:
        tasks = {task["_id"]: task for task in await tasks_of(user_id)}
        versions = {task_id: task["version"] for task_id, task in tasks.items()}
        if seen == versions:
            return list(tasks.values())
        changed = [task for task_id, task in tasks.items() if (seen or {}).get(task_id) != task["version"]]
        async for entries in entries_of(user_id, changed):
            take(tasks, entries)
        async for entries in deleted_entries_of(user_id):
            take(tasks, entries)
        seen = versions
