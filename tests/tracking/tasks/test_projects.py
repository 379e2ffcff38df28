"""Projects: what tasks belong to, what their billable time costs, and how they go without taking time with them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import httpx
import pytest
from bson import ObjectId
from fastapi import FastAPI

from app.main import create_app
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.tracking.rules.rates import _rerate_task
from services.tracking.schemas.tasks import TaskCreate, TaskUpdate
from services.tracking.stop import build_ended_entry
from services.tracking.tasks import task_service
from tests.conftest import Database
from tests.support.http import Client, Json, instant, parameters, pointers, problem
from tests.support.services import PATIENCE_SECONDS, serving_beside

EUR = {"amount": 9000, "currency": "EUR"}
DEAR = {"amount": 12_050, "currency": "EUR"}
NEW_PROJECT: Json = {
    "name": "Website",
    "client_name": None,
    "color": None,
    "billable": False,
    "hourly_rate": None,
    "archived_at": None,
}
BAD_FIELDS: list[tuple[Json, str]] = [
    ({"name": ""}, "#/name"),
    ({"name": " \t "}, "#/name"),
    ({"name": "n" * 201}, "#/name"),
    ({"name": "a\0b"}, "#/name"),
    ({"name": None}, "#/name"),
    ({"name": 7}, "#/name"),
    ({"client_name": " "}, "#/client_name"),
    ({"client_name": "c" * 201}, "#/client_name"),
    ({"client_name": "a\0b"}, "#/client_name"),
    ({"color": "2f6fde"}, "#/color"),
    ({"color": "#2f6fd"}, "#/color"),
    ({"color": "#2f6fdg"}, "#/color"),
    ({"color": "#2f6fde\n"}, "#/color"),
    ({"color": "#2f6fde00"}, "#/color"),
    ({"color": "#\uff12f6fde"}, "#/color"),
    ({"color": "red"}, "#/color"),
    ({"color": 0}, "#/color"),
    ({"billable": 1}, "#/billable"),
    ({"billable": "true"}, "#/billable"),
    ({"billable": None}, "#/billable"),
    ({"hourly_rate": 90}, "#/hourly_rate"),
    ({"hourly_rate": "90 EUR"}, "#/hourly_rate"),
    ({"hourly_rate": [9000, "EUR"]}, "#/hourly_rate"),
    ({"hourly_rate": {**EUR, "amount": 90.5}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": 90.0}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": "9000"}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": True}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": None}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": -1}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": 10**12 + 1}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": 2**63}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "amount": 10**40}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**EUR, "currency": "eur"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**EUR, "currency": "EURO"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**EUR, "currency": "QQQ"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**EUR, "currency": "XAU"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**EUR, "currency": ""}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**EUR, "currency": None}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**EUR, "per": "hour"}}, "#/hourly_rate/per"),
    ({"hourly_rate": {"amount": 9000}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {"currency": "EUR"}}, "#/hourly_rate/amount"),
    ({"archived_at": "2026-11-18T09:00:00Z"}, "#/archived_at"),
    ({"user_id": "0" * 24}, "#/user_id"),
]


async def change(client: Client, project: Json, body: Json, **sent: str) -> Json:
    """The project after a change that succeeds."""
    response = await client.patch(f"/projects/{project['id']}", json=body, params=sent)
    assert response.status_code == 200, response.text
    changed: Json = response.json()
    return changed


async def found(client: Client, project: Json) -> Json:
    response = await client.get(f"/projects/{project['id']}")
    assert response.status_code == 200, response.text
    read: Json = response.json()
    return read


async def names(client: Client, **sent: Any) -> list[str]:
    response = await client.get("/projects", params=sent)
    assert response.status_code == 200, response.text
    return [project["name"] for project in response.json()["items"]]


async def at_once(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


def statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


async def track(client: Client, task: Json, hour: int = 9, **fields: Any) -> Json:
    """An entry of one hour that has ended."""
    await client.start(task, started_at=f"2026-11-18T{hour:02}:00:00Z", **fields)
    entry: Json = (await client.stop(ended_at=f"2026-11-18T{hour + 1:02}:00:00Z"))["entry"]
    return entry


async def rates(client: Client, task: Json) -> list[Json | None]:
    """The rates of the task's ended entries, the first tracked first."""
    entries = (await client.read(task))["time_entries"]
    return [entry["hourly_rate"] for entry in reversed(entries)]


