"""An account with many tasks, entries and projects: a view sends few requests and creates few elements."""

from collections import Counter
from datetime import timedelta

import pytest
from bson import ObjectId
from playwright.async_api import Page, Request, expect

from tests.conftest import Database
from tests.page.conftest import Visit
from tests.support.http import API, Client, Json
from tests.support.stored_documents import NINE, ended_entry, project_row, task_row, tracked

TASKS, PROJECTS = 240, 220
BATCH_SIZE = 50
BUSY_TASKS, BUSY_ENTRIES, DAYS = 23, 60, 7
"""The tasks of one busy week, and the entries of each: together more than six pages.

Two tasks each have the same starts, so that a page ends between two entries of one instant.
"""

MONDAY = NINE - timedelta(days=2)
MINUTES = 5
DAY, WEDNESDAY = "2026-11-18", "Wednesday 18 November"
OCTOBER = "#/reports?range=custom&from=2026-10-01&to=2026-10-31&group_by=task"


class Requests:
    """Counts the requests that a page sends to the API."""

    def __init__(self, page: Page) -> None:
        self.paths: Counter[str] = Counter()
        self.most_at_once = 0
        self._pending: set[Request] = set()
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)

    def _begin(self, request: Request) -> None:
        path = request.url.partition("?")[0].partition(f"{API}/")[2]
        if path in {"", "events"}:
            return
        self.paths[path] += 1
        self._pending.add(request)
        self.most_at_once = max(self.most_at_once, len(self._pending))

    def _end(self, request: Request) -> None:
        self._pending.discard(request)


def tasks_of(user_id: ObjectId, project_ids: list[ObjectId]) -> list[Json]:
    """Return the tasks: some with many entries in one week, the others with one entry in the month before."""
    tasks = []
    for number in range(TASKS):
        if number < BUSY_TASKS:
            starts = [
                MONDAY + timedelta(days=place % DAYS, minutes=number // 2 + 7 * place) for place in range(BUSY_ENTRIES)
            ]
        else:
            starts = [NINE - timedelta(days=30, minutes=number)]
        entries = [ended_entry(at=start, minutes=MINUTES) for start in starts]
        fields = {"title": f"Task {number}", "project_id": project_ids[number % PROJECTS]}
        tasks.append(task_row(user_id, **tracked(*entries), **fields, created_at=NINE + timedelta(seconds=number)))
    return tasks


@pytest.fixture
async def requests(api: Client, database: Database, page: Page) -> Requests:
    """The requests of the page, in an account with many tasks, entries and projects."""
    user_id = api.user["_id"]
    projects = [project_row(user_id, name=f"Project {number:03}") for number in range(PROJECTS)]
    tasks = tasks_of(user_id, [project["_id"] for project in projects])
    for collection, rows in ((database.projects, projects), (database.tasks, tasks)):
        for first in range(0, len(rows), BATCH_SIZE):
            # Validation takes half of the time.
            await collection.insert_many(rows[first : first + BATCH_SIZE], bypass_document_validation=True)
    return Requests(page)


class TestLargeAccount:
    async def test_each_list_is_loaded_by_pages_and_shows_some_rows(
        self, page: Page, visit: Visit, requests: Requests
    ) -> None:
        await visit("#/tasks")
        rows = page.get_by_role("list", name="Tasks", exact=True).get_by_role("listitem")
        await expect(rows.first).to_contain_text(f"Task {TASKS - 1}")
        assert await rows.count() < 80
        assert requests.paths["tasks"] == 1
        assert not [path for path in requests.paths if path.startswith("tasks/")]

        await page.get_by_role("combobox", name="What are you working on?").fill("Task 15")
        await expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(11)  # ten tasks, and the new one
        assert requests.paths["tasks"] == 2

        await visit("#/projects")
        await expect(page.get_by_role("button", name=f"Edit Project {PROJECTS - 1:03}")).to_be_visible()
        assert requests.paths["projects"] == 3  # two pages of projects, one of archived ones
        assert requests.paths["reports/summary"] == 1

        await visit(f"#/timesheet/{DAY}")
        await expect(page.get_by_role("table", name="Timesheet").get_by_role("row")).to_have_count(BUSY_TASKS + 2)
        assert requests.paths["reports/timesheet"] == 1

        await visit(OCTOBER)
        table = page.get_by_role("table", name="By Task", exact=True)
        await expect(table.get_by_role("row")).to_have_count(100 + 2)
        assert requests.paths["reports/summaries"] == 1

    async def test_busy_week_is_loaded_in_parts_and_shows_each_entry_once(
        self, page: Page, visit: Visit, requests: Requests
    ) -> None:
        await visit(f"#/week/{DAY}")
        total = sum(place % DAYS == 2 for place in range(BUSY_ENTRIES)) * BUSY_TASKS * MINUTES
        column = page.get_by_role("region", name=WEDNESDAY)
        await expect(column).to_have_accessible_name(f"{WEDNESDAY}, {total // 60}:{total % 60:02}")
        whole = BUSY_TASKS * BUSY_ENTRIES * MINUTES
        await expect(page.get_by_text(f"{whole // 60}:{whole % 60:02}")).to_be_visible()
        assert BUSY_TASKS * BUSY_ENTRIES // 200 <= requests.paths["time-entries"] <= 12
        assert requests.most_at_once <= 4 + 2  # the entries, the projects and the timer
        assert await column.get_by_role("listitem").count() < BUSY_TASKS * BUSY_ENTRIES / DAYS

        requests.paths.clear()
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today")).to_be_visible()
        assert requests.paths["time-entries"] <= 3
