"""Values that nobody should send: each is a clear 422 at its place, on every route that takes such a value.

The tables here name each field of each body; a body that grows is noticed by the first test.
"""

import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from tests.conftest import Database
from tests.contract.operations import NOT_FOUND, operations_with_ids, stored_documents
from tests.support.http import API, Client, Json, clock, pointers, problem

HUGE = ["9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "1e400"]
NO_NUMBER = ['"1"', '""', "true", "[1]", "{}", "NaN"]
NO_TEXT = ["1", "true", "[]", '{"$gt": ""}']
NUL, LONE_SURROGATE = r'"a\u0000b"', r'"a\ud800"'


def quoted(*texts: str) -> list[str]:
    return [json.dumps(text) for text in texts]


def longer_than(length: int) -> list[str]:
    """One character too many, in characters that take up one, two and four bytes."""
    return quoted(*(character * (length + 1) for character in ("x", "é", "🕑")))


CONTROLS = quoted("a\x1bb", "a\x07b", "a\x0bb", "a\rb", "a\x7fb", "a\x85b", "a\x9bb", "\x1ca")
NOT_ONE_LINE = [*CONTROLS, *quoted("a\nb", "a\r\nb", "a\tb", "a\u2028b", "a\u2029b")]
UNSEEN = quoted("\u200b", "\ufeff\u200d", "\u00ad", "\u200e", "\u0301", "\u3164", "\u2800", "\u00a0")
TURNING = quoted("\u202egnp.exe", "a\u2067b", "a\u202c")
NO_LINE = [*quoted("", "   ", "\t\n"), *NOT_ONE_LINE, *UNSEEN, *TURNING, NUL]
"""What is no title, no name and no tag."""

WRONG: dict[str, list[str]] = {
    "instant": [
        *quoted("2026-11-18T09:00:00", "2026-11-18", "09:00:00Z", "yesterday", ""),
        *quoted("2026-02-30T09:00:00Z", "2026-11-18T24:00:01Z", "2026-11-18T23:59:60Z", "2026-11-18T09:00:00+24:00"),
        *quoted("1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("1763456400", "1763456400.5", *HUGE, NUL, "true", "[]"),
    ],
    "zone": [*quoted("", "Mars/Olympus", "localtime", "../UTC", "UTC\n", "+01:00", "CEST"), NUL, *NO_TEXT],
    "title": [*NO_LINE, *longer_than(200), *NO_TEXT],
    "name or null": [*NO_LINE, *longer_than(200), *NO_TEXT],
    "note": [*CONTROLS, *TURNING, *longer_than(5_000), NUL, *NO_TEXT],
    "description": [*CONTROLS, *TURNING, *longer_than(20_000), NUL, *NO_TEXT],
    "tag": [*NO_LINE, *longer_than(50), *NO_TEXT],
    "tags": [
        *(f"[{tag}]" for tag in [*NO_LINE, *longer_than(50), "1", "null", "[]"]),
        *(json.dumps([f"tag {number}" for number in range(11)]), '"a"', "1", '{"0": "a"}', "true"),
    ],
    "flag": ["1", "0", '"true"', '""', "[]", "1.0"],
    "seconds": ["60.5", "60.0", "6e1", "-1", "2147483648", *HUGE, *NO_NUMBER],
    "duration": ["60.5", "60.0", "6e1", "0", "-1", "2678401", *HUGE, *NO_NUMBER],
    "up to 4": ["0.5", "1.0", "-1", "5", *HUGE, *NO_NUMBER],
    "up to 6": ["0.5", "1.0", "-1", "7", *HUGE, *NO_NUMBER],
    "secret": [*quoted("x" * 501), *NO_TEXT],
    "short name": [*NO_LINE, *longer_than(100), *NO_TEXT],
    "scopes": ["[]", '["everything"]', "[1]", '"read"', "{}", "1"],
    "status": [*quoted("", "done", "Pending"), *NO_TEXT],
    "color": [*quoted("", "red", "#fff", "#12345g", "#1234567", "#123456\n"), NUL, *NO_TEXT],
    "password": [*quoted("", "seven77", "x" * 129, "o\u0308" * 7, "a new\tone", "a new one\x1b"), NUL, *NO_TEXT],
    "e-mail": [*quoted("", "ada", "ada@", "a b@example.com", "ada@example.com\n\n.com"), NUL, *NO_TEXT],
    "project": [*quoted("", "nonsense", "0" * 24, "0" * 25), NUL, *NO_TEXT],
    "id": NO_TEXT,
    "preferences": [
        *('"allow"', "1", "[]", '{"overlap_policy": "never"}', '{"overlap_policy": 1}', '{"more": 1}'),
        *(f'{{"timer_cap_hours": {value}}}' for value in ["0", "-1", "1.5", "1.0", *HUGE, *NO_NUMBER]),
    ],
    "rate": [
        *('"90 EUR"', "90", "[]"),
        *(f'{{"amount": {value}, "currency": "EUR"}}' for value in ["90.5", "90.0", "-1", *HUGE, *NO_NUMBER]),
        *(f'{{"amount": 90, "currency": {value}}}' for value in [*quoted("", "eur", "EURO", "XAU"), NUL, *NO_TEXT]),
    ],
}
"""What is wrong for a field of this kind, as it stands in a JSON body."""

TASK = {
    "title": "title",
    "description": "description",
    "status": "status",
    "tags": "tags",
    "project_id": "project",
    "priority": "up to 4",
    "due_at": "instant",
    "estimate_seconds": "seconds",
    "billable": "flag",
}
ENTRY = {
    "started_at": "instant",
    "ended_at": "instant",
    "duration_seconds": "duration",
    "note": "note",
    "tags": "tags",
    "billable": "flag",
    "timezone": "zone",
}
PROJECT = {"name": "title", "client_name": "name or null", "color": "color", "billable": "flag", "hourly_rate": "rate"}
FIELDS: dict[str, dict[str, str]] = {
    "create_task": TASK,
    "change_task": TASK,
    "create_project": PROJECT,
    "change_project": {**PROJECT, "archived": "flag"},
    "rename_tag": {"from": "tag", "to": "tag"},
    "create_time_entry": ENTRY,
    "change_time_entry": {**ENTRY, "needs_review": "flag"},
    "split_time_entry": {"at": "instant"},
    "move_time_entry": {"task_id": "id"},
    "start_timer": {"task_id": "id", "note": "note", "tags": "tags", "billable": "flag", "started_at": "instant"},
    "correct_timer": {"started_at": "instant", "note": "note", "tags": "tags", "billable": "flag"},
    "stop_timer": {"ended_at": "instant", "entry_id": "id", "task_id": "id"},
    "switch_timer": {"task_id": "id", "at": "instant", "note": "note"},
    "register": {"email": "e-mail", "password": "password", "full_name": "name or null", "timezone": "zone"},
    "refresh_session": {"refresh_token": "secret"},
    "change_password": {"current_password": "secret", "new_password": "password"},
    "create_api_token": {"name": "short name", "scopes": "scopes", "expires_at": "instant"},
    "delete_me": {"password": "secret"},
    "change_me": {
        "email": "e-mail",
        "current_password": "secret",
        "full_name": "name or null",
        "timezone": "zone",
        "week_start": "up to 6",
        "preferences": "preferences",
    },
}
"""The kind of each field of each body, by operation id."""

IN_PARTS = {
    # Each operation of a bulk is read as the body of another route: test_bulk.py has those.
    "change_tasks",
}


def bodies(app: FastAPI) -> Iterator[tuple[str, str, str, Json]]:
    """The routes that take JSON: operation id, method, address, and the properties of the body."""
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                shape = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                if shape["properties"]:
                    yield operation["operationId"], method, path.removeprefix(API), shape


class Place:
    """A user with a task, an ended entry on it, a project, and a running timer on another task."""

    ids: Json
    bodies: Json

    @classmethod
    async def of(cls, client: Client) -> "Place":
        """The place, made by its user."""
        place, task = cls(), await client.make_task()
        entry, project = await client.write(task), await client.make_project()
        batch = await client.read_in("2026-11-02 09:00,2026-11-02 10:00,Mail")
        token = (await client.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"]})).json()
        timer = await client.start(await client.make_task(title="Other"))
        place.ids = {
            "task_id": task["id"],
            "entry_id": entry["id"],
            "project_id": project["id"],
            "import_id": batch["id"],
            "token_id": token["id"],
        }
        place.bodies = {
            "create_task": {"title": "x"},
            "create_project": {"name": "x"},
            "create_time_entry": {"started_at": clock("09:00")},
            "start_timer": {"task_id": task["id"]},
            "stop_timer": {"entry_id": timer["entry"]["id"]},
            "switch_timer": {"task_id": task["id"]},
            "rename_tag": {"from": "a", "to": "b"},
            "change_password": {"current_password": "correct horse battery", "new_password": "staple gun"},
            "create_api_token": {"name": "x", "scopes": ["read"]},
            "register": {"email": "new@example.com", "password": "correct horse battery"},
        }
        return place

    def body(self, operation_id: str, field: str, raw: str) -> bytes:
        """A body that is good but for this field."""
        others = {name: value for name, value in self.bodies.get(operation_id, {}).items() if name != field}
        members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in others.items()]
        return "{{{}}}".format(", ".join([*members, f'"{field}": {raw}'])).encode()


class TestTheTables:
    def test_name_every_field_of_every_body(self, app: FastAPI) -> None:
        found = {operation_id: set(shape["properties"]) for operation_id, _, _, shape in bodies(app)}
        assert {name: set(kinds) for name, kinds in FIELDS.items()} == {
            name: fields for name, fields in found.items() if name not in IN_PARTS
        }
        assert found.keys() >= IN_PARTS


class TestAWrongValue:
    @pytest.mark.parametrize("operation_id", FIELDS)
    async def test_is_422_at_its_place_and_stores_nothing(
        self, app: FastAPI, alice: Client, database: Database, operation_id: str
    ) -> None:
        place = await Place.of(alice)
        before = await stored_documents(database)
        ((method, path),) = [(method, path) for name, method, path, _ in bodies(app) if name == operation_id]
        for field, kind in FIELDS[operation_id].items():
            for raw in WRONG[kind]:
                response = await alice.request(
                    method,
                    path.format(**place.ids),
                    content=place.body(operation_id, field, raw),
                    headers={"Content-Type": "application/json"},
                )
                (pointer,) = pointers(response)
                assert f"{pointer}/".startswith(f"#/{field}/"), (field, raw, response.text)
                assert all(wrong["detail"] for wrong in response.json()["errors"])
        assert await stored_documents(database) == before

    @pytest.mark.parametrize("operation_id", FIELDS)
    async def test_with_half_a_character_is_422_and_stores_nothing(
        self, app: FastAPI, alice: Client, database: Database, operation_id: str
    ) -> None:
        place = await Place.of(alice)
        before = await stored_documents(database)
        ((method, path),) = [(method, path) for name, method, path, _ in bodies(app) if name == operation_id]
        for field in FIELDS[operation_id]:
            for raw in (LONE_SURROGATE, f"[{LONE_SURROGATE}]", f"{{{LONE_SURROGATE}: 1}}"):
                response = await alice.request(
                    method,
                    path.format(**place.ids),
                    content=place.body(operation_id, field, raw),
                    headers={"Content-Type": "application/json"},
                )
                assert pointers(response) == {"#"}, (field, raw)
        assert await stored_documents(database) == before

    async def test_in_a_key_stores_nothing_and_leaves_the_key_free(self, alice: Client, database: Database) -> None:
        task, key = await alice.make_task(), {"Idempotency-Key": "once"}
        address = f"/tasks/{task['id']}/time-entries"
        for wrong in ({"started_at": "2026-11-18T09:00:00"}, {"started_at": clock("09:00"), "duration_seconds": 0}):
            problem(await alice.post(address, json=wrong, headers=key), 422, "invalid_request")
        ends_before = {"started_at": clock("09:00"), "ended_at": clock("08:00")}
        assert pointers(await alice.post(address, json=ends_before, headers=key)) == {"#/ended_at"}
        assert await database.idempotency_keys.count_documents({}) == 0
        good = {"started_at": clock("09:00"), "ended_at": clock("10:00")}
        assert (await alice.post(address, json=good, headers=key)).status_code == 201


class TestAnIdThatIsNone:
    @pytest.mark.parametrize("wrong", ["nonsense", "0" * 23, "0" * 25, "%00", "$gt", "{}", "é", "%F0%9F%95%91"])
    async def test_is_404_in_every_path(self, app: FastAPI, alice: Client, database: Database, wrong: str) -> None:
        place = await Place.of(alice)
        before = await stored_documents(database)
        for method, address, names, body in operations_with_ids(app):
            for name in names:
                response = await alice.request(method, address.format(**{**place.ids, name: wrong}), json=body)
                problem(response, 404, NOT_FOUND[name])
        assert await stored_documents(database) == before

    @pytest.mark.parametrize("wrong", ["", "nonsense", "0" * 23, "0" * 25, "0" * 24, "a\0b", "é" * 12])
    async def test_is_404_in_every_body(self, app: FastAPI, alice: Client, database: Database, wrong: str) -> None:
        place = await Place.of(alice)
        before = await stored_documents(database)
        for operation_id, method, path, _ in bodies(app):
            for field, kind in FIELDS.get(operation_id, {}).items():
                if kind == "id":
                    body = {**place.bodies.get(operation_id, {}), field: wrong}
                    code = NOT_FOUND[field]
                    if (operation_id, field) == ("stop_timer", "task_id"):
                        body = {"task_id": wrong}
                    problem(await alice.request(method, path.format(**place.ids), json=body), 404, code)
        assert await stored_documents(database) == before
