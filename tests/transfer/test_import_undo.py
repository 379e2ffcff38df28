"""Undoing an import removes what it created and nobody has changed."""

import pytest

from tests.conftest import Database
from tests.races.stored_time import balance
from tests.support.http import Client, Json, at, problem
from tests.transfer.uploads import WEEK, kept, read_in, row


class TestTakingBack:
    async def test_makes_everything_as_it_was_before(self, alice: Client, bob: Client, database: Database) -> None:
        await read_in(bob, WEEK)
        task = await alice.make_task(title="Mail")
        await alice.write(task)
        before = await kept(database)
        made = await read_in(alice, WEEK)
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert undone == {
            "id": made["id"],
            "removed": made["created"],
            "left": {"projects": 0, "tasks": 0, "entries": 0},
        }
        assert [without_version(document) for document in await kept(database)] == [
            without_version(document) for document in before
        ]
        await balance(database)
        read = (await alice.get(f"/imports/{made['id']}")).json()
        assert read == {**made, "state": "undone"}

    async def test_twice_removes_nothing_the_second_time(self, alice: Client) -> None:
        made = await read_in(alice, WEEK)
        await alice.delete(f"/imports/{made['id']}")
        again = (await alice.delete(f"/imports/{made['id']}")).json()
        assert again["removed"] == again["left"] == {"projects": 0, "tasks": 0, "entries": 0}

    async def test_lets_the_same_file_be_read_in_anew(self, alice: Client) -> None:
        made = await read_in(alice, WEEK)
        await alice.delete(f"/imports/{made['id']}")
        again = await read_in(alice, WEEK)
        assert (again["created"], again["duplicates"]) == (made["created"], 0)
        assert again["id"] != made["id"]
        assert [item["id"] for item in (await alice.get("/imports")).json()["items"]] == [again["id"], made["id"]]

    async def test_leaves_an_entry_that_was_changed_and_what_it_is_in(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, WEEK)
        tasks = {task["title"]: task for task in (await alice.list())["items"]}
        (entry,) = (await alice.read(tasks["Call"]))["time_entries"]
        await alice.patch(at(entry), json={"note": "mine"})
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert undone["removed"] == {"projects": 1, "tasks": 2, "entries": 3}
        assert undone["left"] == {"projects": 1, "tasks": 1, "entries": 1}
        (left,) = (await alice.list())["items"]
        assert (left["title"], left["entry_count"]) == ("Call", 1)
        await balance(database)

    async def test_leaves_an_entry_that_was_moved(self, alice: Client) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        (entry,) = (await alice.read(task))["time_entries"]
        other = await alice.make_task(title="Other")
        await alice.post(f"{at(entry)}/move", json={"task_id": other["id"]})
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert undone["removed"]["entries"] == 0
        assert undone["left"] == {"projects": 1, "tasks": 1, "entries": 1}

    @pytest.mark.parametrize(
        "change", [{"title": "Mine"}, {"status": "completed"}, {"tags": ["mine"]}, {"project_id": None}]
    )
    async def test_leaves_a_task_that_was_changed(self, change: Json, alice: Client) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        await alice.patch(f"/tasks/{task['id']}", json=change)
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert (undone["removed"]["entries"], undone["left"]["tasks"]) == (1, 1)
        assert (await alice.read(task))["entry_count"] == 0

    async def test_leaves_a_task_whose_timer_runs(self, alice: Client) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        await alice.start(task)
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert undone["left"] == {"projects": 1, "tasks": 1, "entries": 0}
        assert (await alice.get("/timer")).status_code == 200

    async def test_leaves_a_project_that_was_changed_or_is_used(self, alice: Client) -> None:
        made = await read_in(alice, WEEK)
        projects = {project["name"]: project for project in (await alice.get("/projects")).json()["items"]}
        await alice.patch(f"/projects/{projects['Sales']['id']}", json={"color": "#2f6fde"})
        await alice.make_task(title="Mine", project_id=projects["Website"]["id"])
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert undone["left"] == {"projects": 2, "tasks": 0, "entries": 0}

    async def test_keeps_to_its_own_where_two_imports_share_a_task(self, alice: Client, database: Database) -> None:
        first = await read_in(alice, row(2, "09:00", "10:00"))
        second = await read_in(alice, row(3, "09:00", "10:00"))
        undone = (await alice.delete(f"/imports/{first['id']}")).json()
        assert undone["removed"] == {"projects": 0, "tasks": 0, "entries": 1}
        assert (await alice.delete(f"/imports/{second['id']}")).json()["removed"]["entries"] == 1
        assert (await alice.delete(f"/imports/{first['id']}")).json()["removed"] == {
            "projects": 1,
            "tasks": 1,
            "entries": 0,
        }
        assert await kept(database) == []

    async def test_splits_leave_one_half_of_the_import_and_one_that_is_not(self, alice: Client) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        (entry,) = (await alice.read(task))["time_entries"]
        await alice.post(f"{at(entry)}/split", json={"at": "2026-11-02T08:30:00Z"})
        assert (await alice.delete(f"/imports/{made['id']}")).json()["left"]["entries"] == 1
        assert (await read_in(alice, row(2, "09:00", "10:00")))["duplicates"] == 1

    async def test_is_404_for_what_is_no_import(self, alice: Client, bob: Client) -> None:
        made = await read_in(alice, WEEK)
        for client, wanted in ((bob, made["id"]), (alice, "0" * 24), (alice, "nonsense")):
            for method in ("GET", "DELETE"):
                problem(await client.request(method, f"/imports/{wanted}"), 404, "import_not_found")
        assert (await alice.get(f"/imports/{made['id']}")).json() == made


def without_version(document: Json) -> Json:
    """The document but for what every change of it changes."""
    return {name: value for name, value in document.items() if name not in {"version", "updated_at"}}
