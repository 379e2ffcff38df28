"""The service behind nginx at a sub-path, configured as docs/operating.rst shows it.

The prefix is kept or taken off by the proxy: both are tried.
"""

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
from tests.conftest import Database
from tests.paths import DOCS
from tests.support.http import API, PASSWORD, Client, clock, problem
from tests.support.processes import eventually, free_port
from tests.support.services import serving_beside

ROOT = "/tt"
PAGE = DOCS / "operating.rst"
REST_OF_THE_CONFIGURATION = """
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


def nginx() -> str:
    """The binary. Fails, and says what is to be done, when there is none."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which("nginx", path=places)
    assert found is not None, "nginx is needed for this test and was not found: apt-get install nginx"
    return found


def example(*, port: int, upstream: str, keeps_prefix: bool) -> str:
    """The server of the docs, on another port, before this service."""
    block = re.search(r"\.\. code-block:: nginx\n\n((?: {4}.*\n|\n)+)", PAGE.read_text())
    assert block is not None
    server, end = block[1], "" if keeps_prefix else "/"
    assert server.count("listen 80;") == server.count("proxy_pass http://127.0.0.1:8000;") == 1
    server = server.replace("listen 80;", f"listen 127.0.0.1:{port};")
    return server.replace("http://127.0.0.1:8000;", f"{upstream}{end};")


@contextmanager
def proxying(upstream: str, folder: Path, *, keeps_prefix: bool) -> Iterator[str]:
    """The address of an nginx with the configuration of the docs before this service."""
    port, configuration = free_port(), folder / "nginx.conf"
    server = example(port=port, upstream=upstream, keeps_prefix=keeps_prefix)
    configuration.write_text(REST_OF_THE_CONFIGURATION.format(folder=folder, server=server))
    log = folder / "error.log"
    process = subprocess.Popen([nginx(), "-p", str(folder), "-c", str(configuration), "-e", str(log)])

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return bool(httpx.get(f"http://127.0.0.1:{port}/", verify=False, trust_env=False))
        except httpx.TransportError:
            return False
        except httpx.HTTPError:
            return True

    try:
        eventually(lambda: answers() or (folder / "nginx.pid").exists())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=[True, False], ids=["prefix-kept", "prefix-taken-off"])
async def proxy(
    request: pytest.FixtureRequest, settings: Settings, database: Database, empty_service: str, tmp_path: Path
) -> AsyncIterator["Proxy"]:
    """A proxy before a service with ROOT_PATH."""
    assert empty_service
    app = create_app(settings.model_copy(update={"root_path": ROOT}))
    async with serving_beside(app, database) as direct:
        with proxying(direct, tmp_path, keeps_prefix=request.param) as origin:
            yield Proxy(origin, direct)


class Proxy:
    """Where a proxy answers, and the service itself."""

    def __init__(self, origin: str, direct: str) -> None:
        self.origin = origin
        self.direct = direct

    def client(self, like: Client | None = None) -> Client:
        """A client of the API as the proxy serves it, signed in as another one is."""
        headers = {} if like is None else {"Authorization": like.headers["authorization"]}
        return Client(base_url=self.origin + ROOT + API, headers=headers, timeout=30)


