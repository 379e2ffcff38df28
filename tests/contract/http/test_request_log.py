"""The log event of each request."""

import asyncio
import signal
from pathlib import Path

from app.config import Settings
from tests.conftest import MakeUser
from tests.contract.http.test_crashes import log_events
from tests.support.http import API, PASSWORD, Client, problem
from tests.support.processes import free_port, running
from tests.support.services import environment

JSON = {"Content-Type": "application/json"}
SECRET = "5d1e3f49680c7a2b" * 4
SECRETS = ("secret-", PASSWORD, "wrong-password", "carol@example.com", SECRET[:32])


EVENT_KEYS = {
    *("event", "level", "time", "request_id", "worker_pid"),
    *("method", "route", "status", "milliseconds", "user_id", "client_address", "error_code"),
}


async def send_requests(client: Client) -> str:
    """Send requests with secrets in their path, query, body and token. Return the access token."""
    wrong = {"username": "carol@example.com", "password": "wrong-password"}
    problem(await client.post("/auth/token", data=wrong), 401, "invalid_credentials")
    right = {"username": "carol@example.com", "password": PASSWORD}
    token: str = (await client.post("/auth/token", data=right)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    secret_task = {"title": "secret-title", "description": "secret-body", "tags": ["secret-tag"]}
    task = (await client.post("/tasks", json=secret_task, headers=bearer)).json()
    await client.post("/timer/start", json={"task_id": task["id"], "note": "secret-note"}, headers=bearer)
    await client.post("/timer/stop", headers=bearer)
    await client.get(f"/tasks/{task['id']}", headers=bearer)
    await client.get("/tasks", params={"q": "secret-search"}, headers=bearer)
    await client.post("/tasks", json={"title": 7, "secret-field": "secret-value"}, headers=bearer)
    await client.post("/tasks", content=b'{"title": secret-broken', headers={**bearer, **JSON})
    await client.get("/users/me", headers={"Authorization": "Bearer secret-token"})
    await client.get("/secret-path")
    for path in ("/shared/secret-of-a-share", f"/shared/{SECRET}", f"/shared/{SECRET}.json"):
        await client.get(path)
    for name in (f"{SECRET}.ics", "secret-of-a-feed.ics"):
        await client.get(f"/calendar/{name}")
    return token


class TestRequestLog:
    async def test_each_request_has_an_event_without_its_contents(
        self, settings: Settings, make_user: MakeUser, tmp_path: Path
    ) -> None:
        carol = await make_user("carol@example.com")
        variables = {**environment(settings), "PORT": free_port()}
        with running("serve", folder=tmp_path, **variables) as program:
            await asyncio.to_thread(program.wait_until_ready)
            headers = {"X-Request-ID": "this-test"}
            async with Client(base_url=program.base_url + API, headers=headers, timeout=30) as client:
                token = await send_requests(client)
            program.send(signal.SIGTERM)
            assert await asyncio.to_thread(program.exit_code) == 0, program.output
        text = program.output
        for secret in (*SECRETS, token, token.split(".")[2]):
            assert secret not in text
        requests = [
            line for line in log_events(text) if line["event"] == "request" and line["request_id"] == "this-test"
        ]
        assert all(line.keys() == EVENT_KEYS and line["milliseconds"] >= 0 for line in requests)
        user_id = str(carol.user["_id"])
        assert [(line["method"], line["route"], line["status"], line["user_id"]) for line in requests] == [
            ("POST", f"{API}/auth/token", 401, None),
            ("POST", f"{API}/auth/token", 200, None),
            ("POST", f"{API}/tasks", 201, user_id),
            ("POST", f"{API}/timer/start", 201, user_id),
            ("POST", f"{API}/timer/stop", 200, user_id),
            ("GET", f"{API}/tasks/{{task_id}}", 200, user_id),
            ("GET", f"{API}/tasks", 200, user_id),
            ("POST", f"{API}/tasks", 422, user_id),
            ("POST", f"{API}/tasks", 422, user_id),
            ("GET", f"{API}/users/me", 401, None),
            ("GET", None, 404, None),
            *(("GET", f"{API}/shared/{{secret}}", 404, None) for _ in range(3)),
            *(("GET", f"{API}/calendar/{{secret}}.ics", 404, None) for _ in range(2)),
        ]
