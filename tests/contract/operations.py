"""Every operation of the API, with a request to it that succeeds.

Requests have placeholders: {task_id} and other ids stand for resources of a user, {word} for the name of all of these.
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
    "session_id": "session_not_found",
    "feed_id": "calendar_feed_not_found",
    "share_id": "share_not_found",
    "webhook_id": "webhook_not_found",
    "delivery_id": "delivery_not_found",
}
"""The error code of an unknown id in a path."""

ALL_TIME = {"from": "2026-01-01", "to": "9998-01-01"}
FILTERS = {"task_id": "{task_id}", "project_id": "{project_id}", "tag": "{word}"}
EXPORT_REQUEST = {"params": {**ALL_TIME, **FILTERS, "include_running": "true"}}

REQUESTS: dict[str, Json] = {
    "register": {"json": {"email": "{new_email}", "password": PASSWORD}},
    "sign_in": {"data": {"username": "{email}", "password": PASSWORD}},
    "refresh_session": {"json": {"refresh_token": "{refresh_token}"}},
    "change_me": {"json": {"full_name": "{word}"}},
    "create_api_token": {"json": {"name": "{word}", "scopes": ["read"]}},
    "create_calendar_feed": {"json": {"name": "{word}", "tag": "{word}", "project_id": "{project_id}"}},
    "create_share": {"json": {"name": "{word}", "report": {"type": "timesheet", "date": "2026-11-18"}}},
    "create_webhook": {"json": {"url": "https://127.0.0.1/{word}", "types": ["timer.started"]}},
    "change_webhook": {"json": {"description": "Changed {word}"}},
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
    "list_time_entries": {"params": {**FILTERS, "q": "{word}"}},
    "stream_events": {"params": {"after": "0"}},
    "start_timer": {"json": {"task_id": "{task_id}", "note": "{word}"}},
    "correct_timer": {"json": {"note": "Changed {word}"}},
    "switch_timer": {"json": {"task_id": "{other_task_id}"}},
    "stop_timer": {"json": {}},
    "report_summary": {"params": {**ALL_TIME, **FILTERS, "group_by": "client,task", "explain": "true"}},
    "report_summaries": {"params": {**ALL_TIME, **FILTERS, "group_by": ["task", "client,tag"]}},
    "report_timesheet": {"params": {"date": "2026-11-18", **FILTERS}},
    **{f"export_time_entries_as_{form}": EXPORT_REQUEST for form in ("csv", "xlsx", "ndjson", "ics")},
    "import_file": {
        "data": {"format": "csv", "timezone": "UTC"},
        "files": {"file": ("{word}.csv", "Start,End,Task\n2026-11-03 09:00,2026-11-03 10:00,{word}", "text/csv")},
    },
    "change_password": {"json": {"current_password": PASSWORD, "new_password": "staple gun"}},
    "delete_me": {"json": {"password": PASSWORD}},
}
"""The request of each operation that takes more than a path, as keyword arguments of the client."""


@dataclass(frozen=True)
class Operation:
    """One operation of the OpenAPI document."""

    id: str
    method: str
    path: str
    scope: str

    @property
    def path_ids(self) -> list[str]:
        """The names of the ids in the path."""
        return re.findall(r"\{(\w+_id)\}", self.path)

    def path_with(self, names: Json) -> str:
        """Return the path with its placeholders replaced. {secret} has a value for each operation."""
        return self.path.format_map({**names, "secret": names.get(f"secret of {self.id}", "unknown")})


def scope_of(security: list[Json]) -> str:
    """Return the accepted scopes; "account" if API tokens are refused, "open" if no token is required."""
    if not security:
        return "open"
    return " ".join(scope for scheme in security for scope in scheme.get("Password", ())) or "account"


def operations(app: FastAPI) -> Iterator[Operation]:
    """Yield every operation of the OpenAPI document."""
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            yield Operation(operation["operationId"], method.upper(), path, scope_of(operation["security"]))


def operations_with_ids(app: FastAPI) -> Iterator[tuple[str, str, list[str], Any]]:
    """Yield the operations with an id in the path: method, path template, names of the ids, body."""
    unknown_ids = dict.fromkeys(("task_id", "other_task_id"), "0" * 24)
    for operation in operations(app):
        if operation.path_ids:
            body = fill_placeholders(REQUESTS.get(operation.id, {}), {**unknown_ids, "word": "x"}).get("json")
            yield operation.method, operation.path.removeprefix(API), operation.path_ids, body


def fill_placeholders(value: Any, names: Json) -> Any:
    """Return the value with its placeholders replaced."""
    if isinstance(value, dict):
        return {name: fill_placeholders(inner, names) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(fill_placeholders(inner, names) for inner in value)
    return value.format_map(names) if isinstance(value, str) else value


async def stored_documents(database: Database) -> dict[str, list[Json]]:
    """Return all documents by collection, without those that background tasks change meanwhile."""
    left_out = {"time_entries", "changes", "feed_states", "leases", "open_streams", "stream_workers"}
    names = sorted(set(await database.list_collection_names()) - left_out)
    projection = {"outbox": 0, "outbox_since": 0}
    return {name: [row async for row in database[name].find({}, projection).sort("_id", 1)] for name in names}


async def create_one_of_each(client: Client, word: str) -> Json:
    """Create a resource of each kind for the user, named by the word. Return the values of the placeholders."""
    project = await client.make_project(name=word, client_name=word, hourly_rate={"amount": 6000, "currency": "EUR"})
    fields = {"title": word, "description": word, "tags": [word], "project_id": project["id"], "billable": True}
    task, other = await client.make_task(**fields), await client.make_task(**fields)
    entry = await client.write(task, note=word, tags=[word])
    deleted = await client.write(task, note=word, started_at=clock("15:00"))
    await client.delete(f"/tasks/{task['id']}/time-entries/{deleted['id']}")
    await client.delete(f"/tasks/{(await client.make_task(**fields))['id']}")
    batch = await client.import_csv(f"2026-11-02 09:00,2026-11-02 10:00,{word}", f"{word},2026-11-02 10:00,{word}")
    token = (await client.post("/auth/api-tokens", json={"name": word, "scopes": ["read"]})).json()
    feed = (await client.post("/calendar-feeds", json={"name": word, "days_back": 3_660, "tag": word})).json()
    share = (await client.post("/shares", json={"name": word, "report": {"type": "timesheet", "tag": [word]}})).json()
    hook = (await client.post("/webhooks", json={"url": f"https://127.0.0.1/{word}", "description": word})).json()
    delivery = (await client.post(f"/webhooks/{hook['id']}/test")).json()
    email = client.user["email"]
    return {
        "task_id": task["id"],
        "other_task_id": other["id"],
        "entry_id": entry["id"],
        "project_id": project["id"],
        "import_id": batch["id"],
        "token_id": token["id"],
        "session_id": (await create_refresh_token(client)).split("_")[-2],
        "feed_id": feed["id"],
        "secret of get_calendar": feed["url"].rpartition("/")[2].removesuffix(".ics"),
        "share_id": share["id"],
        "secret of read_shared_report": share["url"].rpartition("/")[2],
        "webhook_id": hook["id"],
        "delivery_id": delivery["id"],
        "email": email,
        "new_email": f"new-{email}",
        "word": word,
    }


async def create_refresh_token(client: Client) -> str:
    """Sign in again, and return the refresh token of that session."""
    signed_in = await client.post("/auth/token", data={"username": client.user["email"], "password": PASSWORD})
    token: str = signed_in.json()["refresh_token"]
    return token