class Addresses(HTMLParser):
    """What a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = re.findall(r"\burl: '([^']+)'", page)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and (tag, name) in {("script", "src"), ("link", "href")}]


class TestTheDocsPage:
    async def test_loads_all_that_it_needs(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            page = await client.get(f"{proxy.origin}{ROOT}/docs")
            assert page.status_code == 200
            needed = Addresses(page.text).found
            assert len(needed) == 4
            for address in needed:
                answer = await client.get(page.url.join(address))
                assert (answer.status_code, len(answer.content) > 100) == (200, True), address

    async def test_is_where_the_config_says(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            config = (await client.get("/config")).json()
            assert config["docs_url"] == f"{ROOT}/docs"
            assert (await client.get(proxy.origin + config["docs_url"])).status_code == 200


class TestTheDocument:
    async def test_names_where_the_api_is_and_where_to_sign_in(self, proxy: Proxy) -> None:
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


class TestALocation:
    async def test_can_be_followed(self, proxy: Proxy, alice: Client) -> None:
        async with proxy.client(alice) as client:
            task = await client.post("/tasks", json={"title": "x"})
            entry = {"started_at": clock("09:00"), "duration_seconds": 60}
            file = {"file": ("x.csv", b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail")}
            made = [
                task,
                await client.post("/projects", json={"name": "x"}),
                await client.post(f"/tasks/{task.json()['id']}/time-entries", json=entry),
                await client.post("/imports", data={"format": "csv", "timezone": "UTC"}, files=file),
            ]
            for answer in made:
                location = answer.headers["location"]
                assert location.startswith(f"{ROOT}{API}/")
                found = await client.get(answer.url.join(location))
                assert (found.status_code, found.json()["id"]) == (200, answer.json()["id"])
            token = await client.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"]})
            gone = await client.delete(token.url.join(token.headers["location"]))
            assert gone.status_code == 204
            body = {"email": "new@example.com", "password": PASSWORD}
            user = await client.post("/users", json=body)
            assert (await client.get(user.url.join(user.headers["location"]))).status_code == 200

    async def test_is_the_same_for_whoever_asks_the_service_itself(self, proxy: Proxy, alice: Client) -> None:
        async with Client(base_url=proxy.direct, headers=alice.headers) as client:
            for prefix in ("", ROOT):
                answer = await client.post(f"{prefix}{API}/tasks", json={"title": "x"})
                assert answer.headers["location"] == f"{ROOT}{API}/tasks/{answer.json()['id']}"
                assert (await client.get(answer.headers["location"])).status_code == 200


class TestARequest:
    async def test_that_fails_is_told_its_own_address(self, proxy: Proxy, alice: Client) -> None:
        async with proxy.client(alice) as client:
            problem(await client.get("/nothing"), 404, "not_found")
            problem(await client.get("/tasks/x"), 404, "task_not_found")
            refused = await client.put("/tasks")
            problem(refused, 405, "method_not_allowed")
            assert refused.headers["allow"] == "GET, POST"
            outside = await client.get(f"{proxy.origin}/tt-else{API}/tasks")
            assert (outside.status_code, outside.headers["content-type"]) == (404, "text/html")

    async def test_may_have_as_large_a_body_as_elsewhere(self, proxy: Proxy, alice: Client, settings: Settings) -> None:
        row = b"2026-11-02 09:00,2026-11-02 10:00,Mail\n"
        content = b"Start,End,Task\n" + row * (settings.max_body_bytes // len(row) + 1)
        form = {"format": "csv", "timezone": "UTC", "dry_run": "true"}
        async with proxy.client(alice) as client:
            read = await client.post("/imports", data=form, files={"file": ("x.csv", content)})
            assert read.status_code == 200
            large = {"title": "x", "description": "x" * settings.max_body_bytes}
            problem(await client.post("/tasks", json=large), 413, "body_too_large")

    async def test_is_the_same_request_whichever_way_it_comes(self, proxy: Proxy, alice: Client) -> None:
        sent: dict[str, Any] = {"json": {"title": "x"}, "headers": {"Idempotency-Key": "once"}}
        async with proxy.client(alice) as client:
            ways = (f"{proxy.origin}{ROOT}", proxy.direct, proxy.direct + ROOT)
            answers = [await client.post(f"{way}{API}/tasks", **sent) for way in ways]
        assert [answer.status_code for answer in answers] == [201] * 3
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert {urlsplit(answer.headers["location"]).path for answer in answers[:1]}

    async def test_is_answered_at_health_too(self, proxy: Proxy) -> None:
        async with proxy.client() as client:
            for path in ("/health", "/health/live", "/health/ready"):
                assert (await client.get(f"{proxy.origin}{ROOT}{path}")).status_code == 200
                assert (await client.get(proxy.direct + path)).status_code == 200
