"""Loading the ids of an account's data, and deriving the ids of items of an account file."""

from dataclasses import dataclass, field

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import Task
from documents.transfer.import_queries import find_projects
from services.transfer.imports.existing import visit_entries
from services.transfer.imports.identity import derived_id


@dataclass(slots=True)
class ExistingAccount:
    """The ids of all data of a user.

    Attributes:
        projects: By name.
        own: The entries that an earlier attempt of the current import has written.
        has_other_data: Whether the account has anything that the current import has not written.
    """

    user_id: ObjectId
    projects: dict[str, ObjectId] = field(default_factory=dict)
    tasks: set[ObjectId] = field(default_factory=set)
    entries: set[ObjectId] = field(default_factory=set)
    own: set[ObjectId] = field(default_factory=set)
    has_other_data: bool = False

    def new_id(self, file_id: str) -> ObjectId:
        """Return the id of an item of the file: the same if this account has it, otherwise one derived from it."""
        item_id = ObjectId(file_id)
        if item_id in self.tasks or item_id in self.entries or item_id in self.projects.values():
            return item_id
        return derived_id(self.user_id, file_id)


async def load_existing_account(user_id: ObjectId, import_id: ObjectId | None = None) -> ExistingAccount:
    """Return the ids of the user's data, including the trash and deleted entries."""
    account = ExistingAccount(user_id)

    def add(entries: list[Row]) -> None:
        for entry in entries:
            account.entries.add(entry["id"])
            if import_id is not None and entry.get("import_id") == import_id:
                account.own.add(entry["id"])

    items = await visit_entries(user_id, add)
    account.tasks = {task["_id"] for task in items}
    for project in await find_projects(user_id):
        account.projects[project["name"]] = project["_id"]
        items.append(project)
    account.has_other_data = any(import_id is None or item.get("import_id") != import_id for item in items)
    running = await Task.find_running(user_id)
    if running is not None:
        account.entries.add(running["active"]["id"])
    return account
