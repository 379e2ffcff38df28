"""Creating, updating and listing projects."""

from collections import Counter
from typing import Any

import pytest

from tests.support.http import Client, Json, instant, parameters, pointers, problem
from tests.tracking.projects.requests import RATE, count_statuses, gather, get_project, list_names, update_project

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
    ({"hourly_rate": {**RATE, "amount": 90.5}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": 90.0}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": "9000"}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": True}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": None}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": -1}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": 10**12 + 1}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": 2**63}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "amount": 10**40}}, "#/hourly_rate/amount"),
    ({"hourly_rate": {**RATE, "currency": "eur"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**RATE, "currency": "EURO"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**RATE, "currency": "QQQ"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**RATE, "currency": "XAU"}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**RATE, "currency": ""}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**RATE, "currency": None}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {**RATE, "per": "hour"}}, "#/hourly_rate/per"),
    ({"hourly_rate": {"amount": 9000}}, "#/hourly_rate/currency"),
    ({"hourly_rate": {"currency": "EUR"}}, "#/hourly_rate/amount"),
    ({"archived_at": "2026-11-18T09:00:00Z"}, "#/archived_at"),
    ({"user_id": "0" * 24}, "#/user_id"),
]


class TestCreateProject:
    async def test_only_the_name_is_required(self, alice: Client) -> None:
        response = await alice.post("/projects", json={"name": "  Website "})
        assert response.status_code == 201
        project = response.json()
        assert {**project, **NEW_PROJECT} == project
        assert project.keys() == NEW_PROJECT.keys() | {"id", "created_at", "updated_at"}
        assert project["created_at"] == project["updated_at"]
        assert response.headers["location"] == f"/api/v1/projects/{project['id']}"
        assert await get_project(alice, project) == project

    async def test_all_fields_are_stored(self, alice: Client) -> None:
        sent = {
            "name": "Ünïcode 🎉",
            "client_name": " Ada & Sons ",
            "color": "#2F6fDe",
            "billable": True,
            "hourly_rate": {"amount": 10**12, "currency": "JPY"},
        }
        project = await alice.make_project(**sent)
        expected = {**sent, "client_name": "Ada & Sons", "color": "#2f6fde"}
        assert {**project, **expected} == project
        assert await get_project(alice, project) == project

    @pytest.mark.parametrize(("fields", "pointer"), BAD_FIELDS)
    async def test_invalid_input_is_422_with_pointer_and_stores_nothing(
        self, alice: Client, fields: Json, pointer: str
    ) -> None:
        assert pointers(await alice.post("/projects", json={"name": "Fine", **fields})) == {pointer}
        assert await list_names(alice) == []

    async def test_existing_name_is_refused(self, alice: Client) -> None:
        await alice.make_project(name="Website")
        problem(await alice.post("/projects", json={"name": " Website "}), 409, "project_name_taken")
        await alice.make_project(name="website")
        assert await list_names(alice) == ["Website", "website"]

    async def test_names_are_unique_per_user(self, alice: Client, bob: Client) -> None:
        await alice.make_project()
        await bob.make_project()

    async def test_twenty_concurrent_creates_of_one_name_create_one(self, alice: Client) -> None:
        responses = await gather(*(alice.post("/projects", json={"name": "Website"}) for _ in range(20)))
        assert count_statuses(responses) == {201: 1, 409: 19}
        for response in responses:
            if response.status_code == 409:
                problem(response, 409, "project_name_taken")
        assert await list_names(alice) == ["Website"]


