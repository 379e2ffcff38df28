"""JSON bodies of every operation, and the resources that they need."""

import json
from collections.abc import Iterator

from fastapi import FastAPI

from tests.support.http import API, Client, Json, clock


def json_bodies(app: FastAPI) -> Iterator[tuple[str, str, str, Json]]:
    """Yield the operations with a JSON body that has fields: id, method, path template, schema of the body."""
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                shape = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                if shape["properties"]:
                    yield operation["operationId"], method, path.removeprefix(API), shape


class Resources:
    """A task with an ended entry, a project, an import, an API token, an inactive webhook, and a timer on another task.

    `ids` are the values of the ids in paths, `bodies` a valid body by operation id.
    """

    ids: Json
    bodies: Json

    @classmethod
    async def create(cls, client: Client) -> "Resources":
        """Create the resources for the user of the client."""
        resources, task = cls(), await client.make_task()
        entry, project = await client.write(task), await client.make_project()
        batch = await client.import_csv("2026-11-02 09:00,2026-11-02 10:00,Mail")
        token = (await client.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"]})).json()
        feed = (await client.post("/calendar-feeds", json={"name": "x"})).json()
        share = (await client.post("/shares", json={"name": "x", "report": {"type": "timesheet"}})).json()
        hook = (await client.post("/webhooks", json={"url": "https://127.0.0.1/"})).json()
        await client.patch(f"/webhooks/{hook['id']}", json={"active": False})
        timer = await client.start(await client.make_task(title="Other"))
        resources.ids = {
            "task_id": task["id"],
            "entry_id": entry["id"],
            "project_id": project["id"],
            "import_id": batch["id"],
            "token_id": token["id"],
            "feed_id": feed["id"],
            "share_id": share["id"],
            "webhook_id": hook["id"],
            "delivery_id": "0" * 24,
            "session_id": "0" * 24,
        }
        resources.bodies = {
            "create_task": {"title": "x"},
            "create_project": {"name": "x"},
            "create_time_entry": {"started_at": clock("09:00")},
            "start_timer": {"task_id": task["id"]},
            "stop_timer": {"entry_id": timer["entry"]["id"]},
            "switch_timer": {"task_id": task["id"]},
            "rename_tag": {"from": "a", "to": "b"},
            "change_password": {"current_password": "correct horse battery", "new_password": "staple gun"},
            "create_api_token": {"name": "x", "scopes": ["read"]},
            "create_calendar_feed": {"name": "x"},
            "create_share": {"name": "x", "report": {"type": "timesheet"}},
            "create_webhook": {"url": "https://127.0.0.1/"},
            "register": {"email": "new@example.com", "password": "correct horse battery"},
        }
        return resources

    def body(self, operation_id: str, field: str, raw: str) -> bytes:
        """Return a valid body, except for this field, whose JSON value is `raw`."""
        others = {name: value for name, value in self.bodies.get(operation_id, {}).items() if name != field}
        members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in others.items()]
        return "{{{}}}".format(", ".join([*members, f'"{field}": {raw}'])).encode()
