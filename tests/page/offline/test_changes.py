"""Changes while the service is away: they show at once and wait, or the page says that they are not saved."""

import re

from playwright.async_api import BrowserContext, Page, expect

from tests.page.browsing import IS_LOADED, WITHOUT_SERVICE_WORKER, Console, until_equal
from tests.page.conftest import Visit
from tests.support.http import Client, Json, clock

AWAY = r"Failed to load resource: net::ERR_"
NOT_SAVED = "The service cannot be reached, so nothing was changed. Try again later."
WAITING = re.compile("changes? waiting")


async def visit_loaded(page: Page, fragment: str) -> None:
    """Open a view when all dialogs are loaded, as on plain HTTP."""
    await page.add_init_script(WITHOUT_SERVICE_WORKER)
    await page.goto(f"/{fragment}")
    await page.wait_for_function(IS_LOADED, arg="palette.js")


async def stored(api: Client) -> list[tuple[str, int]]:
    """Return the titles and minutes of all entries, the oldest first."""
    items: list[Json] = (await api.get("/time-entries")).json()["items"]
    return [(entry["task_title"], entry["duration_seconds"] // 60) for entry in reversed(items)]


class TestTimesheet:
    async def test_durations_show_and_are_sent_also_those_of_entries_that_wait(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        await api.write(await api.make_task(title="Offer"), started_at=clock("08:00"))
        await api.write(await api.make_task(title="Support"), started_at=clock("06:00"))
        day = "Wednesday"
        async with page.expect_response(lambda response: "/time-entries?" in response.url):
            await visit("#/timesheet/2026-11-18")
        offer = page.get_by_role("textbox", name=re.compile(f"Offer, {day}"))
        support = page.get_by_role("textbox", name=re.compile(f"Support, {day}"))
        await expect(offer).to_have_value("1:00")
        await context.set_offline(True)
        await offer.fill("1:30")
        await offer.press("Enter")
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await support.fill("")
        await support.press("Enter")
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        await support.fill("2")
        await support.press("Enter")
        await expect(page.get_by_text("3 changes waiting")).to_be_visible()
        await support.fill("45m")
        await support.press("Enter")
        await expect(page.get_by_text("4 changes waiting")).to_be_visible()
        await visit("#/tasks")
        await visit("#/timesheet/2026-11-18")
        await expect(offer).to_have_value("1:30")
        await expect(support).to_have_value("0:45")
        await context.set_offline(False)
        await expect(page.get_by_text(WAITING)).to_be_hidden()
        assert await stored(api) == [("Offer", 60), ("Offer", 30), ("Support", 45)]
        await expect(support).to_have_value("0:45")

    async def test_changes_of_an_entry_whose_creation_is_refused_are_kept(
        self, page: Page, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY, r"Failed to load resource: .* 404 .*/time-entries")
        task = await api.make_task(title="Offer")
        entry = await api.write(task)
        await api.write(await api.make_task(title="Support"), started_at=clock("06:00"))
        await visit_loaded(page, "#/today/2026-11-18")
        row = page.get_by_role("listitem", name="Offer, ")
        await expect(row).to_be_visible()
        await context.set_offline(True)
        await row.get_by_role("button", name=re.compile("^Split")).click()
        await page.get_by_role("dialog").get_by_role("button", name="Split").click()
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await expect(row).to_have_count(2)
        await row.first.get_by_role("button", name=re.compile("^Delete")).click()
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        await api.delete(f"/tasks/{task['id']}/time-entries/{entry['id']}")
        await context.set_offline(False)
        await page.get_by_role("button", name="2 changes were refused").click()
        await expect(page.get_by_text("Split of an entry: 9:30")).to_be_visible()
        await expect(page.get_by_text("Deletion of an entry")).to_be_visible()
        await expect(page.get_by_text("The change that creates this entry was refused.")).to_be_visible()
        await page.get_by_role("button", name="Discard: Offer").first.click()
        await expect(page.get_by_role("button", name="Discard: Offer")).to_have_count(0)


class TestEntries:
    async def test_split_move_and_undone_deletion_show_after_the_view_was_left(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        await api.write(await api.make_task(title="Support"), started_at=clock("06:00"))
        await api.write(await api.make_task(title="Offer"), started_at=clock("08:00"))
        await visit_loaded(page, "#/tasks")
        await expect(page.get_by_label("Priority of Offer")).to_be_visible()
        await visit("#/today/2026-11-18")
        offer, support = (page.get_by_role("listitem", name=f"{title}, ") for title in ("Offer", "Support"))
        await expect(offer).to_be_visible()
        await context.set_offline(True)
        await offer.get_by_role("button", name=re.compile("^Split")).click()
        await page.get_by_role("dialog").get_by_role("button", name="Split").click()
        await expect(offer).to_have_count(2)
        await offer.first.get_by_role("button", name=re.compile("^Delete")).click()
        await expect(offer).to_have_count(1)
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_text("3 changes waiting")).to_be_visible()
        await support.get_by_role("button", name="Support", exact=True).click()
        task = support.get_by_role("combobox", name="Task")
        await task.press("ArrowDown")
        await task.fill("")
        await page.get_by_role("option", name="Offer").click()
        await expect(page.get_by_text("4 changes waiting")).to_be_visible()
        await visit("#/tasks")
        await visit("#/today/2026-11-18")
        await expect(offer).to_have_count(3)
        await context.set_offline(False)
        await expect(page.get_by_text(WAITING)).to_be_hidden()
        assert await stored(api) == [("Offer", 60), ("Offer", 30), ("Offer", 30)]

    async def test_title_of_a_new_task_stays_in_its_field(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        await api.write(await api.make_task(title="Offer"))
        await visit("#/today/2026-11-18")
        row = page.get_by_role("listitem", name="Offer, ")
        await row.get_by_role("button", name="Offer", exact=True).click()
        await context.set_offline(True)
        field = row.get_by_role("combobox", name="Task")
        await field.fill("Something new")
        await field.press("Enter")
        await expect(page.get_by_text(NOT_SAVED)).to_be_visible()
        await expect(field).to_have_value("Something new")
        await context.set_offline(False)


class TestTasksAndProjects:
    async def test_changes_show_and_are_sent(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        task = await api.make_task(title="Offer")
        project = (await api.post("/projects", json={"name": "Client"})).json()
        await visit("#/tasks")
        await expect(page.get_by_label("Priority of Offer")).to_be_visible()
        await visit("#/projects")
        await expect(page.get_by_role("button", name="Edit Client")).to_be_visible()
        await visit("#/tasks")
        await context.set_offline(True)
        await page.get_by_label("Priority of Offer").select_option("P1")
        await page.get_by_role("button", name="Edit Offer").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Title").fill("New offer")
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        await visit("#/projects")
        await page.get_by_role("button", name="Edit Client").click()
        await dialog.get_by_label("Name", exact=True).fill("Customer")
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("button", name="Edit Customer")).to_be_visible()
        await visit("#/tasks")
        await expect(page.get_by_label("Priority of New offer")).to_have_value("1")
        await context.set_offline(False)
        await expect(page.get_by_text(WAITING)).to_be_hidden()

        async def titles() -> object:
            return (
                (await api.get(f"/tasks/{task['id']}")).json()["title"],
                (await api.get(f"/projects/{project['id']}")).json()["name"],
            )

        await until_equal(titles, ("New offer", "Customer"))

    async def test_new_task_says_that_it_is_not_saved_and_keeps_what_is_typed(
        self, page: Page, visit: Visit, context: BrowserContext, console: Console
    ) -> None:
        console.allow(AWAY)
        await visit("#/tasks")
        await page.get_by_role("button", name="New task").first.click()
        await context.set_offline(True)
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Title").fill("Offer")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_text(NOT_SAVED)).to_be_visible()
        await expect(dialog.get_by_label("Title")).to_have_value("Offer")
        await context.set_offline(False)
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.get_by_label("Priority of Offer")).to_be_visible()