class TestCreateProject:
    async def test_only_the_name_is_required(self, alice: Client) -> None:
        response = await alice.post("/projects", json={"name": "  Website "})
        assert response.status_code == 201
        project = response.json()
        assert {**project, **NEW_PROJECT} == project
        assert project.keys() == NEW_PROJECT.keys() | {"id", "created_at", "updated_at"}
        assert project["created_at"] == project["updated_at"]
        assert response.headers["location"] == f"/api/v1/projects/{project['id']}"
        assert await found(alice, project) == project

    async def test_all_fields_are_stored(self, alice: Client) -> None:
        sent = {
            "name": "Ünïcode 🎉",
            "client_name": " Ada & Sons ",
            "color": "#2F6fDe",
            "billable": True,
            "hourly_rate": {"amount": 10**12, "currency": "JPY"},
        }
        project = await alice.make_project(**sent)
        kept = {**sent, "client_name": "Ada & Sons", "color": "#2f6fde"}
        assert {**project, **kept} == project
        assert await found(alice, project) == project

    @pytest.mark.parametrize(("fields", "pointer"), BAD_FIELDS)
    async def test_invalid_input_is_422_with_pointer_and_stores_nothing(
        self, alice: Client, fields: Json, pointer: str
    ) -> None:
        assert pointers(await alice.post("/projects", json={"name": "Fine", **fields})) == {pointer}
        assert await names(alice) == []

    async def test_existing_name_is_refused(self, alice: Client) -> None:
        await alice.make_project(name="Website")
        problem(await alice.post("/projects", json={"name": " Website "}), 409, "project_name_taken")
        await alice.make_project(name="website")
        assert await names(alice) == ["Website", "website"]

    async def test_names_are_unique_per_user(self, alice: Client, bob: Client) -> None:
        await alice.make_project()
        await bob.make_project()

    async def test_twenty_concurrent_creates_of_one_name_create_one(self, alice: Client) -> None:
        responses = await at_once(*(alice.post("/projects", json={"name": "Website"}) for _ in range(20)))
        assert statuses(responses) == {201: 1, 409: 19}
        for response in responses:
            if response.status_code == 409:
                problem(response, 409, "project_name_taken")
        assert await names(alice) == ["Website"]


