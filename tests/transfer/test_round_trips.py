"""Round trips: an import has exactly the entries that were exported, for every format that can be imported."""

import csv
import random
from collections import Counter
from datetime import datetime
from io import StringIO

import pytest

from services.transfer.import_formats.programs.registry import LAYOUTS
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import LONG, Client, Json
from tests.support.program_files import PROGRAM_FORMATS, at_day_start, to_csv_file
from tests.support.random_entries import PROJECTS, SampleEntry, generate_entries, summary_reports, to_account_file

pytestmark = pytest.mark.usefixtures("entry_storage")

YEAR = {"from": "2025-12-30", "to": "2027-01-03", "timezone": "Europe/Berlin"}
KEYS = (
    *("hour", "day", "week", "month", "quarter", "year", "weekday"),
    *("project", "client", "task", "tag", "billable", "status", "client,project", "project,task", "tag,day"),
)


async def import_file(client: Client, content: bytes, form: str) -> Json:
    """Import this file, which has no errors."""
    data = {"format": form} | ({} if form == "account" else {"timezone": "UTC"})
    response = await client.post("/imports", data=data, files={"file": ("export", content)})
    assert response.status_code == 201, response.text
    result: Json = response.json()
    assert result["errors"] == []
    return result


async def entries_of(client: Client) -> Counter[SampleEntry]:
    """Return the entries of the account with their numbers."""
    projects = {project["id"]: project for project in (await client.get("/projects")).json()["items"]}
    tasks = {task["id"]: task for task in (await client.list(limit=200))["items"]}
    found: Counter[SampleEntry] = Counter()
    page: Json = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        asked = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = (await client.get("/time-entries", params={**YEAR, "limit": 200, **asked})).json()
        for entry in page["items"]:
            task = tasks[entry["task_id"]]
            project = task["project_id"] and projects[task["project_id"]]
            if project:
                assert project["client_name"] == PROJECTS[project["name"]]
            rate = entry["hourly_rate"]
            found[
                SampleEntry(
                    project=project and project["name"],
                    title=task["title"],
                    note=entry["note"],
                    tags=frozenset([*entry["tags"], *task["tags"]]),
                    started_at=datetime.fromisoformat(entry["started_at"]),
                    seconds=entry["duration_seconds"],
                    billable=entry["billable"],
                    rate=rate and (rate["amount"], rate["currency"]),
                    zone=entry["timezone"],
                )
            ] += 1
    return found


STORAGES = ("hot", "paged")
OWN = ("csv", "account")
FORMS = (*OWN, *PROGRAM_FORMATS)
PAGED_FORMS = FORMS if LONG else (*OWN, next(iter(PROGRAM_FORMATS)))
"""The formats that are tested with entries in pages too: how entries are stored is independent of the program."""

CASES = [*(("hot", form) for form in FORMS), *(("paged", form) for form in PAGED_FORMS)]


def compared_keys(form: str, storage: str) -> tuple[str, ...]:
    """Return the keys of the reports to compare: each for one of the storages, or for one of the other programs."""
    if LONG:
        return KEYS
    if form in OWN:
        return KEYS[STORAGES.index(storage) :: len(STORAGES)]
    return KEYS[FORMS.index(form) - len(OWN) :: len(PROGRAM_FORMATS)]


