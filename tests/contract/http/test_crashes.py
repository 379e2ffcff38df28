"""Unexpected exceptions: 500 without details, and a log event."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.contract.http.security_headers import assert_security_headers
from tests.support.http import API, Client, Json, problem
from tests.support.processes import free_port
from tests.support.services import environment, process_serving

CRASHING_SERVICE = """
import uvicorn
from app.config import get_settings
from app.main import create_app

app = create_app()

@app.get("/crash")
async def crash():
    try:
        int("the " + "secret of the attic")
    except ValueError as error:
        raise RuntimeError("the " + "secret of the cellar") from error

uvicorn.run(app, port=get_settings().port, log_config=None, access_log=False)
"""


class TestUnexpectedException:
    async def test_response_is_500_without_the_exception(self, crashing_client: Client) -> None:
        response = await crashing_client.get("/crash", headers={"X-Request-ID": "mine"})
        body = problem(response, 500, "internal_error")
        assert "cellar" not in response.text
        assert "RuntimeError" not in response.text
        assert body["request_id"] == "mine"
        assert_security_headers(response)

    async def test_response_is_readable_from_an_allowed_origin(self, crashing_client: Client) -> None:
        response = await crashing_client.post("/crash", headers={"Origin": "https://app.example"}, json={})
        problem(response, 500, "internal_error")
        assert response.headers["access-control-allow-origin"] == "https://app.example"

    async def test_service_keeps_working(self, crashing_client: Client) -> None:
        await asyncio.gather(*(crashing_client.get("/crash") for _ in range(10)))
        assert (await crashing_client.get(f"{API}/users/me")).status_code == 200

    async def test_connection_is_closed_if_the_response_has_begun(self, crashing_client: Client) -> None:
        async with crashing_client.stream("GET", "/crash/half-way") as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()
        assert (await crashing_client.get("/health")).status_code == 200

    async def test_log_has_the_traceback_without_the_messages(self, settings: Settings, tmp_path: Path) -> None:
        log = tmp_path / "log"
        async with (
            process_serving(["-c", CRASHING_SERVICE], port=free_port(), log=log, **environment(settings)) as address,
            Client(base_url=address) as client,
        ):
            problem(await client.get("/crash", headers={"X-Request-ID": "mine"}), 500, "internal_error")
        text = log.read_text(encoding="utf-8")
        (crash,) = [line for line in log_events(text) if line["event"] == "crash"]
        assert crash["request_id"] == "mine"
        assert (crash["level"], crash["error"]) == ("error", "RuntimeError")
        assert [
            line for line in crash["exception"].splitlines() if line and not line.startswith((" ", "Traceback"))
        ] == [
            "builtins.RuntimeError",
            "caused by",
            "builtins.ValueError",
        ]
        assert "in crash" in crash["exception"]
        assert "the secret of" not in text
        (request,) = [line for line in log_events(text) if line["event"] == "request" and line["request_id"] == "mine"]
        assert request["status"] == 500


def log_events(log: str) -> list[Json]:
    return [json.loads(line) for line in log.splitlines()]