class TestUpdateProject:
    async def test_update_keeps_fields_that_are_not_sent(self, alice: Client) -> None:
        project = await alice.make_project(client_name="Ada", color="#2f6fde", hourly_rate=EUR)
        changed = await change(alice, project, {"billable": True})
        assert changed == {**project, "billable": True, "updated_at": changed["updated_at"]}
        assert instant(changed["updated_at"]) >= instant(project["updated_at"])
        assert await found(alice, project) == changed

    async def test_null_clears_nullable_fields(self, alice: Client) -> None:
        clearable = {"client_name": "Ada", "color": "#2f6fde", "hourly_rate": EUR}
        project = await alice.make_project(**clearable)
        changed = await change(alice, project, dict.fromkeys(clearable))
        assert {key: changed[key] for key in clearable} == dict.fromkeys(clearable)

    async def test_empty_update_changes_nothing(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=EUR)
        bodies: list[Json] = [{}, {"hourly_rate": {}}, {"archived": False}]
        for body in bodies:
            assert await change(alice, project, body) == project

    @pytest.mark.parametrize(("fields", "pointer"), BAD_FIELDS)
    async def test_invalid_input_is_422_with_pointer_and_changes_nothing(
        self, alice: Client, fields: Json, pointer: str
    ) -> None:
        project = await alice.make_project()
        sent = {"client_name": "New", **fields}
        assert pointers(await alice.patch(f"/projects/{project['id']}", json=sent)) == {pointer}
        assert await found(alice, project) == project

    async def test_rate_is_merged_key_by_key(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=EUR)
        assert (await change(alice, project, {"hourly_rate": {"amount": 1}}))["hourly_rate"] == {**EUR, "amount": 1}
        swiss = await change(alice, project, {"hourly_rate": {"currency": "CHF"}})
        assert swiss["hourly_rate"] == {"amount": 1, "currency": "CHF"}
        assert (await change(alice, project, {"hourly_rate": EUR}))["hourly_rate"] == EUR

    async def test_project_without_a_rate_needs_both_keys(self, alice: Client) -> None:
        project = await alice.make_project()
        at = f"/projects/{project['id']}"
        both = {"#/hourly_rate/amount", "#/hourly_rate/currency"}
        assert pointers(await alice.patch(at, json={"hourly_rate": {}})) == both
        assert (await change(alice, project, {"hourly_rate": EUR}))["hourly_rate"] == EUR

    async def test_archived_project_has_archived_at(self, alice: Client) -> None:
        project = await alice.make_project()
        archived = await change(alice, project, {"archived": True})
        assert instant(project["created_at"]) <= instant(archived["archived_at"]) <= instant(archived["updated_at"])
        assert await change(alice, project, {"archived": True}) == archived
        renamed = await change(alice, project, {"archived": True, "name": "Old"})
        assert renamed["archived_at"] == archived["archived_at"]
        assert (await change(alice, project, {"archived": False}))["archived_at"] is None

    @pytest.mark.parametrize("archived", [None, 1, "true", "2026-11-18T09:00:00Z"])
    async def test_archived_must_be_boolean(self, alice: Client, archived: Any) -> None:
        project = await alice.make_project()
        assert pointers(await alice.patch(f"/projects/{project['id']}", json={"archived": archived})) == {"#/archived"}

    async def test_existing_name_is_refused(self, alice: Client) -> None:
        project = await alice.make_project(name="Website")
        other = await alice.make_project(name="Other")
        response = await alice.patch(f"/projects/{other['id']}", json={"name": "Website", "billable": True})
        problem(response, 409, "project_name_taken")
        assert await found(alice, other) == other
        assert (await change(alice, project, {"name": "Website"}))["name"] == "Website"

    async def test_twenty_concurrent_renames_to_one_name_let_one_succeed(self, alice: Client) -> None:
        made = [await alice.make_project(name=str(number)) for number in range(20)]
        responses = await at_once(
            *(alice.patch(f"/projects/{project['id']}", json={"name": "Website"}) for project in made)
        )
        assert statuses(responses) == {200: 1, 409: 19}
        assert Counter(await names(alice))["Website"] == 1

    async def test_concurrent_updates_of_different_fields_are_all_stored(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=EUR)
        changes: list[Json] = [
            {"name": "New"},
            {"client_name": "Ada"},
            {"color": "#000000"},
            {"billable": True},
            {"hourly_rate": {"amount": 1}},
            {"hourly_rate": {"currency": "CHF"}},
            {"archived": True},
        ]
        responses = await at_once(*(alice.patch(f"/projects/{project['id']}", json=body) for body in changes))
        assert statuses(responses) == {200: len(changes)}
        changed = await found(alice, project)
        assert (changed["name"], changed["client_name"], changed["color"]) == ("New", "Ada", "#000000")
        assert (changed["billable"], changed["hourly_rate"]) == (True, {"amount": 1, "currency": "CHF"})
        assert changed["archived_at"] is not None

    async def test_rate_is_complete_or_null_after_concurrent_updates(self, alice: Client) -> None:
        project = await alice.make_project()
        for _ in range(10):
            await change(alice, project, {"hourly_rate": EUR})
            at = f"/projects/{project['id']}"
            responses = await at_once(
                alice.patch(at, json={"hourly_rate": {"amount": 1}}),
                alice.patch(at, json={"hourly_rate": None}),
                alice.patch(at, json={"hourly_rate": {"currency": "CHF"}}),
            )
            assert statuses(responses).keys() <= {200, 422}
            assert (await found(alice, project))["hourly_rate"] is None


