"""Tasks as they are stored, with the entries of their pages."""

from dataclasses import dataclass

from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import short_entries, task_row, tracked


@dataclass(frozen=True)
class PagedTask:
    """A stored task and the pages that it lists, in the order of the list."""

    row: Json
    pages: list[Json]

    @property
    def hot(self) -> list[Json]:
        """The entries that are stored in the task itself."""
        entries: list[Json] = self.row["time_entries"]
        return entries

    @property
    def entries(self) -> list[Json]:
        """All ended entries: those of the pages, then the hot ones."""
        return [*(entry for page in self.pages for entry in page["entries"]), *self.hot]

    @property
    def sizes(self) -> tuple[list[int], int]:
        """The number of entries in each page, and the number of hot entries."""
        return [len(page["entries"]) for page in self.pages], len(self.hot)


async def read_tasks(database: Database) -> list[PagedTask]:
    """Return all tasks with their pages. Each page that a task lists must exist, and is listed once."""
    pages = {page["_id"]: page async for page in database.task_pages.find()}
    tasks = [
        PagedTask(row, [pages[page_id] for page_id in row.get("pages") or []]) async for row in database.tasks.find()
    ]
    listed = [page["_id"] for task in tasks for page in task.pages]
    assert len(listed) == len(set(listed)), "a page is listed twice"
    return tasks


async def read_task(database: Database, task: Json) -> PagedTask:
    """Return the task with this id, with its pages."""
    (found,) = [each for each in await read_tasks(database) if str(each.row["_id"]) == task["id"]]
    return found


async def read_entries(database: Database) -> list[Json]:
    """Return all ended entries of all tasks."""
    return [entry for task in await read_tasks(database) for entry in task.entries]


async def insert_task_with_entries(client: Client, database: Database, count: int, **fields: object) -> Json:
    """Insert a task with `count` hot entries of one minute and return its id. The last entry ends at 09:00."""
    row = task_row(client.user["_id"], **(tracked(*short_entries(count)) if count else {})) | fields
    await database.tasks.insert_one(row)
    return {"id": str(row["_id"])}
