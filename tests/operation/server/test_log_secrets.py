"""The log and the output of a service contain no secret and no content of a request."""

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.config import Settings
from tests.conftest import Database
from tests.operation.server import internal_error
from tests.support.http import API, LONG, Client, problem
from tests.support.processes import Program, free_port, run_command, running_prepared
from tests.support.services import environment

EMAIL = "hidden-address@example.com"
PASSWORD, WRONG_PASSWORD, NEW_PASSWORD = "hidden-password", "hidden-mistake", "hidden-password-2"


@asynccontextmanager
async def logging_service(settings: Settings, folder: Path, log_format: str) -> AsyncIterator[tuple[Program, Client]]:
    """A service process with the log level DEBUG, and a client. An internal error ends the request to rename a tag."""
    variables = {**environment(settings), "PORT": free_port(), "LOG_LEVEL": "DEBUG", "LOG_FORMAT": log_format}
    with running_prepared(internal_error.__name__, "serve", folder=folder, **variables) as program:
        await asyncio.to_thread(program.wait_until_ready)
        async with Client(base_url=program.base_url + API, timeout=30) as client:
            yield program, client
        program.send(signal.SIGTERM)
        assert await asyncio.to_thread(program.exit_code) == 0, program.output


class Session:
    """Sends many kinds of requests. All their values contain "hidden". Collects the secrets in the responses."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.responses: list[httpx.Response] = []
        self.secrets: set[str] = set()

    async def send(self, status: int, method: str, path: str, **sent: Any) -> Any:
        """Send a request, check the status, and return the JSON body of the response, if any."""
        response = await self.client.request(method, path, **sent)
        assert response.status_code == status, (method, path, response.text)
        self.responses.append(response)
        return response.json() if response.headers.get("content-type") == "application/json" else None

    async def sign_in(self, password: str) -> None:
        tokens = await self.send(200, "POST", "/auth/token", data={"username": EMAIL, "password": password})
        self._use_tokens(tokens)

    def _use_tokens(self, tokens: Any) -> None:
        self.secrets |= {tokens["access_token"], tokens["access_token"].rpartition(".")[2], tokens["refresh_token"]}
        self.client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.refresh_token = tokens["refresh_token"]

    async def use_account(self) -> ObjectId:
        """Register, sign in, refresh the tokens and change the password. Returns the id of the user."""
        user = await self.send(
            201, "POST", "/users", json={"email": EMAIL, "password": PASSWORD, "full_name": "hidden name"}
        )
        await self.send(409, "POST", "/users", json={"email": EMAIL, "password": PASSWORD})
        await self.send(401, "POST", "/auth/token", data={"username": EMAIL, "password": WRONG_PASSWORD})
        await self.sign_in(PASSWORD)
        self._use_tokens(await self.send(200, "POST", "/auth/refresh", json={"refresh_token": self.refresh_token}))
        await self.send(403, "PATCH", "/users/me", json={"email": f"new-{EMAIL}", "current_password": WRONG_PASSWORD})
        await self.send(
            204, "POST", "/auth/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        )
        await self.send(401, "GET", "/tasks")
        await self.send(401, "POST", "/auth/refresh", json={"refresh_token": self.refresh_token})
        await self.sign_in(NEW_PASSWORD)
        return ObjectId(user["id"])

    async def use_session_cookie(self) -> None:
        """Sign in to a cookie, refresh and sign out with it, and send it from another origin and once too often."""
        form, own = {"username": EMAIL, "password": NEW_PASSWORD}, {"Sec-Fetch-Site": "same-origin"}
        headers = {**own, "Authorization": ""}
        await self.send(200, "POST", "/auth/token", params={"session": "cookie"}, data=form, headers=own)
        self.secrets.add(self.client.cookies["task_timer_session"])
        await self.send(200, "POST", "/auth/refresh", headers=own)
        refreshed = self.client.cookies["task_timer_session"]
        self.secrets |= {refreshed, refreshed.rpartition("_")[2]}
        await self.send(403, "POST", "/auth/refresh", headers={"Origin": "https://hidden.example.com"})
        await self.send(204, "POST", "/auth/logout", headers=headers)
        headers["Cookie"] = f"task_timer_session={refreshed}"
        await self.send(401, "POST", "/auth/logout", headers=headers)
        await self.send(401, "POST", "/auth/refresh", headers=headers)

    async def use_api_token(self) -> None:
        """Create an API token, and use it for requests in and out of its scopes."""
        token = await self.send(201, "POST", "/auth/api-tokens", json={"name": "hidden program", "scopes": ["read"]})
        self.secrets.add(token["token"])
        headers = {"Authorization": f"Bearer {token['token']}"}
        await self.send(200, "GET", "/tasks", headers=headers)
        await self.send(403, "POST", "/tasks", headers=headers, json={"title": "hidden title"})
        await self.send(401, "GET", "/tasks", headers={"Authorization": "Bearer hidden-bearer"})

    async def share_report(self) -> None:
        """Share a report, and read it with its secret, with a wrong one, and with a parameter that it does not take."""
        body = {"name": "hidden share", "report": {"type": "timesheet", "tag": ["hidden tag"]}}
        share = await self.send(201, "POST", "/shares", json=body)
        secret = share["url"].rpartition("/")[2]
        self.secrets |= {secret, secret[:32], secret.upper()}
        path = f"/shared/{secret}"
        await self.send(200, "GET", path)
        await self.send(200, "GET", path, headers={"Referer": share["url"], "User-Agent": share["url"]})
        await self.send(422, "GET", path, params={"hidden": secret})
        await self.send(405, "DELETE", path)
        await self.send(404, "GET", f"{path}/more")
        await self.send(404, "GET", path.upper())
        await self.send(404, "GET", f"/shared/{secret[:-1]}")
        await self.send(204, "DELETE", f"/shares/{share['id']}")
        await self.send(404, "GET", path)

    async def use_calendar_feed(self) -> None:
        """Create a calendar feed, read its calendar by the secret URL, and send invalid requests with the secret."""
        body, host = {"name": "hidden feed", "tag": "hidden tag"}, {"Host": "hidden.example.net"}
        feed = await self.send(201, "POST", "/calendar-feeds", json=body, headers=host)
        secret = feed["url"].rpartition("/")[2].removesuffix(".ics")
        self.secrets |= {secret, secret[:16], secret[-16:]}
        path = f"/calendar/{secret}.ics"
        await self.send(200, "GET", path)
        await self.send(200, "HEAD", path)
        await self.send(422, "GET", path, params={"hidden": "1"})
        await self.send(405, "POST", path)
        for other in (secret, f"{secret[:-1]}.ics", f"{secret.upper()}.ics", f"{secret}.ics/", f"hidden/{secret}.ics"):
            await self.send(404, "GET", f"/calendar/{other}")
        await self.send(204, "DELETE", f"/calendar-feeds/{feed['id']}")
        await self.send(404, "GET", path)

    async def use_webhooks(self) -> None:
        """Create a webhook, replace its secret, send a test, and delete it."""
        new = {"url": "https://[::1]/hidden-path?hidden", "description": "hidden webhook"}
        webhook = await self.send(201, "POST", "/webhooks", json=new)
        at = f"/webhooks/{webhook['id']}"
        rotated = await self.send(200, "POST", f"{at}/rotate-secret")
        self.secrets |= {webhook["secret"], rotated["secret"]}
        await self.send(202, "POST", f"{at}/test")
        await self.send(200, "GET", f"{at}/deliveries")
        await self.send(204, "DELETE", at)
        await self.send(422, "POST", "/webhooks", json={**new, "url": "https://hidden-user@[::1]/hidden"})

    async def track_time(self) -> None:
        """Track time, import, export and search."""
        body = {"title": "hidden title", "description": "hidden description", "tags": ["hidden tag"]}
        task = await self.send(201, "POST", "/tasks", json=body, headers={"Idempotency-Key": "hidden-key"})
        await self.send(201, "POST", "/projects", json={"name": "hidden project", "client_name": "hidden client"})
        await self.send(201, "POST", "/timer/start", json={"task_id": task["id"], "note": "hidden note"})
        await self.send(200, "POST", "/timer/stop")
        rows = b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,hidden row\nhidden start,2026-11-02 10:00,x"
        form = {"format": "csv", "timezone": "UTC"}
        await self.send(201, "POST", "/imports", data=form, files={"file": ("hidden-file.csv", rows)})
        await self.send(422, "POST", "/imports", data=form, files={"file": ("hidden-file.csv", b"hidden header\nx")})
        time = {"from": "2026-01-01", "to": "9998-01-01"}
        for name in ("time-entries.csv", "time-entries.xlsx", "time-entries.ndjson", "time-entries.ics"):
            await self.send(200, "GET", f"/exports/{name}", params=time)
        await self.send(200, "GET", "/exports/account.ndjson.gz")
        await self.send(200, "GET", "/tasks", params={"q": "hidden search"})

    async def send_invalid_requests(self) -> None:
        """Send invalid requests, and one that causes an internal error."""
        json = {"Content-Type": "application/json"}
        await self.send(422, "POST", "/tasks", json={"title": 7, "hidden-field": "hidden value"})
        await self.send(422, "POST", "/tasks", content=b'{"title": hidden-broken', headers=json)
        await self.send(415, "POST", "/tasks", content=b"hidden", headers={"Content-Type": "text/hidden"})
        await self.send(422, "POST", "/imports", content=b"hidden", headers={"Content-Type": "multipart/form-data"})
        await self.send(422, "GET", "/tasks", params={"cursor": "hidden-cursor", "hidden": "hidden"})
        await self.send(422, "PATCH", f"/tasks/{'0' * 24}", json={}, headers={"If-Match": "hidden-version"})
        await self.send(404, "GET", "/hidden-path")
        await self.send(404, "GET", "/tasks/hidden-id")
        await self.send(500, "POST", "/tags/rename", json={"from": "hidden tag", "to": "hidden"})


async def hashes(database: Database, user_id: ObjectId) -> set[str]:
    """Return all stored hashes of secrets of the user."""
    stored_hashes: set[str] = set()
    for collection in ("users", "refresh_tokens", "api_tokens", "calendar_feeds", "shares"):
        async for row in database[collection].find({"$or": [{"_id": user_id}, {"user_id": user_id}]}):
            stored_hashes |= {str(value) for name, value in row.items() if "hash" in name and value}
    return stored_hashes


def assert_no_internals(responses: list[httpx.Response]) -> None:
    """Check that no response reveals the implementation or the cause of the internal error."""
    problem(responses[-1], 500, "internal_error")
    for response in responses:
        origin = str(response.request.url.copy_with(raw_path=b"")).rstrip("/")
        content = str((response.headers.raw, response.content)).replace(origin, "")  # in the URL of a share
        for word in ("Traceback", "RuntimeError", "the cause", "uvicorn", "site-packages", ".py", "127.0.0.1"):
            assert word not in content, (word, response.request.url)
        assert not {"server", "x-powered-by"} & response.headers.keys()
        assert ("set-cookie" in response.headers) <= ("/auth/" in str(response.url))


class TestLog:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    async def test_log_contains_no_secrets_and_no_content_of_requests(
        self, settings: Settings, empty_service: str, database: Database, tmp_path: Path, log_format: str
    ) -> None:
        assert empty_service
        async with logging_service(settings, tmp_path, log_format) as (program, client):
            session = Session(client)
            user_id = await session.use_account()
            await session.use_session_cookie()
            await session.use_api_token()
            await session.use_webhooks()
            await session.share_report()
            await session.use_calendar_feed()
            await session.track_time()
            await session.send_invalid_requests()
        assert_no_internals(session.responses)
        assert settings.secret_key is not None
        secrets = session.secrets | await hashes(database, user_id) | {settings.secret_key.get_secret_value()}
        secrets |= {hashlib.sha256(secret.encode()).hexdigest() for secret in session.secrets}
        assert len(secrets) > 15
        text = program.output
        assert [word for word in (*secrets, "hidden", "example.com") if word in text] == []
        assert "Traceback" in text
        assert "builtins.RuntimeError" in text
        assert text.count("milliseconds") >= len(session.responses)
        assert ("Docs   http" if log_format == "console" else '"docs":"http') in text, "the log begins with the start"


class TestDatabaseUrl:
    def test_output_contains_no_password_of_the_database(self, tmp_path: Path) -> None:
        url = f"mongodb://someone:hidden-password@127.0.0.1:{free_port()}/?timeoutMS=500&replicaSet=x"
        variables = {"DATABASE_URL": url, "LOG_LEVEL": "DEBUG", "DEBUG": "true"}
        for command in ("serve", "doctor", "export", "import") if LONG else ("serve",):
            result = run_command(command, folder=tmp_path, PORT=free_port(), SECRET_KEY="h1dd3n" * 8, **variables)
            assert result.returncode != 0
            assert result.stdout + result.stderr
            assert "hidden" not in result.stdout + result.stderr, command
            assert "h1dd3n" not in result.stdout + result.stderr, command
