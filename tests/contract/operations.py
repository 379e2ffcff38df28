"""Every operation of the API, a request to it that succeeds, and how requests name what they are about.

In a request {task_id} and the like stand for somebody's things, and {word} for what all of these are called.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from tests.conftest import Database
from tests.support.http import API, PASSWORD, Client, Json, clock

NOT_FOUND = {
    "task_id": "task_not_found",
    "entry_id": "entry_not_found",
    "project_id": "project_not_found",
    "import_id": "import_not_found",
    "token_id": "token_not_found",
}
"""What a route says of an id in its path that is nothing to the one who asks."""

TIME = {"from": "2026-01-01", "to": "9998-01-01"}
OF_THINGS = {"task_id": "{task_id}", "project_id": "{project_id}", "tag": "{word}"}
EXPORTED = {"params": {**TIME, **OF_THINGS, "include_running": "true"}}

REQUESTS: dict[str, Json] = {
    "register": {"json": {"email": "{new_email}", "password": PASSWORD}},
    "sign_in": {"data": {"username": "{email}", "password": PASSWORD}},
    "refresh_session": {"json": {"refresh_token": "{refresh_token}"}},
    "change_me": {"json": {"full_name": "{word}"}},
    "create_api_token": {"json": {"name": "{word}", "scopes": ["read"]}},
    "list_tasks": {"params": {"project_id": "{project_id}", "tag": "{word}", "q": "{word}"}},
    "create_task": {"json": {"title": "{word}", "project_id": "{project_id}"}},
    "change_tasks": {
        "json": {"operations": [{"op": "update", "task_id": "{task_id}", "body": {"priority": 1}}], "atomic": True}
    },
    "change_task": {"json": {"title": "Changed {word}"}},
    "create_project": {"json": {"name": "Another {word}"}},
    "change_project": {"json": {"name": "Changed {word}"}, "params": {"rerate": "true"}},
    "rename_tag": {"json": {"from": "{word}", "to": "{word}"}},
    "create_time_entry": {"json": {"started_at": clock("12:00"), "duration_seconds": 60, "note": "{word}"}},
    "change_time_entry": {"json": {"note": "Changed {word}"}},
    "split_time_entry": {"json": {"at": clock("09:30")}},
    "move_time_entry": {"json": {"task_id": "{other_task_id}"}},
    "list_time_entries": {"params": {**OF_THINGS, "q": "{word}"}},
    "start_timer": {"json": {"task_id": "{task_id}", "note": "{word}"}},
    "correct_timer": {"json": {"note": "Changed {word}"}},
    "switch_timer": {"json": {"task_id": "{other_task_id}"}},
    "stop_timer": {"json": {}},
    "report_summary": {"params": {**TIME, **OF_THINGS, "group_by": "client,task", "explain": "true"}},
    "report_timesheet": {"params": {"date": "2026-11-18", **OF_THINGS}},
    **{f"export_time_entries_as_{form}": EXPORTED for form in ("csv", "xlsx", "ndjson", "ics")},
    "import_file": {
        "data": {"format": "csv", "timezone": "UTC"},
        "files": {"file": ("{word}.csv", "Start,End,Task\n2026-11-03 09:00,2026-11-03 10:00,{word}", "text/csv")},
    },
    "change_password": {"json": {"current_password": PASSWORD, "new_password": "staple gun"}},
    "delete_me": {"json": {"password": PASSWORD}},
}
"""What is sent to an operation that takes more than its path."""


@dataclass(frozen=True)
class Operation:
    """One operation of the OpenAPI document."""

    id: str
    method: str
    path: str
    scope: str

    @property
    def names(self) -> list[str]:
        """Of the ids in its path."""
        return re.findall(r"\{(\w+)\}", self.path)


def scope_of(security: list[Json]) -> str:
    """The scopes of which one is enough; "account" where no token is, "open" where none is needed."""
    if not security:
        return "open"
    return " ".join(scope for scheme in security for scope in scheme.get("Password", ())) or "account"


def operations(app: FastAPI) -> Iterator[Operation]:
    for path, item in app.openapi()["paths"].items():
        for method, said in item.items():
            yield Operation(said["operationId"], method.upper(), path, scope_of(said["security"]))


def with_ids(app: FastAPI) -> Iterator[tuple[str, str, list[str], Any]]:
    """The routes that take an id: the method, the address with the ids' names in it, those names, and a body."""
    nobodys = dict.fromkeys(("task_id", "other_task_id"), "0" * 24)
    for operation in operations(app):
        if operation.names:
            body = filled(REQUESTS.get(operation.id, {}), {**nobodys, "word": "x"}).get("json")
            yield operation.method, operation.path.removeprefix(API), operation.names, body


def filled(value: Any, names: Json) -> Any:
    """The same with what the names in it stand for."""
    if isinstance(value, dict):
        return {name: filled(inner, names) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(filled(inner, names) for inner in value)
    return value.format_map(names) if isinstance(value, str) else value


async def everything(database: Database) -> dict[str, list[Json]]:
    """All that is stored."""
    names = sorted(name for name in await database.list_collection_names() if name != "time_entries")
    return {name: [row async for row in database[name].find().sort("_id", 1)] for name in names}


async def some_of_everything(client: Client, word: str) -> Json:
    """What the names in a request stand for, of this user, who has something of every kind, all called by this word."""
    project = await client.make_project(name=word, client_name=word, hourly_rate={"amount": 6000, "currency": "EUR"})
    said = {"title": word, "description": word, "tags": [word], "project_id": project["id"], "billable": True}
    task, other = await client.make_task(**said), await client.make_task(**said)
    entry = await client.write(task, note=word, tags=[word])
    deleted = await client.write(task, note=word, started_at=clock("15:00"))
    await client.delete(f"/tasks/{task['id']}/time-entries/{deleted['id']}")
    await client.delete(f"/tasks/{(await client.make_task(**said))['id']}")
    read_in = await client.read_in(f"2026-11-02 09:00,2026-11-02 10:00,{word}", f"{word},2026-11-02 10:00,{word}")
    token = (await client.post("/auth/api-tokens", json={"name": word, "scopes": ["read"]})).json()
    email = client.user["email"]
    return {
        "task_id": task["id"],
        "other_task_id": other["id"],
        "entry_id": entry["id"],
        "project_id": project["id"],
        "import_id": read_in["id"],
        "token_id": token["id"],
        "email": email,
        "new_email": f"new-{email}",
        "word": word,
    }


async def refresh_token_of(client: Client) -> str:
    """A refresh token of this user: from a session of its own."""
    signed_in = await client.post("/auth/token", data={"username": client.user["email"], "password": PASSWORD})
    token: str = signed_in.json()["refresh_token"]
    return token
