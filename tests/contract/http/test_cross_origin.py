"""Web pages from other origins: what they may send and read, held against the OpenAPI document."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app
from tests.conftest import Database
from tests.contract.operations import operations
from tests.support.http import API, Client, Json, problem
from tests.support.services import serving_beside

ORIGIN = "https://page.example"
SAFELISTED = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}
"""What a page may always read (the Fetch standard, section 2.2.2)."""

FOR_THE_BROWSER = {
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-security-policy",
    "cross-origin-resource-policy",
    "date",
    "referrer-policy",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
    "x-frame-options",
}


@pytest.fixture
async def elsewhere(settings: Settings, database: Database, alice: Client) -> AsyncIterator[Client]:
    """A client of a service that lets pages of ORIGIN ask, as such a page, signed in."""
    app = create_app(settings.model_copy(update={"cors_origins": (ORIGIN,)}))
    headers = {"Authorization": alice.headers["authorization"], "Origin": ORIGIN}
    async with serving_beside(app, database) as address, Client(base_url=address, headers=headers) as client:
        yield client


def headers_to_send(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Every header that an operation takes: method, path, name."""
    document = app.openapi()
    for operation in operations(app):
        said: Json = document["paths"][operation.path][operation.method.lower()]
        for parameter in said.get("parameters", ()):
            if parameter["in"] == "header":
                yield operation.method, operation.path, parameter["name"]
        if said.get("security"):
            yield operation.method, operation.path, "Authorization"
        if "requestBody" in said:
            yield operation.method, operation.path, "Content-Type"


async def preflight(client: Client, method: str, path: str, *names: str, origin: str = ORIGIN) -> httpx.Response:
    """What a browser is told that asks whether a page may send this."""
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": ", ".join(names).lower()}
    return await client.options(path.format_map(dict.fromkeys(IDS, "0" * 24)), headers={**asked, "Origin": origin})


IDS = ("task_id", "entry_id", "project_id", "import_id", "token_id")


class TestAPreflight:
    async def test_allows_every_header_of_every_operation(self, app: FastAPI, elsewhere: Client) -> None:
        found = list(headers_to_send(app))
        assert {name for _, _, name in found} >= {"Authorization", "Content-Type", "Idempotency-Key", "If-Match"}
        for method, path, name in found:
            answer = await preflight(elsewhere, method, path, name, "X-Request-ID")
            allowed = {word.strip().lower() for word in answer.headers["access-control-allow-headers"].split(",")}
            assert answer.status_code == 200, (method, path, name)
            assert {name.lower(), "x-request-id"} <= allowed
            assert method in answer.headers["access-control-allow-methods"]
            assert answer.headers["access-control-allow-origin"] == ORIGIN

    async def test_allows_every_method(self, app: FastAPI, elsewhere: Client) -> None:
        for operation in operations(app):
            answer = await preflight(elsewhere, operation.method, operation.path, "authorization")
            assert answer.status_code == 200, operation.id

    async def test_allows_nothing_else(self, elsewhere: Client) -> None:
        path = f"{API}/tasks"
        assert (await preflight(elsewhere, "POST", path, "X-Anything")).status_code == 400
        assert (await preflight(elsewhere, "PUT", path)).status_code == 400
        refused = await preflight(elsewhere, "POST", path, "Content-Type", origin="https://other.example")
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers


class TestAnAnswer:
    async def test_may_be_read_with_all_its_headers(self, app: FastAPI, elsewhere: Client) -> None:
        elsewhere.base_url = elsewhere.base_url.join(API)
        task = await elsewhere.make_task()
        key = {"Idempotency-Key": "once"}
        report = {"from": "2026-11-01", "to": "2026-12-01"}
        answers = [
            await elsewhere.post("/tasks", json={"title": "x"}, headers=key),
            await elsewhere.post("/tasks", json={"title": "x"}, headers=key),
            await elsewhere.get(f"/tasks/{task['id']}", headers={"If-None-Match": '"1"'}),
            await elsewhere.get("/exports/time-entries.csv", params=report),
            await elsewhere.put("/tasks"),
            await elsewhere.post("/tasks", content=b"x", headers={"Content-Encoding": "gzip"}),
            await elsewhere.get("/tasks", headers={"Authorization": "Bearer x"}),
            await elsewhere.get("/tasks/x"),
        ]
        assert [answer.status_code for answer in answers] == [201, 201, 304, 200, 405, 415, 401, 404]
        for answer in answers:
            shown = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
            assert shown >= {name.lower() for name in app.openapi()["components"]["headers"]}
            assert answer.headers.keys() - shown <= SAFELISTED | FOR_THE_BROWSER
            assert answer.headers["access-control-allow-origin"] == ORIGIN

    async def test_says_when_to_ask_again(self, settings: Settings, database: Database, alice: Client) -> None:
        limits = {"cors_origins": (ORIGIN,), "rate_limits_enabled": True, "requests_per_minute_by_user": 1}
        app = create_app(settings.model_copy(update=limits))
        headers = {"Authorization": alice.headers["authorization"], "Origin": ORIGIN}
        async with serving_beside(app, database) as address, Client(base_url=address + API, headers=headers) as client:
            answers = [await client.get("/timer") for _ in range(2)]
        problem(answers[1], 429, "rate_limited")
        shown = {name.strip().lower() for name in answers[1].headers["access-control-expose-headers"].split(",")}
        names = {"retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
        assert names <= shown & answers[1].headers.keys()


PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type,if-match,x-request-id",
}


class TestPagesOfOtherOrigins:
    async def test_may_not_call_by_default(self, alice: Client, root: Client) -> None:
        response = await alice.get("/tasks", headers={"Origin": "https://app.example"})
        assert not [name for name in response.headers if name.startswith("access-control-")]
        problem(await root.options(f"{API}/tasks", headers=PREFLIGHT), 405, "method_not_allowed")

    async def test_may_call_when_they_are_named(self, crasher: Client) -> None:
        response = await crasher.options(f"{API}/tasks/{'0' * 24}", headers=PREFLIGHT)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://app.example"
        allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
        assert {"authorization", "content-type", "if-match", "if-none-match", "x-request-id"} <= allowed
        methods = set(response.headers["access-control-allow-methods"].split(", "))
        assert methods >= {"GET", "POST", "PATCH", "DELETE"}
        assert "access-control-allow-credentials" not in response.headers

    async def test_see_the_headers_that_they_need(self, crasher: Client) -> None:
        origin = {"Origin": "https://app.example"}
        response = await crasher.post(f"{API}/tasks", json={"title": "x"}, headers=origin)
        assert response.status_code == 201
        exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed >= {"ETag", "Location", "Retry-After", "X-Request-ID"}
        assert "origin" in response.headers["vary"].lower()

    async def test_see_errors_too(self, crasher: Client) -> None:
        origin = {"Origin": "https://app.example"}
        for response in (
            await crasher.get("/nothing", headers=origin),
            await crasher.post(f"{API}/tasks", json={}, headers=origin),
            await crasher.get(f"{API}/tasks", headers={**origin, "Authorization": ""}),
        ):
            assert response.status_code in {401, 404, 422}
            assert response.headers["access-control-allow-origin"] == "https://app.example"

    async def test_may_not_call_when_others_are_named(self, crasher: Client) -> None:
        other = {"Origin": "https://evil.example"}
        assert "access-control-allow-origin" not in (await crasher.get("/health", headers=other)).headers
        response = await crasher.options(f"{API}/tasks", headers={**PREFLIGHT, **other})
        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers
