"""The whole log of a service, and all that it prints, after a day's work: no secret, and nothing that was sent."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.config import Settings
from tests.conftest import Database
from tests.support.http import API, LONG, Client, problem
from tests.support.processes import free_port, outcome
from tests.support.services import environment, process_serving

CRASHING_COMMAND = """
import os
from app.commands.cli import main
from services.tracking.tags import TagService

async def crash(*arguments, **named):
    raise RuntimeError("the cause, " + "hid" + "den")

TagService.rename = crash
os.dup2(2, 1)
main()
"""
"""`task-timer`, which crashes when a tag is renamed, and prints all that it prints into its log."""

EMAIL = "hidden-address@example.com"
PASSWORD, WRONG, NEXT = "hidden-password", "hidden-mistake", "hidden-password-2"


@asynccontextmanager
async def logging_service(settings: Settings, log: Path, log_format: str) -> AsyncIterator[Client]:
    """A client of a service that runs as a process and says all that it has to say."""
    told = {**environment(settings), "LOG_LEVEL": "DEBUG", "LOG_FORMAT": log_format}
    async with (
        process_serving(["-c", CRASHING_COMMAND, "serve"], port=free_port(), log=log, **told) as address,
        Client(base_url=address + API, timeout=30) as client,
    ):
        yield client


class Day:
    """What somebody does in a day, all of it called hidden, and the secrets that were told meanwhile."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.answers: list[httpx.Response] = []
        self.secrets: set[str] = set()

    async def ask(self, status: int, method: str, path: str, **sent: Any) -> Any:
        """The answer, which is of this status."""
        response = await self.client.request(method, path, **sent)
        assert response.status_code == status, (method, path, response.text)
        self.answers.append(response)
        return response.json() if response.headers.get("content-type") == "application/json" else None

    async def sign_in(self, password: str) -> None:
        told = await self.ask(200, "POST", "/auth/token", data={"username": EMAIL, "password": password})
        self._carry(told)

    def _carry(self, told: Any) -> None:
        self.secrets |= {told["access_token"], told["access_token"].rpartition(".")[2], told["refresh_token"]}
        self.client.headers["Authorization"] = f"Bearer {told['access_token']}"
        self.refresh_token = told["refresh_token"]

    async def account(self) -> ObjectId:
        """Signs in, fails to, refreshes, changes the password; the id of the user."""
        user = await self.ask(
            201, "POST", "/users", json={"email": EMAIL, "password": PASSWORD, "full_name": "hidden name"}
        )
        await self.ask(409, "POST", "/users", json={"email": EMAIL, "password": PASSWORD})
        await self.ask(401, "POST", "/auth/token", data={"username": EMAIL, "password": WRONG})
        await self.sign_in(PASSWORD)
        self._carry(await self.ask(200, "POST", "/auth/refresh", json={"refresh_token": self.refresh_token}))
        await self.ask(403, "PATCH", "/users/me", json={"email": f"new-{EMAIL}", "current_password": WRONG})
        await self.ask(204, "POST", "/auth/password", json={"current_password": PASSWORD, "new_password": NEXT})
        await self.ask(401, "GET", "/tasks")
        await self.ask(401, "POST", "/auth/refresh", json={"refresh_token": self.refresh_token})
        await self.sign_in(NEXT)
        return ObjectId(user["id"])

    async def program(self) -> None:
        """Mints an API token, and uses it where it is good and where it is not."""
        made = await self.ask(201, "POST", "/auth/api-tokens", json={"name": "hidden program", "scopes": ["read"]})
        self.secrets.add(made["token"])
        headers = {"Authorization": f"Bearer {made['token']}"}
        await self.ask(200, "GET", "/tasks", headers=headers)
        await self.ask(403, "POST", "/tasks", headers=headers, json={"title": "hidden title"})
        await self.ask(401, "GET", "/tasks", headers={"Authorization": "Bearer hidden-bearer"})

    async def work(self) -> None:
        """Tracks time, imports, exports, searches."""
        said = {"title": "hidden title", "description": "hidden description", "tags": ["hidden tag"]}
        task = await self.ask(201, "POST", "/tasks", json=said, headers={"Idempotency-Key": "hidden-key"})
        await self.ask(201, "POST", "/projects", json={"name": "hidden project", "client_name": "hidden client"})
        await self.ask(201, "POST", "/timer/start", json={"task_id": task["id"], "note": "hidden note"})
        await self.ask(200, "POST", "/timer/stop")
        rows = b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,hidden row\nhidden start,2026-11-02 10:00,x"
        form = {"format": "csv", "timezone": "UTC"}
        await self.ask(201, "POST", "/imports", data=form, files={"file": ("hidden-file.csv", rows)})
        await self.ask(422, "POST", "/imports", data=form, files={"file": ("hidden-file.csv", b"hidden header\nx")})
        time = {"from": "2026-01-01", "to": "9998-01-01"}
        for form_of_export in ("time-entries.csv", "time-entries.xlsx", "time-entries.ndjson", "time-entries.ics"):
            await self.ask(200, "GET", f"/exports/{form_of_export}", params=time)
        await self.ask(200, "GET", "/exports/account.ndjson.gz")
        await self.ask(200, "GET", "/tasks", params={"q": "hidden search"})

    async def mistakes(self) -> None:
        """Sends what cannot be read, and what makes the service crash."""
        json = {"Content-Type": "application/json"}
        await self.ask(422, "POST", "/tasks", json={"title": 7, "hidden-field": "hidden value"})
        await self.ask(422, "POST", "/tasks", content=b'{"title": hidden-broken', headers=json)
        await self.ask(415, "POST", "/tasks", content=b"hidden", headers={"Content-Type": "text/hidden"})
        await self.ask(422, "POST", "/imports", content=b"hidden", headers={"Content-Type": "multipart/form-data"})
        await self.ask(422, "GET", "/tasks", params={"cursor": "hidden-cursor", "hidden": "hidden"})
        await self.ask(422, "PATCH", f"/tasks/{'0' * 24}", json={}, headers={"If-Match": "hidden-version"})
        await self.ask(404, "GET", "/hidden-path")
        await self.ask(404, "GET", "/tasks/hidden-id")
        await self.ask(500, "POST", "/tags/rename", json={"from": "hidden tag", "to": "hidden"})


