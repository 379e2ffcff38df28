"""The service behind nginx at a path prefix, with the configuration in docs/operating.rst.

Each test runs with a proxy that keeps the prefix and with one that removes it.
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.config import Settings
from app.main import create_app
from documents.feed.event_streams import MAX_STREAMS
from services.feed.relay import RENEW_SECONDS
from tests.conftest import Database
from tests.feed.event_clients import following
from tests.paths import DOCS
from tests.support.http import API, PASSWORD, Client, Served, clock, problem
from tests.support.processes import eventually, free_port, running
from tests.support.services import environment, serving_another

ROOT = "/tt"
PAGE = DOCS / "operating.rst"
NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def nginx_binary() -> str:
    """Return the path of nginx. Fail with an instruction if it is not installed."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    binary = shutil.which("nginx", path=places)
    assert binary is not None, "nginx is needed for this test and was not found: apt-get install nginx"
    return binary


def documented_server(*, port: int, upstream: str, keeps_prefix: bool) -> str:
    """Return the documented server block, with another port and upstream."""
    block = re.search(r"\.\. code-block:: nginx\n\n((?: {4}.*\n|\n)+)", PAGE.read_text())
    assert block is not None
    server, end = block[1], "" if keeps_prefix else "/"
    assert server.count("listen 80;") == server.count("proxy_pass http://127.0.0.1:8000;") == 1
    server = server.replace("listen 80;", f"listen 127.0.0.1:{port};")
    return server.replace("http://127.0.0.1:8000;", f"{upstream}{end};")


@contextmanager
def run_proxy(upstream: str, folder: Path, *, keeps_prefix: bool) -> Iterator[str]:
    """Run nginx in front of the service, and yield its origin."""
    port, configuration = free_port(), folder / "nginx.conf"
    server = documented_server(port=port, upstream=upstream, keeps_prefix=keeps_prefix)
    configuration.write_text(NGINX_CONFIGURATION.format(folder=folder, server=server))
    log = folder / "error.log"
    process = subprocess.Popen([nginx_binary(), "-p", str(folder), "-c", str(configuration), "-e", str(log)])

    def is_reachable() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return bool(httpx.get(f"http://127.0.0.1:{port}/", verify=False, trust_env=False))
        except httpx.TransportError:
            return False
        except httpx.HTTPError:
            return True

    try:
        eventually(lambda: is_reachable() or (folder / "nginx.pid").exists())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module", params=[True, False], ids=["prefix-kept", "prefix-removed"])
