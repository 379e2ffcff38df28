"""The view of tasks: changes in place and by the dialog, the trash, many tasks at once, and changes of others."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, hold, overflow
from tests.page.conftest import Visit
from tests.support.http import API, Client

HOSTILE_TITLES = ["<img src=x onerror=alert(1)>", "\u05e9\u05dc\u05d5\u05dd {title}", "x" * 200]
STALE = r"Failed to load resource: .* 412 .*/tasks/"


def row(page: Page, title: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("checkbox", name=f"Select {title}", exact=True))


async def create(api: Client, title: str, **fields: Any) -> dict[str, Any]:
    response = await api.post("/tasks", json={"title": title, **fields})
    assert response.status_code == 201, response.text
    task: dict[str, Any] = response.json()
    return task


async def stored(api: Client, task: dict[str, Any]) -> dict[str, Any]:
    current: dict[str, Any] = (await api.get(f"/tasks/{task['id']}")).json()
    return current


class TestKeyboard:
    async def test_task_is_created_edited_completed_trashed_and_restored(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/tasks")
        await page.get_by_role("button", name="New task").first.press("Enter")
        await expect(page.get_by_label("Title", exact=True)).to_be_focused()
        await page.keyboard.type("Write the offer")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()  # the event may list the task before the answer
        await page.get_by_role("button", name="Edit Write the offer").press("Enter")
        await page.get_by_label("Description", exact=True).fill("For Ada")
        await page.get_by_label("Estimate", exact=True).fill("1,5")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_label("Estimate of Write the offer")).to_have_value("1:30")

        await page.get_by_role("button", name="Move Write the offer to the trash").press("Enter")
        await expect(row(page, "Write the offer")).to_be_hidden()
        await expect(page.get_by_role("heading", name="Tasks", exact=True)).to_be_focused()
        await page.get_by_role("button", name="Undo").press("Enter")
        await page.get_by_label("Status of Write the offer").focus()
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await page.keyboard.type("Completed")
        await expect(row(page, "Write the offer")).to_be_hidden()

        (task,) = (await api.get("/tasks")).json()["items"]
        fields = (task["status"], task["description"], task["estimate_seconds"])
        assert fields == ("completed", "For Ada", 5400)

    async def test_trashed_task_is_restored_from_the_trash(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create(api, "Old")
        await api.delete(f"/tasks/{task['id']}")
        await visit("#/tasks")
        await page.get_by_role("link", name="Trash").press("Enter")
        await page.get_by_role("button", name="Restore Old").press("Enter")
        await expect(page.get_by_text("“Old” restored")).to_be_visible()
        await expect(page.get_by_text("The trash is empty.")).to_be_visible()
        await page.get_by_role("link", name="Back to the tasks").press("Enter")
        await expect(row(page, "Old")).to_be_visible()
        assert (await stored(api, task))["deleted_at"] is None


class TestDialog:
    async def test_refused_values_are_explained_at_their_fields(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"422 .*/tasks")
        project = await api.make_project(name="Website")
        await visit(f"#/tasks?project={project['id']}")
        await page.get_by_role("button", name="New task").first.click()
        dialog = page.get_by_role("dialog", name="New task")
        tags, save = dialog.get_by_label("Tags"), dialog.get_by_role("button", name="Save")
        await dialog.get_by_label("Title").fill("Write the offer")
        await tags.fill("sales, " + "x" * 51)
        await save.click()
        await expect(tags).to_be_focused()
        await expect(tags).to_have_accessible_description(re.compile("50 characters"))
        await expect(tags).to_have_value("sales, " + "x" * 51)
        await tags.fill("sales")
        await api.delete(f"/projects/{project['id']}")
        await save.click()
        await expect(dialog.get_by_label("Project")).to_have_attribute("aria-invalid", "true")
        await expect(tags).to_have_attribute("aria-invalid", "false")
        await dialog.get_by_label("Project").select_option("No project")
        await save.click()
        await expect(dialog).to_be_hidden()
        (task,) = (await api.get("/tasks")).json()["items"]
        assert (task["title"], task["tags"], task["project_id"]) == ("Write the offer", ["sales"], None)

    async def test_new_task_has_the_filtered_project_also_if_projects_are_slow(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        project = await api.make_project(name="Website")
        projects = await hold(page, "GET", "projects")
        await visit(f"#/tasks?project={project['id']}")
        await projects.until(1)
        await page.get_by_role("button", name="New task").first.click()
        projects.release()
        dialog = page.get_by_role("dialog", name="New task")
        await expect(dialog.get_by_label("Project")).to_have_value(project["id"])


class TestChangeInPlace:
    async def test_fields_are_stored_and_refused_text_stays(self, page: Page, visit: Visit, api: Client) -> None:
        project = (await api.post("/projects", json={"name": "Website"})).json()
        task = await create(api, "Plan")
        await visit("#/tasks")
        await page.get_by_label("Project of Plan").focus()
        await page.get_by_label("Project of Plan").select_option("Website")
        await page.get_by_label("Priority of Plan").select_option("P2")
        await page.get_by_role("button", name=re.compile("Due date of Plan")).click()
        await page.get_by_label("Due date of Plan", exact=True).fill("2030-02-03")
        await expect(page.get_by_role("button", name=re.compile("Due date of Plan: 3 Feb 2030"))).to_be_focused()
        estimate = page.get_by_label("Estimate of Plan")
        await estimate.fill("soon")
        await estimate.press("Enter")
        await expect(estimate).to_have_attribute("aria-invalid", "true")
        await expect(estimate).to_have_value("soon")
        await estimate.press("Escape")
        await estimate.fill("90m")
        async with page.expect_response(lambda response: "estimate" in (response.request.post_data or "")):
            await estimate.press("Enter")
        await expect(estimate).to_have_value("1:30")
        await page.reload()
        await expect(page.get_by_label("Estimate of Plan")).to_have_value("1:30")
        task = await stored(api, task)
        assert (task["project_id"], task["priority"], task["due_at"]) == (project["id"], 2, "2030-02-03T23:59:00Z")

    async def test_typed_estimate_stays_when_another_device_changes_it(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        task = await create(api, "Plan", estimate_seconds=3600)
        await visit("#/tasks")
        estimate = page.get_by_label("Estimate of Plan")
        await estimate.fill("2")
        await api.patch(f"/tasks/{task['id']}", json={"title": "Plan B", "estimate_seconds": 7200 * 2})
        estimate = page.get_by_label("Estimate of Plan B")
        await expect(estimate).to_have_value("2")
        await estimate.press("Enter")
        await expect(estimate).to_have_value("2:00")

    async def test_timer_of_a_task_starts_and_stops(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create(api, "Plan")
        await visit("#/tasks")
        await page.get_by_role("button", name="Start Plan").click()
        async with page.expect_response("**/timer/stop"):
            await page.get_by_role("button", name="Stop Plan").click()
        await expect(page.get_by_role("button", name="Start Plan")).to_be_visible()
        assert (await stored(api, task))["entry_count"] == 1


class TestSimultaneousChange:
    async def test_other_fields_are_merged(self, page: Page, visit: Visit, api: Client, console: Console) -> None:
        console.allow(STALE)
        task = await create(api, "Plan")
        await visit("#/tasks")
        await page.get_by_role("button", name="Edit Plan").click()
        await page.get_by_label("Description", exact=True).fill("mine")
        await api.patch(f"/tasks/{task['id']}", json={"priority": 3})
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        task = await stored(api, task)
        assert (task["description"], task["priority"]) == ("mine", 3)

    async def test_same_field_is_decided_by_the_person(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(STALE)
        task = await create(api, "Plan")
        await visit("#/tasks")
        await page.get_by_role("button", name="Edit Plan").click()
        await page.get_by_label("Title", exact=True).fill("My title")
        await page.get_by_label("Description", exact=True).fill("My text")
        await api.patch(f"/tasks/{task['id']}", json={"title": "Their title", "description": "Their text"})
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog").get_by_text("Their title")).to_be_visible()
        await expect(page.get_by_label("Title", exact=True)).to_have_value("My title")
        await page.get_by_role("button", name="Use this value: Description").click()
        await expect(page.get_by_label("Description", exact=True)).to_have_value("Their text")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        task = await stored(api, task)
        assert (task["title"], task["description"]) == ("My title", "Their text")


class TestSlowService:
    """A person goes on before the answers arrive."""

    async def test_search_and_new_selection_stay_when_selected_tasks_have_been_changed(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        for title in ("Mail", "Plan", "Read"):
            await create(api, title)
        await visit("#/tasks")
        await page.get_by_label("Select Plan").check()
        await page.get_by_role("combobox", name="Set status").select_option("In progress")
        held = await hold(page, "POST", "tasks/bulk")
        await page.get_by_role("button", name="Apply: Set status").click()
        await held.until(1)
        await page.get_by_label("Select Read").check()
        search = page.get_by_role("searchbox", name="Search tasks")
        await search.focus()
        held.release()
        await expect(page.get_by_text("1 selected")).to_be_visible()
        await expect(search).to_be_focused()
        await expect(page.get_by_label("Select Read")).to_be_checked()
        await expect(page.get_by_label("Status of Plan")).to_have_value("in_progress")

    async def test_dialog_is_stored_once_and_takes_no_text_that_would_be_lost(self, page: Page, visit: Visit) -> None:
        await visit("#/tasks")
        await page.get_by_role("button", name="New task").first.click()
        held = await hold(page, "POST", "tasks")
        await page.keyboard.type("Plan")
        await page.keyboard.press("Enter")
        await held.until(1)
        await page.keyboard.type(" B")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Title", exact=True)).to_have_value("Plan")
        held.release()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(row(page, "Plan")).to_be_visible()
        assert held.count == 1

    async def test_refusal_is_shown_after_the_dialog_is_closed(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"404 .*/tasks/")
        task = await create(api, "Plan")
        await visit("#/tasks")
        await page.get_by_role("button", name="Edit Plan").click()
        held = await hold(page, "PATCH", "tasks")
        await page.get_by_label("Title", exact=True).fill("Plan B")
        await page.keyboard.press("Enter")
        await held.until(1)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await api.delete(f"/tasks/{task['id']}")
        held.release()
        await expect(page.locator(".notice.is-error")).to_be_visible()

    async def test_the_last_of_two_dialogs_that_are_asked_for_opens(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create(api, "Plan")
        await create(api, "Read")
        await visit("#/tasks")
        held = await hold(page, "GET", "tasks/")
        await page.get_by_role("button", name="Edit Plan").click()
        await page.get_by_role("button", name="Edit Read").click()
        await held.until(2)
        held.release()
        await expect(page.get_by_label("Title", exact=True)).to_have_value("Read")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)

    async def test_task_is_opened_although_its_deletion_waits(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"net::ERR_FAILED", r"404 .*/tasks/")  # at the end of the test the deletion is sent
        task = await create(api, "Plan")
        await visit("#/tasks")
        held = await hold(page, "GET", f"tasks/{task['id']}")

        async def refuse_deletion(route: Route) -> None:
            await (route.abort() if route.request.method == "DELETE" else route.fallback())

        await page.route(re.compile(f"{API}/tasks/"), refuse_deletion)
        await page.get_by_role("button", name="Edit Plan").click()
        await held.until(1)
        await page.get_by_role("button", name="Move Plan to the trash").click()
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        held.release()
        await expect(page.get_by_role("dialog", name="Edit task").get_by_label("Title")).to_have_value("Plan")

    async def test_next_page_waits_for_a_list_that_is_loaded_again(self, page: Page, visit: Visit, api: Client) -> None:
        for first in (0, 100):
            bodies = [{"title": f"Task {number:03}"} for number in range(first, first + 100)]
            operations = [{"op": "create", "body": body} for body in bodies]
            assert (await api.post("/tasks/bulk", json={"operations": operations})).status_code == 200
        await visit("#/tasks")
        await expect(row(page, "Task 199")).to_be_visible()
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        held = await hold(page, "GET", "tasks")
        await page.get_by_label("Sort").select_option("By title")
        await held.until(1)
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert not [url for url in urls if "cursor=" in url]
        held.release()
        while not await row(page, "Task 199").count():
            await page.keyboard.press("End")
        await expect(row(page, "Task 199")).to_be_visible()

    async def test_changes_that_come_faster_than_answers_are_shown(self, page: Page, visit: Visit, api: Client) -> None:
        async def answer_late(route: Route) -> None:
            await asyncio.sleep(1)
            await route.fallback()

        busy = await create(api, "Busy")
        await visit("#/tasks")
        await expect(row(page, "Busy")).to_be_visible()
        await page.route(re.compile(f"{API}/tasks\\?"), answer_late)
        await create(api, "Write the offer")
        for number in range(100):
            assert (await api.patch(f"/tasks/{busy['id']}", json={"priority": number % 5})).is_success
            if await row(page, "Write the offer").is_visible():
                return
            await asyncio.sleep(0.2)
        pytest.fail("the list is never shown")


class TestManyTasks:
    async def test_project_for_selected_tasks_stays_chosen_when_another_is_created(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        project = await api.make_project(name="Website")
        await create(api, "Plan")
        await visit("#/tasks")
        await page.get_by_label("Select Plan").check()
        choice = page.get_by_role("combobox", name="Set project")
        await choice.select_option("Website")
        await api.make_project(name="Shop")
        await expect(choice.get_by_role("option", name="Shop")).to_be_attached()
        await page.get_by_role("button", name="Apply: Set project").click()
        await expect(page.get_by_text("1 task changed")).to_be_visible()
        assert [task["project_id"] for task in (await api.list())["items"]] == [project["id"]]

    async def test_selected_tasks_are_changed_and_trashed_together(self, page: Page, visit: Visit, api: Client) -> None:
        for number in range(3):
            await create(api, f"Task {number}")
        await visit("#/tasks?status=any")
        await expect(row(page, "Task 2")).to_be_visible()
        await page.get_by_label("Select all").check()
        await page.get_by_label("Set status", exact=True).select_option("Completed")
        await page.get_by_role("button", name="Apply: Set status").click()
        await expect(page.get_by_text("3 tasks changed")).to_be_visible()
        assert {task["status"] for task in (await api.get("/tasks")).json()["items"]} == {"completed"}
        await page.get_by_label("Select Task 1").check()
        await page.get_by_label("Select Task 2").check()
        await page.get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("2 tasks are in the trash")).to_be_visible()
        await expect(row(page, "Task 1")).to_be_hidden()
        assert len((await api.get("/tasks")).json()["items"]) == 1
        await page.get_by_role("button", name="Undo").last.click()
        await expect(row(page, "Task 2")).to_be_visible()

    async def test_long_list_creates_few_rows_and_shows_all_of_them(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        for first in range(0, 250, 50):
            operations = [{"op": "create", "body": {"title": f"Task {first + number}"}} for number in range(50)]
            assert (await api.post("/tasks/bulk", json={"operations": operations})).status_code == 200
        await visit("#/tasks")
        await expect(row(page, "Task 249")).to_be_visible()
        oldest = row(page, "Task 0")
        while not await oldest.count():
            await page.keyboard.press("End")
            assert await page.get_by_role("list", name="Tasks").get_by_role("listitem").count() < 80
        await expect(oldest).to_be_visible()
        await page.get_by_role("searchbox", name="Search tasks").fill("Task 24")
        await expect(page.get_by_role("list", name="Tasks").get_by_role("listitem")).to_have_count(11)


class TestPresentation:
    @pytest.mark.parametrize("context_options", [{}, NARROW], ids=["wide", "narrow"])
    async def test_hostile_titles_are_text_and_nothing_overflows(self, page: Page, visit: Visit, api: Client) -> None:
        for title in HOSTILE_TITLES:
            await create(api, title, tags=["<b>tag</b>"], estimate_seconds=3600)
        await visit("#/tasks")
        for title in HOSTILE_TITLES:
            await expect(page.get_by_role("button", name=f"Edit {title}", exact=True)).to_be_visible()
        assert await accessibility_violations(page) == []
        assert await overflow(page) <= 0
        await page.get_by_role("button", name=f"Edit {HOSTILE_TITLES[0]}").click()
        await expect(page.get_by_label("Title", exact=True)).to_have_value(HOSTILE_TITLES[0])
        assert await accessibility_violations(page, themes=["light"]) == []

    @pytest.mark.parametrize("context_options", [GERMAN], ids=["german"])
    async def test_is_in_german(self, page: Page, visit: Visit, api: Client) -> None:
        await create(api, "Angebot", due_at="2026-03-04T10:00:00Z")
        await visit("#/tasks")
        await expect(page.get_by_role("heading", name="Aufgaben", exact=True)).to_be_visible()
        due = page.get_by_role("button", name=re.compile("Fälligkeit von Angebot"))
        await expect(due).to_contain_text("4. März 2026")
