"""What a user has already, as an import goes by it."""

from collections.abc import Callable, Mapping

from bson import ObjectId

from documents.common.base import Row
from documents.transfer.import_queries import deleted_entries_of, entries_of, projects_of, tasks_of
from services.transfer.imports.matching import KnownEntries
from services.transfer.imports.plan import Known, Place

Take = Callable[[dict[ObjectId, Row], list[Row]], None]
"""Told of some entries, and of all tasks by their id."""


async def known_to(user_id: ObjectId, wanted: Mapping[ObjectId, str], import_id: ObjectId | None = None) -> Known:
    """The user's projects, tasks and entries, as they stand and as they were imported.

    An entry that was changed since its import is known as it was imported; so is one that is in the
    trash, or was deleted and can come back. `wanted` are the entry ids of the file, by those that the
    entries can have here; `import_id` tells which are an earlier try's of this very import.
    """
    known = Known()

    def take(_: dict[ObjectId, Row], entries: list[Row]) -> None:
        for entry in entries:
            _know_entry(known.entries, entry, wanted, import_id)

    tasks = await every_entry(user_id, take)
    _know_projects(known, await projects_of(user_id))
    for task in tasks:
        if task["deleted_at"] is None:
            _know_task(known, task)
    return known


def _know_entry(known: KnownEntries, entry: Row, wanted: Mapping[ObjectId, str], import_id: ObjectId | None) -> None:
    if entry["id"] in wanted:
        known.ids.add(wanted[entry["id"]])
    if "import_key" in entry:
        made = known.own if import_id is not None and entry.get("import_id") == import_id else known.made
        made[entry["id"]] = entry["import_key"]


def _know_projects(known: Known, projects: list[Row]) -> None:
    for project in projects:
        if "import_name" in project:
            known.projects.setdefault(project["import_name"], project["_id"])
    for project in projects:
        known.projects.setdefault(project["name"], project["_id"])


def _know_task(known: Known, task: Row) -> None:
    found_as = (task["project_id"], task["title"])
    place = Place(task["_id"], found_as=found_as, taken=task["entry_count"], size=task["bytes"])
    if "import_name" in task:
        place.found_as = None
        known.imported.setdefault((task["import_name"]["project"], task["import_name"]["title"]), place)
    known.named.setdefault(found_as, place)


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
