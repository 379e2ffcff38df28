"""Invalid values: each is 422 with a pointer to its field.

The tables list every field of every body; the first test fails if one is missing. Fields of a kind share the values of
that kind, unless the long tests run: then each field is tested with all of them.
"""

import json

import pytest
from fastapi import FastAPI

from tests.conftest import Database
from tests.contract.input.bodies import Resources, json_bodies
from tests.contract.operations import NOT_FOUND, operations_with_ids, stored_documents
from tests.support.http import LONG, Client, clock, pointers, problem

HUGE = ["9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "1e400"]
NOT_NUMBERS = ['"1"', '""', "true", "[1]", "{}", "NaN"]
NOT_STRINGS = ["1", "true", "[]", '{"$gt": ""}']
NUL, LONE_SURROGATE = r'"a\u0000b"', r'"a\ud800"'


def quoted(*texts: str) -> list[str]:
    """Return the texts as JSON strings."""
    return [json.dumps(text) for text in texts]


def longer_than(length: int) -> list[str]:
    """Return texts one character too long, of characters of one, two and four bytes."""
    return quoted(*(character * (length + 1) for character in ("x", "é", "🕑")))


CONTROLS = quoted("a\x1bb", "a\x07b", "a\x0bb", "a\rb", "a\x7fb", "a\x85b", "a\x9bb", "\x1ca")
NOT_ONE_LINE = [*CONTROLS, *quoted("a\nb", "a\r\nb", "a\tb", "a\u2028b", "a\u2029b")]
INVISIBLE = quoted("\u200b", "\ufeff\u200d", "\u00ad", "\u200e", "\u0301", "\u3164", "\u2800", "\u00a0")
DIRECTIONAL = quoted("\u202egnp.exe", "a\u2067b", "a\u202c")
NOT_TITLES = [*quoted("", "   ", "\t\n"), *NOT_ONE_LINE, *INVISIBLE, *DIRECTIONAL, NUL]
"""Invalid titles, names and tags."""

INVALID_VALUES: dict[str, list[str]] = {
    "instant": [
        *quoted("2026-11-18T09:00:00", "2026-11-18", "09:00:00Z", "yesterday", ""),
        *quoted("2026-02-30T09:00:00Z", "2026-11-18T24:00:01Z", "2026-11-18T23:59:60Z", "2026-11-18T09:00:00+24:00"),
        *quoted("2026-11-18T09:00:00+01:60", "2026-11-18T09:00:00-00:99", "2026-11-18T09:60:00Z"),
        *quoted("1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("1763456400", "1763456400.5", *HUGE, NUL, "true", "[]"),
    ],
    "zone": [*quoted("", "Mars/Olympus", "localtime", "../UTC", "UTC\n", "+01:00", "CEST"), NUL, *NOT_STRINGS],
    "title": [*NOT_TITLES, *longer_than(200), *NOT_STRINGS],
    "name or null": [*NOT_TITLES, *longer_than(200), *NOT_STRINGS],
    "note": [*CONTROLS, *DIRECTIONAL, *longer_than(5_000), NUL, *NOT_STRINGS],
    "description": [*CONTROLS, *DIRECTIONAL, *longer_than(20_000), NUL, *NOT_STRINGS],
    "tag": [*NOT_TITLES, *longer_than(50), *NOT_STRINGS],
    "tags": [
        *(f"[{tag}]" for tag in [*NOT_TITLES, *longer_than(50), "1", "null", "[]"]),
        *(json.dumps([f"tag {number}" for number in range(11)]), '"a"', "1", '{"0": "a"}', "true"),
    ],
    "flag": ["1", "0", '"true"', '""', "[]", "1.0"],
    "seconds": ["60.5", "60.0", "6e1", "-1", "2147483648", *HUGE, *NOT_NUMBERS],
    "duration": ["60.5", "60.0", "6e1", "0", "-1", "2678401", *HUGE, *NOT_NUMBERS],
    "up to 4": ["0.5", "1.0", "-1", "5", *HUGE, *NOT_NUMBERS],
    "up to 6": ["0.5", "1.0", "-1", "7", *HUGE, *NOT_NUMBERS],
    "days": ["90.5", "90.0", "9e1", "0", "-1", "3661", *HUGE, *NOT_NUMBERS],
    "secret": [*quoted("x" * 501), *NOT_STRINGS],
    "short name": [*NOT_TITLES, *longer_than(100), *NOT_STRINGS],
    "scopes": ["[]", '["everything"]', "[1]", '"read"', "{}", "1"],
    "report": [
        *('"summary"', "1", "true", "[]", "{}", '{"type": "today"}', '{"type": {"$gt": ""}}'),
        '{"type": "timesheet", "date": "18.11.2026"}',
    ],
    "url": [
        *quoted("", "hooks.example.com", "ftp://127.0.0.1/", "https://ada@127.0.0.1/", "https://127.0.0.1:22/"),
        *quoted(
            "https://127.0.0.1/#part",
            "https://127.0.0.1/ x",
            "https://127.0.0.1/x\n",
            f"https://127.0.0.1/{'x' * 2048}",
        ),
        *(NUL, *NOT_STRINGS),
    ],
    "types": ["[]", '["everything"]', "[1]", "[null]", '"timer.started"', "{}", "1"],
    "status": [*quoted("", "done", "Pending"), *NOT_STRINGS],
    "color": [*quoted("", "red", "#fff", "#12345g", "#1234567", "#123456\n"), NUL, *NOT_STRINGS],
    "password": [*quoted("", "seven77", "x" * 129, "o\u0308" * 7, "a new\tone", "a new one\x1b"), NUL, *NOT_STRINGS],
    "e-mail": [*quoted("", "ada", "ada@", "a b@example.com", "ada@example.com\n\n.com"), NUL, *NOT_STRINGS],
    "project": [*quoted("", "nonsense", "0" * 24, "0" * 25), NUL, *NOT_STRINGS],
    "id": NOT_STRINGS,
    "string": NOT_STRINGS,
    "preferences": [
        *('"allow"', "1", "[]", '{"overlap_policy": "never"}', '{"overlap_policy": 1}', '{"more": 1}'),
        *(
            f'{{"{name}": {value}}}'
            for name in ("timer_cap_hours", "snap_minutes", "idle_minutes")
            for value in ["-1", "1.5", "1.0", *HUGE, *NOT_NUMBERS]
        ),
        *('{"locale": "DE"}', '{"locale": 1}', '{"theme": ""}', '{"theme": null}', '{"shortcuts": "true"}'),
    ],
    "rate": [
        *('"90 EUR"', "90", "[]"),
        *(f'{{"amount": {value}, "currency": "EUR"}}' for value in ["90.5", "90.0", "-1", *HUGE, *NOT_NUMBERS]),
        *(f'{{"amount": 90, "currency": {value}}}' for value in [*quoted("", "eur", "EURO", "XAU"), NUL, *NOT_STRINGS]),
    ],
}
"""Invalid JSON values by kind of field."""

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
TARGET = {
    "task_id": "id",
    "title": "title",
    "project_id": "string",
    "note": "note",
    "tags": "tags",
    "billable": "flag",
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
    "start_timer": {**TARGET, "started_at": "instant"},
    "correct_timer": {"started_at": "instant", "note": "note", "tags": "tags", "billable": "flag"},
    "stop_timer": {"ended_at": "instant", "entry_id": "id", "task_id": "id"},
    "switch_timer": {**TARGET, "at": "instant"},
    "register": {"email": "e-mail", "password": "password", "full_name": "name or null", "timezone": "zone"},
    "refresh_session": {"refresh_token": "secret"},
    "change_password": {"current_password": "secret", "new_password": "password"},
    "create_api_token": {"name": "short name", "scopes": "scopes", "expires_at": "instant"},
    "create_calendar_feed": {
        "name": "short name",
        "days_back": "days",
        "include_running": "flag",
        "project_id": "project",
        "tag": "tag",
        "billable": "flag",
    },
    "create_share": {"name": "short name", "report": "report", "include_notes": "flag", "expires_at": "instant"},
    "create_webhook": {"url": "url", "types": "types", "description": "name or null"},
    "change_webhook": {"url": "url", "types": "types", "description": "name or null", "active": "flag"},
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

FIELDS_OF_KIND: dict[str, list[tuple[str, str]]] = {
    kind: [(name, field) for name, kinds in FIELDS.items() for field, other in kinds.items() if other == kind]
    for kind in INVALID_VALUES
}
"""The fields of each kind, as (operation id, name)."""

MIN_VALUES = 6
"""The number of values that each field is tested with, if its kind has so many."""

BODIES_OF_PARTS = {
    # The operations of a bulk request have the bodies of other routes: test_bulk.py tests them.
    "change_tasks",
}


def invalid_values(operation_id: str, field: str) -> list[str]:
    """Return the invalid values to test this field with. Each value of a kind is tested with at least one field."""
    kind = FIELDS[operation_id][field]
    values, fields = INVALID_VALUES[kind], FIELDS_OF_KIND[kind]
    if LONG:
        return values
    step = max(1, min(len(fields), len(values) // MIN_VALUES))
    return values[fields.index((operation_id, field)) % step :: step]


class TestTables:
    def test_every_field_of_every_body_is_listed(self, app: FastAPI) -> None:
        fields_by_operation = {operation_id: set(shape["properties"]) for operation_id, _, _, shape in json_bodies(app)}
        assert {name: set(kinds) for name, kinds in FIELDS.items()} == {
            name: fields for name, fields in fields_by_operation.items() if name not in BODIES_OF_PARTS
        }
        assert fields_by_operation.keys() >= BODIES_OF_PARTS

    def test_every_value_is_tested_with_a_field_of_its_kind(self) -> None:
        for kind, fields in FIELDS_OF_KIND.items():
            tested = {value for name, field in fields for value in invalid_values(name, field)}
            assert tested == {*INVALID_VALUES[kind]}, kind


class TestInvalidValues:
    @pytest.mark.parametrize("operation_id", FIELDS)
    async def test_invalid_value_and_lone_surrogate_are_422_and_store_nothing(
        self, app: FastAPI, alice: Client, database: Database, operation_id: str
    ) -> None:
        resources = await Resources.create(alice)
        before = await stored_documents(database)
        ((method, path),) = [(method, path) for name, method, path, _ in json_bodies(app) if name == operation_id]
        for number, field in enumerate(FIELDS[operation_id]):
            for raw in invalid_values(operation_id, field):
                response = await alice.request(
                    method,
                    path.format(**resources.ids),
                    content=resources.body(operation_id, field, raw),
                    headers={"Content-Type": "application/json"},
                )
                (pointer,) = pointers(response)
                assert f"{pointer}/".startswith(f"#/{field}/"), (field, raw, response.text)
                assert all(wrong["detail"] for wrong in response.json()["errors"])
            lone_surrogates = (LONE_SURROGATE, f"[{LONE_SURROGATE}]", f"{{{LONE_SURROGATE}: 1}}")
            for raw in lone_surrogates if LONG else [lone_surrogates[number % 3]]:
                response = await alice.request(
                    method,
                    path.format(**resources.ids),
                    content=resources.body(operation_id, field, raw),
                    headers={"Content-Type": "application/json"},
                )
                assert pointers(response) == {"#"}, (field, raw)
        assert await stored_documents(database) == before

    async def test_idempotency_key_of_an_invalid_request_can_be_used_again(
        self, alice: Client, database: Database
    ) -> None:
        task, key = await alice.make_task(), {"Idempotency-Key": "once"}
        address = f"/tasks/{task['id']}/time-entries"
        for wrong in ({"started_at": "2026-11-18T09:00:00"}, {"started_at": clock("09:00"), "duration_seconds": 0}):
            problem(await alice.post(address, json=wrong, headers=key), 422, "invalid_request")
        ends_before = {"started_at": clock("09:00"), "ended_at": clock("08:00")}
        assert pointers(await alice.post(address, json=ends_before, headers=key)) == {"#/ended_at"}
        assert await database.idempotency_keys.count_documents({}) == 0
        good = {"started_at": clock("09:00"), "ended_at": clock("10:00")}
        assert (await alice.post(address, json=good, headers=key)).status_code == 201


class TestInvalidIds:
    async def test_invalid_id_in_a_path_is_404(self, app: FastAPI, alice: Client, database: Database) -> None:
        resources = await Resources.create(alice)
        before = await stored_documents(database)
        for wrong in ("nonsense", "0" * 23, "0" * 25, "%00", "$gt", "{}", "é", "%F0%9F%95%91"):
            for method, address, names, body in operations_with_ids(app):
                for name in names:
                    response = await alice.request(method, address.format(**{**resources.ids, name: wrong}), json=body)
                    problem(response, 404, NOT_FOUND[name])
        assert await stored_documents(database) == before

    async def test_invalid_id_in_a_body_is_404(self, app: FastAPI, alice: Client, database: Database) -> None:
        resources = await Resources.create(alice)
        before = await stored_documents(database)
        fields = [
            (operation_id, field, method, path)
            for operation_id, method, path, _ in json_bodies(app)
            for field, kind in FIELDS.get(operation_id, {}).items()
            if kind == "id"
        ]
        for wrong in ("", "nonsense", "0" * 23, "0" * 25, "0" * 24, "a\0b", "é" * 12):
            for operation_id, field, method, path in fields:
                body = {**resources.bodies.get(operation_id, {}), field: wrong}
                if (operation_id, field) == ("stop_timer", "task_id"):
                    body = {"task_id": wrong}
                response = await alice.request(method, path.format(**resources.ids), json=body)
                problem(response, 404, NOT_FOUND[field])
        assert await stored_documents(database) == before