async def hashes(database: Database, user_id: ObjectId) -> set[str]:
    """Every hash that is stored of this user's secrets."""
    found: set[str] = set()
    for collection in ("users", "refresh_tokens", "api_tokens"):
        async for row in database[collection].find({"$or": [{"_id": user_id}, {"user_id": user_id}]}):
            found |= {str(value) for name, value in row.items() if "hash" in name and value}
    return found


def tell_nothing_of_the_inside(answers: list[httpx.Response]) -> None:
    """Fails when an answer tells what the service is made of, or what made it crash."""
    problem(answers[-1], 500, "internal_error")
    for answer in answers:
        told = str((answer.headers.raw, answer.content))
        for word in ("Traceback", "RuntimeError", "the cause", "uvicorn", "site-packages", ".py", "127.0.0.1"):
            assert word not in told, (word, answer.request.url)
        assert not {"server", "x-powered-by", "set-cookie"} & answer.headers.keys()


class TestTheLogOfADay:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    async def test_holds_no_secret_and_nothing_that_was_sent(
        self, settings: Settings, empty_service: str, database: Database, tmp_path: Path, log_format: str
    ) -> None:
        assert empty_service
        log = tmp_path / "log"
        async with logging_service(settings, log, log_format) as client:
            day = Day(client)
            user_id = await day.account()
            await day.program()
            await day.work()
            await day.mistakes()
        tell_nothing_of_the_inside(day.answers)
        assert settings.secret_key is not None
        secrets = day.secrets | await hashes(database, user_id) | {settings.secret_key.get_secret_value()}
        secrets |= {hashlib.sha256(secret.encode()).hexdigest() for secret in day.secrets}
        assert len(secrets) > 15
        text = log.read_text(encoding="utf-8")
        assert [word for word in (*secrets, "hidden", "example.com") if word in text] == []
        assert "Traceback" in text
        assert "builtins.RuntimeError" in text
        assert text.count("milliseconds") >= len(day.answers)
        assert ("Docs   http" if log_format == "console" else '"docs":"http') in text, "the start is there too"


class TestTheAddressOfTheDatabase:
    def test_is_never_told_with_its_password(self, tmp_path: Path) -> None:
        url = f"mongodb://someone:hidden-password@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=500&replicaSet=x"
        told = {"DATABASE_URL": url, "LOG_LEVEL": "DEBUG", "DEBUG": "true"}
        for command in ("serve", "doctor", "export", "import") if LONG else ("serve",):
            said = outcome(command, folder=tmp_path, PORT=free_port(), SECRET_KEY="h1dd3n" * 8, **told)
            assert said.returncode != 0
            assert said.stdout + said.stderr
            assert "hidden" not in said.stdout + said.stderr, command
            assert "h1dd3n" not in said.stdout + said.stderr, command