class TestListProjects:
    async def test_projects_are_sorted_by_name(self, alice: Client) -> None:
        for name in ("b", "A", "a", "é", "B", "🎉"):
            await alice.make_project(name=name)
        assert await names(alice) == ["A", "B", "a", "b", "é", "🎉"]

    async def test_filter_by_archived(self, alice: Client) -> None:
        await alice.make_project(name="a")
        await change(alice, await alice.make_project(name="b"), {"archived": True})
        assert await names(alice) == ["a", "b"]
        assert await names(alice, archived="true") == ["b"]
        assert await names(alice, archived="false") == ["a"]

    async def test_pages_are_stable_while_projects_are_created_and_deleted(self, alice: Client) -> None:
        for number in range(20, 40):
            await alice.make_project(name=str(number))
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await alice.get("/projects", params={"limit": "3", "archived": "false", **cursor})).json()
            seen += [project["name"] for project in page["items"]]
            await alice.make_project(name=f"1 {len(seen)}")
            await alice.delete(f"/projects/{page['items'][-1]['id']}")
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == [str(number) for number in range(20, 40)]

    async def test_cursor_of_another_list_is_refused(self, alice: Client, bob: Client) -> None:
        for client in (alice, bob):
            for name in ("a", "b"):
                await client.make_project(name=name)
                await client.make_task(title=name)
        cursor = (await alice.get("/projects", params={"limit": "1"})).json()["next_cursor"]
        assert await names(alice, cursor=cursor) == ["b"]
        tasks = (await alice.list(limit=1))["next_cursor"]
        for client, sent in (
            (alice, {"cursor": cursor, "archived": "false"}),
            (alice, {"cursor": tasks}),
            (bob, {"cursor": cursor}),
        ):
            assert parameters(await client.get("/projects", params=sent)) == {"cursor"}

    @pytest.mark.parametrize(
        "sent", [{"archived": "yes"}, {"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"sort": "name"}, {"q": "a"}]
    )
    async def test_invalid_parameters_are_422_by_name(self, alice: Client, sent: dict[str, str]) -> None:
        assert parameters(await alice.get("/projects", params=sent)) == set(sent)


class TestTasksOfProject:
    async def test_billable_defaults_to_that_of_the_project(self, alice: Client) -> None:
        project = await alice.make_project(billable=True)
        task = await alice.make_task(project_id=project["id"])
        assert (task["project_id"], task["billable"]) == (project["id"], True)
        assert (await alice.make_task(project_id=project["id"], billable=False))["billable"] is False
        assert (await alice.make_task())["billable"] is False
        assert (await alice.make_task(billable=True))["billable"] is True

    async def test_project_of_a_task_can_be_changed_and_cleared(self, alice: Client) -> None:
        first, second = await alice.make_project(name="1", billable=True), await alice.make_project(name="2")
        task = await alice.make_task(project_id=first["id"])
        at = f"/tasks/{task['id']}"
        moved = (await alice.patch(at, json={"project_id": second["id"], "title": "New"})).json()
        assert (moved["project_id"], moved["title"], moved["billable"]) == (second["id"], "New", True)
        assert moved["version"] == 2
        left = (await alice.patch(at, json={"project_id": None})).json()
        assert (left["project_id"], left["version"]) == (None, 3)

    async def test_archived_project_accepts_tasks(self, alice: Client) -> None:
        project = await alice.make_project()
        await change(alice, project, {"archived": True})
        task = await alice.make_task(project_id=project["id"])
        assert (await alice.read(task))["project_id"] == project["id"]

    @pytest.mark.parametrize("project_id", ["", "none", "nonsense", "0" * 24, 7, ["0" * 24], {"$ne": None}, True])
    async def test_missing_project_is_422(self, alice: Client, project_id: Any) -> None:
        task = await alice.make_task()
        sent = {"title": "New", "project_id": project_id}
        assert pointers(await alice.post("/tasks", json=sent)) == {"#/project_id"}
        assert pointers(await alice.patch(f"/tasks/{task['id']}", json=sent)) == {"#/project_id"}
        assert (await alice.list())["items"] == [task]

    async def test_missing_task_is_404_before_a_missing_project(self, alice: Client) -> None:
        sent = {"project_id": "0" * 24}
        problem(await alice.patch(f"/tasks/{'0' * 24}", json=sent), 404, "task_not_found")

    async def test_stale_if_match_does_not_change_the_project(self, alice: Client) -> None:
        project, task = await alice.make_project(), await alice.make_task()
        at, sent = f"/tasks/{task['id']}", {"project_id": project["id"]}
        problem(await alice.patch(at, json=sent, headers={"If-Match": '"7"'}), 412, "stale_version")
        assert (await alice.read(task))["project_id"] is None
        assert (await alice.patch(at, json=sent, headers={"If-Match": '"1"'})).json()["project_id"] == project["id"]

    async def test_tasks_are_filtered_by_project(self, alice: Client) -> None:
        first, second = await alice.make_project(name="1"), await alice.make_project(name="2")
        for title, project_id in (("a", first["id"]), ("b", second["id"]), ("c", None), ("d", first["id"])):
            await alice.make_task(title=title, project_id=project_id)

        async def titles(**sent: str) -> list[str]:
            return [task["title"] for task in (await alice.list(sort="title", **sent))["items"]]

        assert await titles(project_id=first["id"]) == ["a", "d"]
        assert await titles(project_id=second["id"]) == ["b"]
        assert await titles(project_id="none") == ["c"]
        assert await titles(project_id="0" * 24) == []

    @pytest.mark.parametrize("project_id", ["", "None", "null", "x", "0" * 23])
    async def test_invalid_project_filter_is_422(self, alice: Client, project_id: str) -> None:
        assert parameters(await alice.get("/tasks", params={"project_id": project_id})) == {"project_id"}
        twice = {"project_id": ["none", "0" * 24]}
        assert parameters(await alice.get("/tasks", params=twice)) == {"project_id"}

    @pytest.mark.parametrize("sort", ["project_id", "-project_id"])
    async def test_sort_by_project_has_null_last(self, alice: Client, sort: str) -> None:
        projects = [await alice.make_project(name=str(number)) for number in range(3)]
        for number in range(12):
            project_id = projects[number % 3]["id"] if number % 4 else None
            await alice.make_task(title=str(number), project_id=project_id)
        whole = (await alice.list(sort=sort, limit=200))["items"]
        keys = [(task["project_id"], task["id"]) for task in whole if task["project_id"]]
        assert keys == sorted(keys, reverse=sort.startswith("-"))
        assert [task["project_id"] for task in whole[len(keys) :]] == [None] * 3
        paged: list[Json] = []
        cursor: dict[str, str] = {}
        while True:
            page = await alice.list(sort=sort, limit=2, **cursor)
            paged += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert paged == whole
        assert len(whole) == 12


class TestHourlyRateOfEntry:
    async def test_entry_gets_the_rate_of_the_project_when_it_ends(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        timer = await alice.start(task)
        assert timer["entry"]["hourly_rate"] is None
        await change(alice, project, {"hourly_rate": DEAR})
        assert (await alice.stop())["entry"]["hourly_rate"] == DEAR

    async def test_rate_stays_when_the_project_is_changed_or_deleted(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        await track(alice, task)
        await change(alice, project, {"hourly_rate": DEAR})
        await track(alice, task, 11)
        await change(alice, project, {"hourly_rate": None})
        await track(alice, task, 13)
        await alice.delete(f"/projects/{project['id']}")
        await track(alice, task, 15)
        assert await rates(alice, task) == [EUR, DEAR, None, None]

    async def test_entry_that_is_not_billable_has_no_rate(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        await track(alice, task)
        await track(alice, task, 11, billable=True)
        other = await alice.make_task(billable=True)
        assert (await track(alice, other, 13))["hourly_rate"] is None
        assert await rates(alice, task) == [None, EUR]

    @pytest.mark.parametrize("status", ["completed", "pending"])
    async def test_entry_gets_the_rate_of_the_new_project_of_its_task(self, alice: Client, status: str) -> None:
        cheap = await alice.make_project(name="Cheap", billable=True, hourly_rate=EUR)
        dear = await alice.make_project(name="Dear", hourly_rate=DEAR)
        task = await alice.make_task(project_id=cheap["id"])
        await alice.start(task)
        response = await alice.patch(f"/tasks/{task['id']}", json={"project_id": dear["id"], "status": status})
        assert response.status_code == 200
        assert await rates(alice, task) == [DEAR]

    async def test_entry_that_the_trash_ends_gets_the_rate(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        await alice.start(task)
        await alice.delete(f"/tasks/{task['id']}")
        await alice.post(f"/tasks/{task['id']}/restore")
        assert await rates(alice, task) == [EUR]


class TestRerate:
    async def test_rerate_applies_the_rate_to_ended_billable_entries(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        trashed = await alice.make_task(project_id=project["id"])
        elsewhere = await alice.make_task(billable=True)
        await track(alice, task)
        await track(alice, task, 11, billable=False)
        await track(alice, trashed, 13)
        await track(alice, elsewhere, 15)
        await alice.delete(f"/tasks/{trashed['id']}")
        changed = await change(alice, project, {"hourly_rate": {"amount": DEAR["amount"]}}, rerate="true")
        assert (changed["hourly_rate"], changed["rerated_entries"]) == (DEAR, 2)
        await alice.post(f"/tasks/{trashed['id']}/restore")
        assert await rates(alice, task) == [DEAR, None]
        assert await rates(alice, trashed) == [DEAR]
        assert await rates(alice, elsewhere) == [None]
        after = await alice.read(task)
        assert (after["tracked_seconds"], after["entry_count"]) == (7200, 2)
        again = await change(alice, project, {}, rerate="true")
        assert again == {**changed, "rerated_entries": 0}
        assert await alice.read(task) == after

    async def test_rerate_clears_the_rate_of_the_entries(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        await track(alice, task)
        changed = await change(alice, project, {"hourly_rate": None}, rerate="true")
        assert (changed["hourly_rate"], changed["rerated_entries"]) == (None, 1)
        assert await rates(alice, task) == [None]

    async def test_rerate_skips_a_task_that_left_the_project(self, alice: Client) -> None:
        project, other = await alice.make_project(hourly_rate=EUR), await alice.make_project(name="Other")
        task = await alice.make_task(project_id=other["id"])
        await track(alice, task, billable=True)
        for gone in (ObjectId(task["id"]), ObjectId()):
            assert await _rerate_task(alice.user["_id"], gone, ObjectId(project["id"])) == 0
        assert await rates(alice, task) == [None]

    @pytest.mark.parametrize("sent", [{}, {"rerate": "false"}])
    async def test_entries_keep_their_rate_without_rerate(self, alice: Client, sent: dict[str, str]) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        await track(alice, task)
        assert "rerated_entries" not in await change(alice, project, {"hourly_rate": DEAR}, **sent)
        assert await rates(alice, task) == [EUR]

    async def test_invalid_parameters_are_422_by_name(self, alice: Client) -> None:
        project = await alice.make_project()
        for sent in ({"rerate": "yes"}, {"dry_run": "true"}):
            response = await alice.patch(f"/projects/{project['id']}", json={"name": "New"}, params=sent)
            assert parameters(response) == set(sent)
        assert await found(alice, project) == project

    async def test_rerate_with_concurrent_stops_misses_no_entry(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        amounts = range(1, 16)
        for amount in amounts:
            await alice.start(task, started_at="2026-11-18T09:00:00Z")
            responses = await at_once(
                alice.post("/timer/stop", json={"ended_at": "2026-11-18T10:00:00Z"}),
                alice.patch(
                    f"/projects/{project['id']}", json={"hourly_rate": {"amount": amount}}, params={"rerate": "true"}
                ),
                alice.patch(f"/tasks/{task['id']}", json={"priority": amount % 5}),
            )
            assert statuses(responses) == {200: 3}
            assert await rates(alice, task) == [{**EUR, "amount": amount}] * amount
        assert (await alice.read(task))["tracked_seconds"] == 3600 * len(amounts)

    async def test_rerate_makes_a_concurrent_stop_retry(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        await alice.start(await alice.make_task(project_id=project["id"]))
        running = await Task.find_running(alice.user["_id"])
        assert running is not None
        user = ActingUser(alice.user["_id"], "UTC", "allow", timer_cap_hours=12, token_version=0, week_start=0)
        entry = await build_ended_entry(user, running, ended_at=datetime.now(UTC))
        assert (await change(alice, project, {"hourly_rate": DEAR}, rerate="true"))["rerated_entries"] == 0
        assert await Task.stop_timer(running, entry, {}) is None
        assert (await alice.stop())["entry"]["hourly_rate"] == DEAR

    async def test_concurrent_rerates_end_with_the_rate_of_the_project(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        tasks = [await alice.make_task(project_id=project["id"]) for _ in range(4)]
        for hour, task in enumerate(tasks):
            await track(alice, task, hour)
        for number in range(5):
            bodies: list[Json] = [{"hourly_rate": {"amount": number * 10 + step}} for step in range(3)]
            at = f"/projects/{project['id']}"
            await at_once(*(alice.patch(at, json=body, params={"rerate": "true"}) for body in bodies))
            rate = (await found(alice, project))["hourly_rate"]
            assert [await rates(alice, task) for task in tasks] == [[rate]] * len(tasks)


class TestDeleteProject:
    async def test_tasks_keep_their_time_without_the_project(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=EUR)
        task = await alice.make_task(project_id=project["id"])
        trashed = await alice.make_task(project_id=project["id"])
        other = await alice.make_task(project_id=(await alice.make_project(name="Other"))["id"])
        await track(alice, task)
        await alice.start(task)
        await alice.delete(f"/tasks/{trashed['id']}")
        before = await alice.read(task)
        response = await alice.delete(f"/projects/{project['id']}")
        assert (response.status_code, response.content) == (204, b"")
        after = await alice.read(task)
        changed = {"project_id": None, "version": before["version"] + 1, "updated_at": after["updated_at"]}
        assert after == {**before, **changed}
        back = (await alice.post(f"/tasks/{trashed['id']}/restore")).json()
        assert back["project_id"] is None
        assert await alice.read(other) == {**other, "time_entries": []}
        assert (await alice.list(project_id=project["id"]))["items"] == []

    async def test_deleted_project_is_404_and_its_name_is_free(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        await alice.delete(f"/projects/{project['id']}")
        for method in ("GET", "PATCH", "DELETE"):
            response = await alice.request(method, f"/projects/{project['id']}", json={} if method == "PATCH" else None)
            problem(response, 404, "project_not_found")
        assert await names(alice) == []
        assert await database.projects.count_documents({}) == 0
        await alice.make_project(name=project["name"])

    @pytest.mark.parametrize("project_id", ["nonsense", "0" * 24, "%00", "$gt"])
    async def test_delete_of_a_missing_project_is_404(self, alice: Client, project_id: str) -> None:
        problem(await alice.delete(f"/projects/{project_id}"), 404, "project_not_found")

    async def test_twenty_concurrent_deletes_succeed(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        tasks = [await alice.make_task(project_id=project["id"]) for _ in range(5)]
        responses = await at_once(*(alice.delete(f"/projects/{project['id']}") for _ in range(20)))
        assert statuses(responses).keys() <= {204, 404}
        assert 204 in statuses(responses)
        assert [(await alice.read(task))["version"] for task in tasks] == [2] * len(tasks)
        assert await database.projects.count_documents({}) == 0

    async def test_delete_with_concurrent_assignments_leaves_no_reference(
        self, alice: Client, database: Database
    ) -> None:
        task = await alice.make_task()
        await at_once(*(alice.get("/tasks") for _ in range(30)))  # so that nobody waits for a connection
        for number in range(8):
            project = await alice.make_project(name=str(number))
            sent = {"title": "New", "project_id": project["id"]}

            async def come(wait: int, sent: Json = sent) -> httpx.Response:
                await asyncio.sleep(wait / 1000)
                if wait % 3:
                    return await alice.post("/tasks", json=sent)
                return await alice.patch(f"/tasks/{task['id']}", json=sent)

            responses = await at_once(alice.delete(f"/projects/{project['id']}"), *(come(wait) for wait in range(12)))
            assert statuses(responses).keys() <= {200, 201, 204, 422}
            for response in responses:
                if response.status_code == 422:
                    assert pointers(response) == {"#/project_id"}
            assert await database.tasks.count_documents({"project_id": {"$ne": None}}) == 0
        assert await database.projects.count_documents({}) == 0

    async def test_task_assigned_during_the_deletion_leaves_the_project(self, alice: Client, interrupted: Json) -> None:
        fields = {"project_id": ObjectId(interrupted["id"])}
        (late,) = (await alice.list(project_id=interrupted["id"], sort="title", limit=1))["items"]
        written = await Task.find_live(alice.user["_id"], ObjectId(late["id"]))
        assert written is not None
        settled = await task_service._leave_deleted_project(written, fields)
        assert (settled["project_id"], settled["version"]) == (None, late["version"] + 1)
        assert await task_service._leave_deleted_project(settled, fields) == settled
        assert (await alice.read(late))["project_id"] is None

    async def test_retry_removes_an_interrupted_task_from_the_project(self, alice: Client, interrupted: Json) -> None:
        (late,) = (await alice.list(project_id=interrupted["id"], sort="title", limit=1))["items"]
        user = ActingUser(alice.user["_id"], "UTC", "allow", timer_cap_hours=12, token_version=0, week_start=0)
        new = TaskCreate(title=late["title"], project_id=interrupted["id"])
        made = await task_service.create_with_id(user, new, task_id=ObjectId(late["id"]), is_retry=True)
        assert (made.body["id"], made.body["project_id"]) == (late["id"], None)
        assert (await alice.read(late))["project_id"] is None


class TestTransactionDuringDeletion:
    async def test_transaction_is_aborted_when_a_deletion_has_begun(self, alice: Client, database: Database) -> None:
        project, other = await alice.make_project(), await alice.make_task()

        async def work() -> bool:
            assert await Task.find_live(alice.user["_id"], ObjectId(other["id"])) is not None  # what was is seen on
            gone = await asyncio.create_task(alice.delete(f"/projects/{project['id']}"), context=Context())
            assert gone.status_code == 204
            await put_into(alice, project, other)
            return True

        assert await Task.run_in_transaction(work) is None
        assert await alice.read(other) == {**other, "time_entries": []}
        assert await database.tasks.count_documents({"project_id": {"$ne": None}}) == 0

    async def test_later_deletion_finds_the_assigned_task(self, alice: Client, database: Database) -> None:
        project, other = await alice.make_project(), await alice.make_task()

        async def work() -> asyncio.Task[httpx.Response]:
            await put_into(alice, project, other)
            deletion = asyncio.create_task(alice.delete(f"/projects/{project['id']}"), context=Context())
            await asyncio.sleep(0.1)
            assert not deletion.done()
            return deletion

        deletion = await Task.run_in_transaction(work)
        assert deletion is not None
        assert (await deletion).status_code == 204
        assert (await alice.read(other))["project_id"] is None
        assert await database.projects.count_documents({}) == 0


async def put_into(client: Client, project: Json, task: Json) -> None:
    """Puts the task into the project, as a part of the transaction that the caller is in."""
    user = ActingUser(client.user["_id"], "UTC", "allow", timer_cap_hours=12, token_version=0, week_start=0)
    change_of_project = TaskUpdate(project_id=project["id"])
    put = await task_service.update(user, task_id=task["id"], change=change_of_project, if_match=None)
    assert put.body["project_id"] == project["id"]


@pytest.fixture
async def interrupted(alice: Client, database: Database) -> Json:
    """A project of three tasks whose deletion ended, with the service, after the first had left it."""
    project = await alice.make_project()
    tasks = [await alice.make_task(title=str(number), project_id=project["id"]) for number in range(3)]
    marked = {"$set": {"deleted_at": datetime.now(UTC)}}
    await database.projects.update_one({"_id": ObjectId(project["id"])}, marked)
    await database.tasks.update_one({"_id": ObjectId(tasks[0]["id"])}, {"$set": {"project_id": None}})
    return project


async def no_task_is_left_in_it(database: Database) -> bool:
    if await database.projects.count_documents({}):
        return False
    return await database.tasks.count_documents({"project_id": None}) == 3


async def soon(look: Callable[[], Awaitable[bool]]) -> bool:
    """Whether looking again and again finds it true in the end."""
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        if await look():
            return True
        await asyncio.sleep(0.02)
    return False


class TestInterruptedDeletion:
    async def test_project_is_404_and_its_name_is_free(self, alice: Client, interrupted: Json) -> None:
        at = f"/projects/{interrupted['id']}"
        problem(await alice.get(at), 404, "project_not_found")
        problem(await alice.patch(at, json={"name": "New"}), 404, "project_not_found")
        problem(await alice.patch(at, json={}, params={"rerate": "true"}), 404, "project_not_found")
        assert await names(alice) == []
        refused = await alice.post("/tasks", json={"title": "New", "project_id": interrupted["id"]})
        assert pointers(refused) == {"#/project_id"}
        assert (await alice.make_project(name=interrupted["name"]))["id"] != interrupted["id"]

    async def test_entries_get_no_rate_of_the_project(
        self, alice: Client, interrupted: Json, database: Database
    ) -> None:
        marked = {"_id": ObjectId(interrupted["id"])}
        await database.projects.update_one(marked, {"$set": {"hourly_rate": EUR}})
        (task,) = (await alice.list(project_id=interrupted["id"], sort="title", limit=1))["items"]
        assert (await track(alice, task, billable=True))["hourly_rate"] is None

    async def test_second_delete_completes_it(self, alice: Client, interrupted: Json, database: Database) -> None:
        assert (await alice.delete(f"/projects/{interrupted['id']}")).status_code == 204
        assert await no_task_is_left_in_it(database)

    async def test_delete_by_another_user_is_404(self, bob: Client, interrupted: Json, database: Database) -> None:
        problem(await bob.delete(f"/projects/{interrupted['id']}"), 404, "project_not_found")
        assert not await no_task_is_left_in_it(database)

    @pytest.mark.usefixtures("interrupted")
    async def test_start_of_the_service_completes_it(self, app: FastAPI, database: Database) -> None:
        async with serving_beside(create_app(app.state.settings), database):
            assert await soon(lambda: no_task_is_left_in_it(database))
