"""What of an account file is in the account already, and the ids that the rest gets there."""

from dataclasses import dataclass, field

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import Task
from documents.transfer.import_queries import projects_of
from services.transfer.imports.existing import every_entry
from services.transfer.imports.identity import derived_id


@dataclass(slots=True)
class KnownAccount:
    """The ids of all that the user has, the projects by name, too; `own` are entries of this very import."""

    user_id: ObjectId
    projects: dict[str, ObjectId] = field(default_factory=dict)
    tasks: set[ObjectId] = field(default_factory=set)
    entries: set[ObjectId] = field(default_factory=set)
    own: set[ObjectId] = field(default_factory=set)
    foreign: bool = False
    """Whether there is anything that this import has not made."""

    def new_id(self, old: str) -> ObjectId:
        """The id of a thing of the file: its own where it comes from this account, else one that derives from it."""
        same = ObjectId(old)
        if same in self.tasks or same in self.entries or same in self.projects.values():
            return same
        return derived_id(self.user_id, old)


async def known_account(user_id: ObjectId, import_id: ObjectId | None = None) -> KnownAccount:
    """What this user has, the trash and deleted entries included."""
    known = KnownAccount(user_id)

    def take(_: dict[ObjectId, Row], entries: list[Row]) -> None:
        for entry in entries:
            known.entries.add(entry["id"])
            if import_id is not None and entry.get("import_id") == import_id:
                known.own.add(entry["id"])

    things = await every_entry(user_id, take)
    known.tasks = {task["_id"] for task in things}
    for project in await projects_of(user_id):
        known.projects[project["name"]] = project["_id"]
        things.append(project)
    known.foreign = any(import_id is None or thing.get("import_id") != import_id for thing in things)
    running = await Task.find_running(user_id)
    if running is not None:
        known.entries.add(running["active"]["id"])
    return known
