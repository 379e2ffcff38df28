"""What a user has already, as an import goes by it."""

from bson import ObjectId

from documents.imported import entries_of, projects_of, tasks_of
from services.import_plans import Known, Name, Place, import_key


async def known_to(user_id: ObjectId, import_id: ObjectId | None = None) -> Known:
    """The user's projects, tasks and entries, as they stand and as they were imported.

    An entry that was changed since its import is known by both; so is one that is in the trash, or
    was deleted and can come back. `import_id` tells which are an earlier try's of this very import.
    """
    names = {project["_id"]: project["name"] for project in await projects_of(user_id)}
    known = Known(projects={name: project_id for project_id, name in names.items()})
    tasks: dict[ObjectId, Name] = {}
    for task in await tasks_of(user_id):
        name = tasks[task["_id"]] = (names.get(task["project_id"]), task["title"])
        if task["deleted_at"] is None:
            known.tasks.setdefault(name, Place(*name, task_id=task["_id"], taken=task["entry_count"], new=False))
    async for entries in entries_of(user_id):
        for entry in entries:
            if import_id is not None and entry.get("import_id") == import_id:
                known.own.add(entry["import_key"])
            elif "import_key" in entry:
                known.keys.add(entry["import_key"])
            if entry["task_id"] in tasks:
                name = tasks[entry["task_id"]]
                known.keys.add(import_key(user_id, name, entry["started_at"], entry["ended_at"], entry["note"]))
    return known