@pytest.mark.parametrize(("entry_storage", "form"), CASES, indirect=["entry_storage"])
@pytest.mark.parametrize("seed", range(40 if LONG else 1))
class TestRoundTrip:
    async def test_import_of_an_export_has_the_same_entries(
        self, entry_storage: str, form: str, seed: int, alice: Client, bob: Client, database: Database
    ) -> None:
        tracked = carried(generate_entries(random.Random(f"{form} {seed}"), 40), form)
        await import_file(alice, to_account_file(tracked), "account")
        assert await entries_of(alice) == Counter(tracked)
        content = await written(alice, tracked, form)

        result = await import_file(bob, content, form)
        assert (result["created"]["entries"], result["duplicates"]) == (len(tracked), 0)
        assert await entries_of(bob) == Counter(tracked)
        keys = compared_keys(form, entry_storage)
        assert await summary_reports(keys, bob, YEAR) == await summary_reports(keys, alice, YEAR)

        again = await import_file(bob, content, form)
        assert (again["created"], again["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 0}, len(tracked))
        assert await entries_of(bob) == Counter(tracked)
        await assert_stored_time_is_consistent(database)

    async def test_grown_file_completes_the_entries(self, form: str, seed: int, alice: Client, bob: Client) -> None:
        """The first file has some of the entries, in any order."""
        chance = random.Random(f"grown {form} {seed}")
        tracked = carried(generate_entries(chance, 30), form)
        if form in OWN:
            await import_file(alice, to_account_file(tracked), "account")
        whole = await written(alice, tracked, form)
        some = chance.sample(tracked, 15)
        if form == "csv":
            header, *lines = [*csv.reader(StringIO(whole.decode()))]
            whole = to_csv_file(header, lines)
            part = to_csv_file(header, chance.sample(lines, 15))
        elif form == "account":
            part = whole  # it holds all, or it is refused
            some = tracked
        else:
            part = await written(alice, some, form)
        assert (await import_file(bob, part, form))["created"]["entries"] == len(some)
        result = await import_file(bob, whole, form)
        assert (result["created"]["entries"], result["duplicates"]) == (len(tracked) - len(some), len(some))
        found, wanted = await entries_of(bob), Counter(tracked)
        if form in PROGRAM_FORMATS and not PROGRAM_FORMATS[form].has_time_of_day:
            found, wanted = at_day_start(found), at_day_start(wanted)
        assert found == wanted


def carried(entries: list[SampleEntry], form: str) -> list[SampleEntry]:
    """Return the entries as a file of this format can contain them. Our own formats contain everything."""
    return entries if form in OWN else PROGRAM_FORMATS[form].reduce(entries)


async def written(client: Client, tracked: list[SampleEntry], form: str) -> bytes:
    """Return a file of these entries. For our own formats, the account must have them."""
    if form in PROGRAM_FORMATS:
        return PROGRAM_FORMATS[form].write(tracked)
    path = "/exports/account.ndjson.gz" if form == "account" else "/exports/time-entries.csv"
    response = await client.get(path, params={} if form == "account" else YEAR)
    assert response.status_code == 200, response.text
    return response.content


def test_every_format_is_covered() -> None:
    assert {*FORMS} == {*LAYOUTS, "account"}


class TestOwnExport:
    async def test_importing_the_own_export_adds_nothing(self, alice: Client) -> None:
        tracked = generate_entries(random.Random(0), 30)
        await import_file(alice, to_account_file(tracked), "account")
        content = (await alice.get("/exports/time-entries.csv", params=YEAR)).content
        result = await import_file(alice, content, "csv")
        assert (result["created"]["entries"], result["duplicates"]) == (0, len(tracked))
        assert {left["reason"] for left in result["left_out"]} == {
            "duplicate: this account has an entry with this entry_id"
        }

    async def test_changed_entry_is_identified_by_its_id(self, alice: Client, bob: Client) -> None:
        task = await alice.make_task(title="Mail", tags=["a"])
        entry = await alice.write(task)
        before = (await alice.get("/exports/time-entries.csv", params=YEAR)).content
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Post", "tags": []})
        await alice.patch(f"/tasks/{task['id']}/time-entries/{entry['id']}", json={"note": "n"})
        after = (await alice.get("/exports/time-entries.csv", params=YEAR)).content
        assert (await import_file(bob, before, "csv"))["created"]["entries"] == 1
        result = await import_file(bob, after, "csv")
        assert (result["created"], result["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 0}, 1)