class TestUpdateProject:
    async def test_update_keeps_fields_that_are_not_sent(self, alice: Client) -> None:
        project = await alice.make_project(client_name="Ada", color="#2f6fde", hourly_rate=RATE)
        changed = await update_project(alice, project, {"billable": True})
        assert changed == {**project, "billable": True, "updated_at": changed["updated_at"]}
        assert instant(changed["updated_at"]) >= instant(project["updated_at"])
        assert await get_project(alice, project) == changed

    async def test_null_clears_nullable_fields(self, alice: Client) -> None:
        clearable = {"client_name": "Ada", "color": "#2f6fde", "hourly_rate": RATE}
        project = await alice.make_project(**clearable)
        changed = await update_project(alice, project, dict.fromkeys(clearable))
        assert {key: changed[key] for key in clearable} == dict.fromkeys(clearable)

    async def test_empty_update_changes_nothing(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=RATE)
        bodies: list[Json] = [{}, {"hourly_rate": {}}, {"archived": False}]
        for body in bodies:
            assert await update_project(alice, project, body) == project

    @pytest.mark.parametrize(("fields", "pointer"), BAD_FIELDS)
    async def test_invalid_input_is_422_with_pointer_and_changes_nothing(
        self, alice: Client, fields: Json, pointer: str
    ) -> None:
        project = await alice.make_project()
        sent = {"client_name": "New", **fields}
        assert pointers(await alice.patch(f"/projects/{project['id']}", json=sent)) == {pointer}
        assert await get_project(alice, project) == project

    async def test_rate_is_merged_key_by_key(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=RATE)
        assert (await update_project(alice, project, {"hourly_rate": {"amount": 1}}))["hourly_rate"] == {
            **RATE,
            "amount": 1,
        }
        swiss = await update_project(alice, project, {"hourly_rate": {"currency": "CHF"}})
        assert swiss["hourly_rate"] == {"amount": 1, "currency": "CHF"}
        assert (await update_project(alice, project, {"hourly_rate": RATE}))["hourly_rate"] == RATE

    async def test_project_without_a_rate_needs_both_keys(self, alice: Client) -> None:
        project = await alice.make_project()
        at = f"/projects/{project['id']}"
        both = {"#/hourly_rate/amount", "#/hourly_rate/currency"}
        assert pointers(await alice.patch(at, json={"hourly_rate": {}})) == both
        assert (await update_project(alice, project, {"hourly_rate": RATE}))["hourly_rate"] == RATE

    async def test_archived_project_has_archived_at(self, alice: Client) -> None:
        project = await alice.make_project()
        archived = await update_project(alice, project, {"archived": True})
        assert instant(project["created_at"]) <= instant(archived["archived_at"]) <= instant(archived["updated_at"])
        assert await update_project(alice, project, {"archived": True}) == archived
        renamed = await update_project(alice, project, {"archived": True, "name": "Old"})
        assert renamed["archived_at"] == archived["archived_at"]
        assert (await update_project(alice, project, {"archived": False}))["archived_at"] is None

    @pytest.mark.parametrize("archived", [None, 1, "true", "2026-11-18T09:00:00Z"])
    async def test_archived_must_be_boolean(self, alice: Client, archived: Any) -> None:
        project = await alice.make_project()
        assert pointers(await alice.patch(f"/projects/{project['id']}", json={"archived": archived})) == {"#/archived"}

    async def test_existing_name_is_refused(self, alice: Client) -> None:
        project = await alice.make_project(name="Website")
        other = await alice.make_project(name="Other")
        response = await alice.patch(f"/projects/{other['id']}", json={"name": "Website", "billable": True})
        problem(response, 409, "project_name_taken")
        assert await get_project(alice, other) == other
        assert (await update_project(alice, project, {"name": "Website"}))["name"] == "Website"

    async def test_twenty_concurrent_renames_to_one_name_let_one_succeed(self, alice: Client) -> None:
        projects = [await alice.make_project(name=str(number)) for number in range(20)]
        responses = await gather(
            *(alice.patch(f"/projects/{project['id']}", json={"name": "Website"}) for project in projects)
        )
        assert count_statuses(responses) == {200: 1, 409: 19}
        assert Counter(await list_names(alice))["Website"] == 1

    async def test_concurrent_updates_of_different_fields_are_all_stored(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=RATE)
        changes: list[Json] = [
            {"name": "New"},
            {"client_name": "Ada"},
            {"color": "#000000"},
            {"billable": True},
            {"hourly_rate": {"amount": 1}},
            {"hourly_rate": {"currency": "CHF"}},
            {"archived": True},
        ]
        responses = await gather(*(alice.patch(f"/projects/{project['id']}", json=body) for body in changes))
        assert count_statuses(responses) == {200: len(changes)}
        changed = await get_project(alice, project)
        assert (changed["name"], changed["client_name"], changed["color"]) == ("New", "Ada", "#000000")
        assert (changed["billable"], changed["hourly_rate"]) == (True, {"amount": 1, "currency": "CHF"})
        assert changed["archived_at"] is not None

    async def test_rate_is_complete_or_null_after_concurrent_updates(self, alice: Client) -> None:
        project = await alice.make_project()
        for _ in range(10):
            await update_project(alice, project, {"hourly_rate": RATE})
            at = f"/projects/{project['id']}"
            responses = await gather(
                alice.patch(at, json={"hourly_rate": {"amount": 1}}),
                alice.patch(at, json={"hourly_rate": None}),
                alice.patch(at, json={"hourly_rate": {"currency": "CHF"}}),
            )
            assert count_statuses(responses).keys() <= {200, 422}
            assert (await get_project(alice, project))["hourly_rate"] is None


class TestListProjects:
    async def test_projects_are_sorted_by_name(self, alice: Client) -> None:
        for name in ("b", "A", "a", "é", "B", "🎉"):
            await alice.make_project(name=name)
        assert await list_names(alice) == ["A", "B", "a", "b", "é", "🎉"]

    async def test_filter_by_archived(self, alice: Client) -> None:
        await alice.make_project(name="a")
        await update_project(alice, await alice.make_project(name="b"), {"archived": True})
        assert await list_names(alice) == ["a", "b"]
        assert await list_names(alice, archived="true") == ["b"]
        assert await list_names(alice, archived="false") == ["a"]

    async def test_pages_are_stable_while_projects_are_created_and_deleted(self, alice: Client) -> None:
        for number in range(20, 40):
            await alice.make_project(name=str(number))
        names: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await alice.get("/projects", params={"limit": "3", "archived": "false", **cursor})).json()
            names += [project["name"] for project in page["items"]]
            await alice.make_project(name=f"1 {len(names)}")
            await alice.delete(f"/projects/{page['items'][-1]['id']}")
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert names == [str(number) for number in range(20, 40)]

    async def test_cursor_of_another_list_is_refused(self, alice: Client, bob: Client) -> None:
        for client in (alice, bob):
            for name in ("a", "b"):
                await client.make_project(name=name)
                await client.make_task(title=name)
        cursor = (await alice.get("/projects", params={"limit": "1"})).json()["next_cursor"]
        assert await list_names(alice, cursor=cursor) == ["b"]
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