async def running_proxy(
    request: pytest.FixtureRequest,
    settings: Settings,
    database: Database,
    service: Served,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator["Proxy"]:
    """A proxy in front of a service with ROOT_PATH, for all tests."""
    assert service.server.started
    app = create_app(settings.model_copy(update={"root_path": ROOT}))
    async with serving_another(app, database) as direct:
        with run_proxy(direct, tmp_path_factory.mktemp("proxy"), keeps_prefix=request.param) as origin:
            yield Proxy(origin, direct)


@pytest.fixture
def proxy(running_proxy: "Proxy", empty_service: str) -> "Proxy":
    """A proxy in front of a service with ROOT_PATH, with nothing in it."""
    assert empty_service
    return running_proxy


class Proxy:
    """The origins of a proxy and of the service behind it."""

    def __init__(self, origin: str, direct: str) -> None:
        self.origin = origin
        self.direct = direct

    def client(self, like: Client | None = None) -> Client:
        """Return a client of the API behind the proxy, with the credentials of another client."""
        headers = {} if like is None else {"Authorization": like.headers["authorization"]}
        return Client(base_url=self.origin + ROOT + API, headers=headers, timeout=30)


class ResourceUrls(HTMLParser):
    """The URLs of the scripts, style sheets and documents that a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.urls = re.findall(r"\burl: '([^']+)'", page)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for name, value in attrs if value and (tag, name) in {("script", "src"), ("link", "href")}]


class TestDocsPage:
    async def test_all_resources_of_the_page_are_served(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            page = await client.get(f"{proxy.origin}{ROOT}/docs")
            assert page.status_code == 200
            urls = ResourceUrls(page.text).urls
            assert len(urls) == 4
            for url in urls:
                response = await client.get(page.url.join(url))
                assert (response.status_code, len(response.content) > 100) == (200, True), url

    async def test_docs_url_of_the_config_is_served(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            config = (await client.get("/config")).json()
            assert config["docs_url"] == f"{ROOT}/docs"
            assert (await client.get(proxy.origin + config["docs_url"])).status_code == 200


class TestOpenApi:
    async def test_server_and_token_urls_can_be_used(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            address = httpx.URL(f"{proxy.origin}{ROOT}/openapi.json")
            document = (await client.get(address)).json()
            assert [server["url"] for server in document["servers"]] == [ROOT]
            schemes = document["components"]["securitySchemes"]
            token_url = address.join(schemes["Password"]["flows"]["password"]["tokenUrl"])
            body = {"email": "new@example.com", "password": PASSWORD}
            assert (await client.post("/users", json=body)).status_code == 201
            signed_in = await client.post(token_url, data={"username": "new@example.com", "password": PASSWORD})
            headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
            (path,) = (path for path, item in document["paths"].items() if path.endswith("/users/me"))
            me = await client.get(str(address.join(document["servers"][0]["url"])) + path, headers=headers)
            assert me.json()["email"] == "new@example.com"


class TestLocation:
    async def test_location_can_be_followed(self, proxy: Proxy, alice: Client) -> None:
        async with proxy.client(alice) as client:
            task = await client.post("/tasks", json={"title": "x"})
            entry = {"started_at": clock("09:00"), "duration_seconds": 60}
            file = {"file": ("x.csv", b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail")}
            created = [
                task,
                await client.post("/projects", json={"name": "x"}),
                await client.post(f"/tasks/{task.json()['id']}/time-entries", json=entry),
                await client.post("/imports", data={"format": "csv", "timezone": "UTC"}, files=file),
            ]
            for response in created:
                location = response.headers["location"]
                assert location.startswith(f"{ROOT}{API}/")
                target = await client.get(response.url.join(location))
                assert (target.status_code, target.json()["id"]) == (200, response.json()["id"])
            token = await client.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"]})
            deleted = await client.delete(token.url.join(token.headers["location"]))
            assert deleted.status_code == 204
            body = {"email": "new@example.com", "password": PASSWORD}
            user = await client.post("/users", json=body)
            assert (await client.get(user.url.join(user.headers["location"]))).status_code == 200
            share = await client.post("/shares", json={"name": "x", "report": {"type": "timesheet"}})
            url = share.json()["url"]
            assert url.startswith(f"{proxy.origin}{ROOT}{API}/shared/")
            assert (await client.get(url, headers={"Authorization": ""})).status_code == 200

    async def test_location_is_the_same_without_the_proxy(self, proxy: Proxy, alice: Client) -> None:
        async with Client(base_url=proxy.direct, headers=alice.headers) as client:
            for prefix in ("", ROOT):
                response = await client.post(f"{prefix}{API}/tasks", json={"title": "x"})
                assert response.headers["location"] == f"{ROOT}{API}/tasks/{response.json()['id']}"
                assert (await client.get(response.headers["location"])).status_code == 200


class TestCalendarFeed:
    async def test_url_of_a_feed_is_that_of_the_proxy(self, proxy: Proxy, alice: Client) -> None:
        async with proxy.client(alice) as client, Client() as anonymous:
            feed = (await client.post("/calendar-feeds", json={"name": "x"})).json()
            assert feed["url"].startswith(f"{proxy.origin}{ROOT}{API}/calendar/")
            assert (await anonymous.get(feed["url"])).status_code == 200


class TestSessionCookie:
    async def test_cookie_is_sent_below_the_prefix_only(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            client.headers["Origin"] = proxy.origin
            assert (await client.post("/users", json={"email": "a@example.com", "password": PASSWORD})).is_success
            form = {"username": "a@example.com", "password": PASSWORD}
            signed_in = await client.post("/auth/token", params={"session": "cookie"}, data=form)
            assert f"; Path={ROOT}{API}/auth;" in signed_in.headers["set-cookie"]
            assert (await client.post("/auth/refresh")).status_code == 200
            assert "cookie" not in (await client.get("/config")).request.headers

    @pytest.mark.parametrize(("trusted", "is_secure"), [("127.0.0.1", True), ("", False)])
    async def test_cookie_is_secure_if_a_trusted_proxy_uses_https(
        self, settings: Settings, empty_service: str, tmp_path: Path, trusted: str, is_secure: bool
    ) -> None:
        assert empty_service
        variables = {**environment(settings), "PORT": free_port(), "TRUSTED_PROXIES": trusted}
        forwarded = {"X-Forwarded-Proto": "https", "Origin": "https://time.example.com", "Host": "time.example.com"}
        with running("serve", folder=tmp_path, **variables) as program:
            await asyncio.to_thread(program.wait_until_ready)
            async with Client(base_url=program.base_url + API, headers=forwarded, timeout=30) as client:
                await client.post("/users", json={"email": "a@example.com", "password": PASSWORD})
                form = {"username": "a@example.com", "password": PASSWORD}
                by_origin = await client.post("/auth/token", params={"session": "cookie"}, data=form)
                client.headers["Sec-Fetch-Site"] = "same-origin"
                by_site = await client.post("/auth/token", params={"session": "cookie"}, data=form)
        assert by_origin.status_code == (200 if is_secure else 403)
        assert by_site.headers["set-cookie"].endswith("; Secure") is is_secure


class TestEventStream:
    async def test_events_arrive_at_once_and_closed_streams_are_released(self, proxy: Proxy, alice: Client) -> None:
        await asyncio.sleep(RENEW_SECONDS)  # then each relay knows that its lease was deleted with all documents
        async with proxy.client(alice) as client:
            for number in range(1, MAX_STREAMS + 3):
                async with following(client) as stream:
                    assert (await stream.block()).id == number - 1
                    await client.post("/tasks", json={"title": "x"})
                    assert (await stream.event()).id == number
            assert (await client.head("/events")).status_code == 200


class TestRequests:
    async def test_errors_contain_the_path_with_the_prefix(self, proxy: Proxy, alice: Client) -> None:
        async with proxy.client(alice) as client:
            problem(await client.get("/nothing"), 404, "not_found")
            problem(await client.get("/tasks/x"), 404, "task_not_found")
            refused = await client.put("/tasks")
            problem(refused, 405, "method_not_allowed")
            assert refused.headers["allow"] == "GET, HEAD, POST"
            outside = await client.get(f"{proxy.origin}/tt-else{API}/tasks")
            assert (outside.status_code, outside.headers["content-type"]) == (404, "text/html")

    async def test_body_limits_are_those_of_the_service(self, proxy: Proxy, alice: Client, settings: Settings) -> None:
        row = b"2026-11-02 09:00,2026-11-02 10:00,Mail," + b"x" * 4000 + b"\n"
        content = b"Start,End,Task,Note\n" + row * (settings.max_body_bytes // len(row) + 1)
        form = {"format": "csv", "timezone": "UTC", "dry_run": "true"}
        async with proxy.client(alice) as client:
            imported = await client.post("/imports", data=form, files={"file": ("x.csv", content)})
            assert (imported.status_code, imported.json()["rows"]) == (200, content.count(b"\n") - 1)
            large = {"title": "x", "description": "x" * settings.max_body_bytes}
            problem(await client.post("/tasks", json=large), 413, "body_too_large")

    async def test_retry_on_another_path_is_replayed(self, proxy: Proxy, alice: Client) -> None:
        sent: dict[str, Any] = {"json": {"title": "x"}, "headers": {"Idempotency-Key": "once"}}
        async with proxy.client(alice) as client:
            base_urls = (f"{proxy.origin}{ROOT}", proxy.direct, proxy.direct + ROOT)
            responses = [await client.post(f"{base_url}{API}/tasks", **sent) for base_url in base_urls]
        assert [response.status_code for response in responses] == [201] * 3
        assert len({response.json()["id"] for response in responses}) == 1
        assert {urlsplit(response.headers["location"]).path for response in responses[:1]}

    async def test_health_is_served_with_and_without_the_prefix(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            for path in ("/health", "/health/live", "/health/ready"):
                assert (await client.get(f"{proxy.origin}{ROOT}{path}")).status_code == 200
                assert (await client.get(proxy.direct + path)).status_code == 200
