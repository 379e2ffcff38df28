"""CORS: what web pages of other origins may send and read, compared with the OpenAPI document."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app
from tests.conftest import Database
from tests.contract.operations import operations
from tests.support.http import API, Client, Json, problem
from tests.support.services import serving_another

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
"""The CORS-safelisted response headers (Fetch standard, section 2.2.2)."""

BROWSER_HEADERS = {
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
async def page_client(settings: Settings, database: Database, alice: Client) -> AsyncIterator[Client]:
    """A signed-in client that sends the Origin header ORIGIN, at a service that allows it."""
    app = create_app(settings.model_copy(update={"cors_origins": (ORIGIN,)}))
    headers = {"Authorization": alice.headers["authorization"], "Origin": ORIGIN}
    async with serving_another(app, database) as address, Client(base_url=address, headers=headers) as client:
        yield client


def headers_to_send(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Yield each request header of each operation: method, path, header name."""
    document = app.openapi()
    for operation in operations(app):
        operation_object: Json = document["paths"][operation.path][operation.method.lower()]
        for parameter in operation_object.get("parameters", ()):
            if parameter["in"] == "header":
                yield operation.method, operation.path, parameter["name"]
        if operation_object.get("security"):
            yield operation.method, operation.path, "Authorization"
        if "requestBody" in operation_object:
            yield operation.method, operation.path, "Content-Type"


async def preflight(client: Client, method: str, path: str, *names: str, origin: str = ORIGIN) -> httpx.Response:
    """Send the preflight of a request with these headers."""
    headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": ", ".join(names).lower()}
    return await client.options(path.format_map(dict.fromkeys(IDS, "0" * 24)), headers={**headers, "Origin": origin})


IDS = (
    "task_id",
    "entry_id",
    "project_id",
    "import_id",
    "token_id",
    "session_id",
    "feed_id",
    "share_id",
    "webhook_id",
    "delivery_id",
    "secret",
)


class TestPreflight:
    async def test_every_header_of_every_operation_is_allowed(self, app: FastAPI, page_client: Client) -> None:
        headers = list(headers_to_send(app))
        assert {name for _, _, name in headers} >= {"Authorization", "Content-Type", "Idempotency-Key", "If-Match"}
        for method, path, name in headers:
            response = await preflight(page_client, method, path, name, "X-Request-ID")
            allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
            assert response.status_code == 200, (method, path, name)
            assert {name.lower(), "x-request-id"} <= allowed
            assert method in response.headers["access-control-allow-methods"]
            assert response.headers["access-control-allow-origin"] == ORIGIN

    async def test_every_method_is_allowed(self, app: FastAPI, page_client: Client) -> None:
        for operation in operations(app):
            response = await preflight(page_client, operation.method, operation.path, "authorization")
            assert response.status_code == 200, operation.id

    async def test_other_headers_methods_and_origins_are_refused(self, page_client: Client) -> None:
        path = f"{API}/tasks"
        assert (await preflight(page_client, "POST", path, "X-Anything")).status_code == 400
        assert (await preflight(page_client, "PUT", path)).status_code == 400
        refused = await preflight(page_client, "POST", path, "Content-Type", origin="https://other.example")
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers


class TestResponse:
    async def test_every_header_is_exposed(self, app: FastAPI, page_client: Client) -> None:
        page_client.base_url = page_client.base_url.join(API)
        task = await page_client.make_task()
        key = {"Idempotency-Key": "once"}
        report = {"from": "2026-11-01", "to": "2026-12-01"}
        responses = [
            await page_client.post("/tasks", json={"title": "x"}, headers=key),
            await page_client.post("/tasks", json={"title": "x"}, headers=key),
            await page_client.get(f"/tasks/{task['id']}", headers={"If-None-Match": '"1"'}),
            await page_client.get("/exports/time-entries.csv", params=report),
            await page_client.put("/tasks"),
            await page_client.post("/tasks", content=b"x", headers={"Content-Encoding": "gzip"}),
            await page_client.get("/tasks", headers={"Authorization": "Bearer x"}),
            await page_client.get("/tasks/x"),
        ]
        assert [response.status_code for response in responses] == [201, 201, 304, 200, 405, 415, 401, 404]
        for response in responses:
            exposed = {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}
            assert exposed >= {name.lower() for name in app.openapi()["components"]["headers"]} - {"set-cookie"}
            assert response.headers.keys() - exposed <= SAFELISTED | BROWSER_HEADERS
            assert response.headers["access-control-allow-origin"] == ORIGIN

    async def test_rate_limit_headers_are_exposed(self, settings: Settings, database: Database, alice: Client) -> None:
        limits = {"cors_origins": (ORIGIN,), "rate_limits_enabled": True, "requests_per_minute_by_user": 1}
        app = create_app(settings.model_copy(update=limits))
        headers = {"Authorization": alice.headers["authorization"], "Origin": ORIGIN}
        async with serving_another(app, database) as address, Client(base_url=address + API, headers=headers) as client:
            responses = [await client.get("/timer") for _ in range(2)]
        problem(responses[1], 429, "rate_limited")
        exposed = {name.strip().lower() for name in responses[1].headers["access-control-expose-headers"].split(",")}
        names = {"retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
        assert names <= exposed & responses[1].headers.keys()


PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type,if-match,x-request-id",
}


class TestOrigins:
    async def test_no_origin_is_allowed_by_default(self, alice: Client, root: Client) -> None:
        response = await alice.get("/tasks", headers={"Origin": "https://app.example"})
        assert not [name for name in response.headers if name.startswith("access-control-")]
        problem(await root.options(f"{API}/tasks", headers=PREFLIGHT), 405, "method_not_allowed")

    async def test_configured_origin_is_allowed(self, crashing_client: Client) -> None:
        response = await crashing_client.options(f"{API}/tasks/{'0' * 24}", headers=PREFLIGHT)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://app.example"
        allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
        assert {"authorization", "content-type", "if-match", "if-none-match", "x-request-id"} <= allowed
        methods = set(response.headers["access-control-allow-methods"].split(", "))
        assert methods >= {"GET", "POST", "PATCH", "DELETE"}
        assert "access-control-allow-credentials" not in response.headers

    async def test_configured_origin_sees_the_response_headers(self, crashing_client: Client) -> None:
        origin = {"Origin": "https://app.example"}
        response = await crashing_client.post(f"{API}/tasks", json={"title": "x"}, headers=origin)
        assert response.status_code == 201
        exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed >= {"ETag", "Location", "Retry-After", "X-Request-ID"}
        assert "origin" in response.headers["vary"].lower()

    async def test_configured_origin_sees_errors(self, crashing_client: Client) -> None:
        origin = {"Origin": "https://app.example"}
        for response in (
            await crashing_client.get("/nothing", headers=origin),
            await crashing_client.post(f"{API}/tasks", json={}, headers=origin),
            await crashing_client.get(f"{API}/tasks", headers={**origin, "Authorization": ""}),
        ):
            assert response.status_code in {401, 404, 422}
            assert response.headers["access-control-allow-origin"] == "https://app.example"

    async def test_other_origin_is_refused(self, crashing_client: Client) -> None:
        other = {"Origin": "https://evil.example"}
        assert "access-control-allow-origin" not in (await crashing_client.get("/health", headers=other)).headers
        response = await crashing_client.options(f"{API}/tasks", headers={**PREFLIGHT, **other})
        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers
