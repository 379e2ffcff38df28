"""Importing files: each row is imported once, however often its file is sent."""

import hashlib
from datetime import UTC, datetime

import pytest

from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import API, Client, Json, at, clock, parameters, problem
from tests.support.pages.entry_storage import hot_only
from tests.transfer.uploads import RATE, WEEK, import_rows, row, stored_items, upload


@pytest.mark.usefixtures("entry_storage")
class TestImportFile:
    async def test_all_batches_are_written_by_one_plan(self, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first batch of 1,000 rows creates the task, and the second one finds it."""
        monkeypatch.setattr("services.transfer.imports.entry_file.MAX_PLAN_ATTEMPTS", 1)
        times = [f"{number // 60:02}:{number % 60:02}" for number in range(1_001)]
        result = await import_rows(alice, "".join(row(2, time, time) for time in times))
        assert result["created"] == {"projects": 1, "tasks": 1, "entries": 1_001}

    async def test_import_whose_plan_is_always_outdated_is_answered_with_503(
        self, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.transfer.imports.entry_file.MAX_PLAN_ATTEMPTS", 0)
        problem(await upload(alice, WEEK), 503, "database_unavailable")

    async def test_creates_projects_tasks_and_entries(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, WEEK)
        assert result["created"] == {"projects": 2, "tasks": 3, "entries": 4}
        assert (result["duplicates"], result["skipped"], result["errors"]) == (0, 0, [])
        projects = {project["name"]: project for project in (await alice.get("/projects")).json()["items"]}
        assert {name: project["client_name"] for name, project in projects.items()} == {
            "Website": "Ada Ltd",
            "Sales": None,
        }
        tasks = {task["title"]: await alice.read(task) for task in (await alice.list())["items"]}
        assert tasks.keys() == {"Offer", "Mail", "Call"}
        assert tasks["Offer"]["project_id"] == projects["Website"]["id"]
        assert tasks["Offer"]["tracked_seconds"] == 34_200
        (second, first) = tasks["Offer"]["time_entries"]
        assert (first["started_at"], first["duration_seconds"]) == ("2026-11-02T08:00:00Z", 5400)
        assert (first["source"], first["timezone"], first["note"]) == ("import", "Europe/Berlin", "first draft")
        assert (first["billable"], second["billable"], first["needs_review"]) == (True, False, False)
        await assert_stored_time_is_consistent(database)

    async def test_import_is_stored(self, alice: Client) -> None:
        response = await upload(alice, WEEK)
        result = response.json()
        assert response.headers["location"] == f"{API}/imports/{result['id']}"
        assert (await alice.get(f"/imports/{result['id']}")).json() == result
        assert (await alice.get("/imports")).json() == {"items": [result], "next_cursor": None}

    @pytest.mark.parametrize("entry_storage", ["hot"], indirect=True)  # compares stored documents
    async def test_same_file_adds_nothing(self, alice: Client, database: Database) -> None:
        await import_rows(alice, WEEK)
        before = await stored_items(database)
        again = await import_rows(alice, WEEK)
        assert again["created"] == {"projects": 0, "tasks": 0, "entries": 0}
        assert again["duplicates"] == 4
        assert await stored_items(database) == before

    async def test_grown_file_adds_new_rows(self, alice: Client, database: Database) -> None:
        await import_rows(alice, WEEK)
        grown = await import_rows(alice, row(1, "20:00", "21:00") + WEEK + row(5, "09:00", "10:00", task="New"))
        assert (grown["created"], grown["duplicates"]) == ({"projects": 0, "tasks": 1, "entries": 2}, 4)
        assert [task["title"] for task in (await alice.list(sort="title"))["items"]] == ["Call", "Mail", "New", "Offer"]
        await assert_stored_time_is_consistent(database)

    async def test_equal_rows_are_separate_entries(self, alice: Client, database: Database) -> None:
        once = row(2, "09:00", "10:00")
        result = await import_rows(alice, once * 3)
        assert (result["created"]["entries"], result["duplicates"], result["left_out"]) == (3, 0, [])
        again = await import_rows(alice, once * 3)
        assert (again["created"]["entries"], again["duplicates"]) == (0, 3)
        grown = await import_rows(alice, once * 5)
        assert (grown["created"]["entries"], grown["duplicates"]) == (2, 3)
        assert (await import_rows(alice, once))["duplicates"] == 1
        await assert_stored_time_is_consistent(database)

    async def test_duplicates_are_listed_with_the_reason(self, alice: Client) -> None:
        await import_rows(alice, WEEK)
        grown = await import_rows(alice, row(1, "20:00", "21:00") + WEEK)
        reason = "duplicate: an earlier import created an entry from an equal row"
        assert grown["left_out"] == [{"row": number, "reason": reason} for number in range(2, 6)]
        assert (await alice.get(f"/imports/{grown['id']}")).json() == grown

    @hot_only
    async def test_at_most_1000_duplicates_are_listed(self, alice: Client) -> None:
        lines = row(2, "09:00", "10:00") * 1_003
        await import_rows(alice, lines)
        again = await import_rows(alice, lines)
        assert (again["duplicates"], len(again["left_out"])) == (1_003, 1_000)
        assert [left["row"] for left in again["left_out"]] == [*range(1, 1_001)]
        (listed, _) = (await alice.get("/imports")).json()["items"]
        assert len(listed["left_out"]) == 10

    @pytest.mark.parametrize(
        "other", [{"note": "n"}, {"client": "Ada Ltd"}, {"tags": "a"}, {"billable": "yes"}, {"task": "Mail"}]
    )
    async def test_row_that_differs_in_one_column_is_not_a_duplicate(
        self, other: dict[str, str], alice: Client
    ) -> None:
        assert (await import_rows(alice, row(2, "09:00", "10:00")))["created"]["entries"] == 1
        lines = row(2, "09:00", "10:00", **other)
        assert (await import_rows(alice, lines))["created"]["entries"] == 1
        assert (await import_rows(alice, lines + row(2, "09:00", "10:00")))["duplicates"] == 2

    async def test_dry_run_has_the_same_result_and_writes_nothing(self, alice: Client, database: Database) -> None:
        bad = row(6, "10:00", "09:00 nonsense")
        response = await upload(alice, WEEK + bad, dry_run="true")
        assert response.status_code == 200, response.text
        assert "location" not in response.headers
        assert await stored_items(database) == []
        assert await database.import_batches.count_documents({}) == 0
        dry, result = response.json(), await import_rows(alice, WEEK + bad)
        assert dry.pop("columns")["task"] == {"header": "Task", "values": ["Offer", "Mail", "Offer"]}
        assert (dry.pop("id"), dry.pop("dry_run")) == (None, True)
        assert dry | {"created_at": result["created_at"]} == {
            name: value for name, value in result.items() if name not in {"id", "dry_run"}
        }

    async def test_row_of_a_changed_entry_is_a_duplicate(self, alice: Client) -> None:
        await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        (entry,) = (await alice.read(task))["time_entries"]
        await alice.patch(at(entry), json={"started_at": "2026-11-02T07:30:00Z"})
        again = await import_rows(alice, row(2, "09:00", "10:00") + row(2, "08:30", "10:00"))
        assert (again["created"]["entries"], again["duplicates"]) == (1, 1)

    async def test_row_of_a_moved_entry_is_a_duplicate(self, alice: Client) -> None:
        await import_rows(alice, row(2, "09:00", "10:00") * 2)
        (task,) = (await alice.list())["items"]
        (entry, other) = (await alice.read(task))["time_entries"]
        await alice.post(f"{at(entry)}/move", json={"task_id": (await alice.make_task(title="Other"))["id"]})
        await alice.post(f"{at(other)}/split", json={"at": "2026-11-02T08:30:00Z"})
        again = await import_rows(alice, row(2, "09:00", "10:00") * 3)
        assert (again["created"]["entries"], again["duplicates"]) == (1, 2)

    @pytest.mark.parametrize("gone", ["entry", "task"])
    async def test_row_of_a_deleted_entry_is_a_duplicate(self, gone: str, alice: Client) -> None:
        await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        (entry,) = (await alice.read(task))["time_entries"]
        await alice.delete(at(entry) if gone == "entry" else f"/tasks/{task['id']}")
        again = await import_rows(alice, row(2, "09:00", "10:00"))
        assert (again["created"]["entries"], again["duplicates"]) == (0, 1)

    async def test_row_equal_to_a_manual_entry_is_imported(self, alice: Client) -> None:
        task = await alice.make_task(title="Mail")
        await alice.write(task, started_at="2026-11-02T08:00:00Z", duration_seconds=3600)
        result = await import_rows(alice, row(2, "09:00", "10:00", task="Mail", project=""))
        assert (result["created"], result["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 1}, 0)

    async def test_entry_of_an_earlier_version_is_recognized(self, alice: Client, database: Database) -> None:
        """Earlier versions used a key of the task, the note and the times."""
        await import_rows(alice, row(2, "09:00", "10:00", note="first draft", tags="a"))
        fields = ("Website", "Offer", "first draft", "2026-11-02T08:00:00", "2026-11-02T09:00:00")
        key = hashlib.sha256(alice.user["_id"].binary + "\0".join(fields).encode()).hexdigest()[:32]
        await database.tasks.update_one({}, {"$set": {"time_entries.0.import_key": key}, "$unset": {"import_name": ""}})
        lines = "".join(row(2, "09:00", "10:00", note="first draft", tags=tag) for tag in "ab")
        again = await import_rows(alice, lines)
        assert (again["created"], again["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 1}, 1)
        assert (await import_rows(alice, lines))["duplicates"] == 2


@pytest.mark.usefixtures("entry_storage")
class TestRenamedItems:
    GROWN = (
        WEEK + row(5, "09:00", "10:00", task="New") + row(5, "10:00", "11:00") + row(5, "11:00", "12:00", "Mail", "")
    )

    async def test_imported_names_find_renamed_items(self, alice: Client, database: Database) -> None:
        await import_rows(alice, WEEK)
        (website,) = [one for one in (await alice.get("/projects")).json()["items"] if one["name"] == "Website"]
        await alice.patch(f"/projects/{website['id']}", json={"name": "Site"})
        tasks = {task["title"]: task for task in (await alice.list())["items"]}
        await alice.patch(f"/tasks/{tasks['Offer']['id']}", json={"title": "Proposal"})
        await alice.patch(f"/tasks/{tasks['Mail']['id']}", json={"title": "Post", "project_id": website["id"]})
        grown = await import_rows(alice, self.GROWN)
        assert (grown["created"], grown["duplicates"]) == ({"projects": 0, "tasks": 1, "entries": 3}, 4)
        found = {task["title"]: (task["project_id"], task["entry_count"]) for task in (await alice.list())["items"]}
        assert found.pop("Call")[1] == 1
        assert found == {"Proposal": (website["id"], 3), "Post": (website["id"], 2), "New": (website["id"], 1)}
        await assert_stored_time_is_consistent(database)

    async def test_imported_name_takes_precedence_over_the_present_name(self, alice: Client) -> None:
        await import_rows(alice, WEEK)
        (website,) = [one for one in (await alice.get("/projects")).json()["items"] if one["name"] == "Website"]
        await alice.patch(f"/projects/{website['id']}", json={"name": "Site"})
        await alice.make_project(name="Website")
        (offer,) = [task for task in (await alice.list())["items"] if task["title"] == "Offer"]
        await alice.patch(f"/tasks/{offer['id']}", json={"title": "Proposal"})
        await alice.make_task(title="Offer", project_id=website["id"])
        await import_rows(alice, self.GROWN)
        assert (await alice.read(offer))["entry_count"] == 3

    async def test_present_names_find_renamed_items(self, alice: Client) -> None:
        await import_rows(alice, row(2, "09:00", "10:00"))
        (project,) = (await alice.get("/projects")).json()["items"]
        await alice.patch(f"/projects/{project['id']}", json={"name": "Site"})
        (task,) = (await alice.list())["items"]
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Proposal"})
        result = await import_rows(alice, row(3, "09:00", "10:00", task="Proposal", project="Site"))
        assert result["created"] == {"projects": 0, "tasks": 0, "entries": 1}

    async def test_deleted_project_is_created_again_for_new_tasks(self, alice: Client) -> None:
        await import_rows(alice, row(2, "09:00", "10:00"))
        (project,) = (await alice.get("/projects")).json()["items"]
        await alice.delete(f"/projects/{project['id']}")
        lines = row(2, "09:00", "10:00") + row(3, "09:00", "10:00")
        dry = (await upload(alice, lines, dry_run="true")).json()
        result = await import_rows(alice, lines)
        assert result["created"] == dry["created"] == {"projects": 0, "tasks": 0, "entries": 1}
        result = await import_rows(alice, lines + row(4, "09:00", "10:00", task="Mail"))
        assert result["created"] == {"projects": 1, "tasks": 1, "entries": 1}

    async def test_project_whose_deletion_is_in_progress_gets_no_tasks(self, alice: Client, database: Database) -> None:
        await alice.make_project(name="Site")
        await database.projects.update_one({}, {"$set": {"deleted_at": datetime.now(UTC)}})
        result = await import_rows(alice, row(2, "09:00", "10:00", project="Site"))
        assert result["created"] == {"projects": 1, "tasks": 1, "entries": 1}
        (project,), (task,) = (await alice.get("/projects")).json()["items"], (await alice.list())["items"]
        assert (project["name"], task["project_id"]) == ("Site", project["id"])

    async def test_imported_names_are_in_the_account_file(self, alice: Client, bob: Client) -> None:
        await import_rows(alice, WEEK)
        (offer,) = [task for task in (await alice.list())["items"] if task["title"] == "Offer"]
        await alice.patch(f"/tasks/{offer['id']}", json={"title": "Proposal"})
        content = (await alice.get("/exports/account.ndjson.gz")).content
        await bob.post("/imports", data={"format": "account"}, files={"file": ("a.gz", content)})
        grown = await import_rows(bob, self.GROWN)
        assert (grown["created"], grown["duplicates"]) == ({"projects": 0, "tasks": 1, "entries": 3}, 4)


@pytest.mark.usefixtures("entry_storage")
class TestTasksAndProjects:
    async def test_existing_items_are_used(self, alice: Client) -> None:
        project = await alice.make_project(name="Website", client_name="Mine", hourly_rate=RATE)
        await alice.patch(f"/projects/{project['id']}", json={"archived": True})
        task = await alice.make_task(title="Offer", project_id=project["id"], billable=True)
        await alice.make_task(title="Offer", project_id=project["id"])
        result = await import_rows(alice, row(2, "09:00", "10:00", client="Theirs"))
        assert result["created"] == {"projects": 0, "tasks": 0, "entries": 1}
        (entry,) = (await alice.read(task))["time_entries"]
        assert (entry["billable"], entry["hourly_rate"]) == (True, RATE)
        assert (await alice.get(f"/projects/{project['id']}")).json()["client_name"] == "Mine"


class TestSeveralUsers:
    ADA = "Ada,2026-11-02 09:00,2026-11-02 10:00,Mail\n"
    BOB = "Bob,2026-11-02 09:00,2026-11-02 10:00,Mail\n"

    async def import_rows(self, client: Client, lines: str, **fields: str) -> Json:
        content = ("User,Start,End,Task\n" + lines).encode()
        form = {"format": "csv", "timezone": "UTC", **fields}
        response = await client.post("/imports", data=form, files={"file": ("a.csv", content)})
        assert response.status_code == 201, response.text
        result: Json = response.json()
        return result

    async def test_equal_rows_of_two_users_are_separate_entries(self, alice: Client) -> None:
        assert (await self.import_rows(alice, self.ADA + self.BOB))["created"]["entries"] == 2
        assert (await self.import_rows(alice, self.BOB + self.ADA))["duplicates"] == 2

    async def test_rows_of_other_users_can_be_added_later(self, alice: Client) -> None:
        assert (await self.import_rows(alice, self.ADA + self.BOB, user="Ada"))["created"]["entries"] == 1
        result = await self.import_rows(alice, self.BOB + self.ADA + self.BOB)
        assert (result["created"]["entries"], [left["row"] for left in result["left_out"]]) == (2, [2])


class TestInvalidRows:
    BAD = row(2, "09:00", "nonsense") + row(3, "09:00", "10:00") + row(4, "12:00", "")

    async def test_errors_are_listed_and_other_rows_are_imported(self, alice: Client) -> None:
        result = await import_rows(alice, self.BAD)
        assert result["created"]["entries"] == 1
        assert [error["row"] for error in result["errors"]] == [1, 3]
        assert {error["column"] for error in result["errors"]} == {"End"}

    async def test_rows_of_an_import_by_an_earlier_version_are_counted(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00") * 2 + row(2, "09:00", "nonsense"))
        await database.import_batches.update_one({}, {"$unset": {"row_count": ""}})
        assert (await alice.get(f"/imports/{result['id']}")).json()["rows"] == result["rows"] == 3

    async def test_strict_import_lists_the_first_100_errors(self, alice: Client) -> None:
        response = await upload(alice, row(2, "09:00", "nonsense") * 101, strict="true")
        errors = problem(response, 422, "invalid_request")["errors"]
        assert len(errors) == 100
        assert errors[-1]["detail"].startswith("row 100, ")

    async def test_strict_import_writes_nothing(self, alice: Client, database: Database) -> None:
        for dry_run in ("true", "false"):
            response = await upload(alice, self.BAD, strict="true", dry_run=dry_run)
            body = problem(response, 422, "invalid_request")
            assert {wrong["pointer"] for wrong in body["errors"]} == {"#/file"}
            assert [wrong["detail"].partition(":")[0] for wrong in body["errors"]] == [
                "row 1, column End",
                "row 3, column End",
            ]
        assert await stored_items(database) == []
        assert (await alice.get("/imports")).json()["items"] == []
        assert (await import_rows(alice, row(3, "09:00", "10:00"), strict="true"))["created"]["entries"] == 1

    async def test_at_most_1000_errors_are_listed(self, alice: Client) -> None:
        result = await import_rows(alice, row(2, "09:00", "nonsense") * 1_003)
        assert len(result["errors"]) == 1_001
        assert result["errors"][-1] == {"row": 0, "column": None, "message": "3 more rows are not listed"}
        assert (await alice.get(f"/imports/{result['id']}")).json() == result
        (listed,) = (await alice.get("/imports")).json()["items"]
        assert [error["row"] for error in listed["errors"]] == [*range(1, 11), 0]


class TestListImports:
    async def test_pages_are_newest_first(self, alice: Client) -> None:
        result = [await import_rows(alice, row(day, "09:00", "10:00")) for day in range(2, 7)]
        seen: list[str] = []
        cursor: Json = {}
        while True:
            page = (await alice.get("/imports", params={"limit": 2, **cursor})).json()
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
            result.append(await import_rows(alice, row(8, "09:00", "10:00")))
        assert seen == [one["id"] for one in reversed(result[:5])]

    async def test_foreign_cursor_is_refused(self, alice: Client, bob: Client) -> None:
        for day in (2, 3):
            await import_rows(alice, row(day, "09:00", "10:00"))
        cursor = (await alice.get("/imports", params={"limit": 1})).json()["next_cursor"]
        for client, wrong in ((bob, cursor), (alice, cursor[:-2]), (alice, "nonsense")):
            assert parameters(await client.get("/imports", params={"cursor": wrong})) == {"cursor"}


@pytest.mark.usefixtures("entry_storage")
class TestOwnExport:
    async def test_importing_the_own_export_adds_nothing(self, alice: Client) -> None:
        project = await alice.make_project()
        for title, project_id in (("Offer", project["id"]), ("Mail", None)):
            task = await alice.make_task(title=title, project_id=project_id, tags=["a"])
            await alice.write(task, note="first draft", tags=["b"])
            await alice.write(task, started_at=clock("11:00"))
        query = {"from": "2026-11-01", "to": "2026-12-01"}
        content = (await alice.get("/exports/time-entries.csv", params=query)).content
        form = {"format": "csv", "timezone": "UTC"}
        result = (await alice.post("/imports", data=form, files={"file": ("a.csv", content)})).json()
        assert (result["created"]["entries"], result["duplicates"], result["errors"]) == (0, 4, [])


@pytest.mark.usefixtures("entry_storage")
class TestDoctor:
    async def test_finds_entries_of_a_missing_import(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        assert not (await examine()).findings
        await database.import_batches.delete_one({})
        (finding,) = (await examine()).findings
        assert finding.message == f"import_id {result['id']} is no import of its user"
