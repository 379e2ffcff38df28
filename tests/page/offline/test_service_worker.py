"""The service worker: the page opens while the service is away, and later versions replace earlier ones."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from fastapi import FastAPI
from playwright.async_api import BrowserContext, Page, expect

from app.config import Settings
from app.main import create_app
from app.static import page as page_module
from app.static.page import PageFiles, page_files
from tests.conftest import Database
from tests.page.browsing import WITH_SERVICE_WORKER, Console
from tests.page.conftest import NewContext
from tests.support.http import API, Served, serving
from tests.support.services import restoring_documents

pytestmark = pytest.mark.parametrize("context_options", [WITH_SERVICE_WORKER], ids=["service-worker"])

AWAY = r"net::ERR_CONNECTION_REFUSED"
IS_ACTIVE = "navigator.serviceWorker.ready.then(({ active }) => active.scriptURL)"
CACHED = """
caches.keys().then(async (names) => {
  const caches_ = await Promise.all(names.map((name) => caches.open(name)));
  const requests = await Promise.all(caches_.map((cache) => cache.keys()));
  return requests.flat().map(({ url }) => new URL(url).pathname);
})
"""


class Service:
    """A service that the test stops."""

    def __init__(self, app: FastAPI, database: Database) -> None:
        self._app = app
        self._database = database
        self._stack = AsyncExitStack()
        self.base_url = ""

    async def start(self) -> None:
        await self._stack.enter_async_context(restoring_documents(self._database))
        served: Served = await self._stack.enter_async_context(serving(self._app))
        self.base_url = served.base_url

    async def stop(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def service_to_stop(settings: Settings, database: Database, empty_service: str) -> AsyncIterator[Service]:
    """A running service of this test."""
    assert empty_service
    service = Service(create_app(settings), database)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def open_page(service_to_stop: Service, new_context: NewContext, context_options: dict[str, object]) -> Page:
    """The page of that service, with its active service worker."""
    context = await new_context(**context_options, base_url=service_to_stop.base_url)
    page = await context.new_page()
    await page.goto("/")
    assert await page.evaluate(IS_ACTIVE) == f"{service_to_stop.base_url}/sw.js"
    return page


class TestServiceAway:
    async def test_page_and_all_its_modules_load(
        self, open_page: Page, service_to_stop: Service, console: Console
    ) -> None:
        console.allow(AWAY)
        await service_to_stop.stop()
        for _ in range(2):
            await open_page.reload()
            await expect(open_page.get_by_role("button", name="Sign in")).to_be_visible()
        for name in page_files().immutable:
            if name.startswith("views/") and name.endswith(".js"):
                await open_page.evaluate(f"import('./page/{page_files().digest}/{name}').then(() => null)")

    async def test_sign_in_explains_that_the_service_cannot_be_reached(
        self, open_page: Page, service_to_stop: Service, console: Console
    ) -> None:
        console.allow(AWAY)
        await service_to_stop.stop()
        await open_page.reload()
        await open_page.get_by_label("E-mail").fill("alice@example.com")
        await open_page.get_by_label("Password").fill("correct horse battery")
        await open_page.get_by_role("button", name="Sign in").click()
        await expect(open_page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()


class TestCache:
    async def test_contains_the_files_of_the_page_and_no_responses_of_the_api(self, open_page: Page) -> None:
        status = await open_page.evaluate(f"fetch('{API.removeprefix('/')}/config').then(({{ status }}) => status)")
        assert status == 200
        digest = page_files().digest
        expected = {"/", "/manifest.webmanifest", *(f"/page/{digest}/{name}" for name in page_files().immutable)}
        assert set(await open_page.evaluate(CACHED)) == expected


class TestLaterVersion:
    async def test_is_used_at_once_and_replaces_the_earlier_one(
        self,
        open_page: Page,
        service_to_stop: Service,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        earlier = page_files().digest
        assert service_to_stop.base_url
        later = PageFiles(page_files().files, "f" * len(earlier))
        monkeypatch.setattr(page_module, "page_files", lambda: later)
        page_module._document.cache_clear()
        try:
            await open_page.reload()
            assert later.digest in await open_page.locator("script").first.evaluate("(script) => script.src")
            context: BrowserContext = open_page.context
            await open_page.evaluate("navigator.serviceWorker.ready.then((registration) => registration.update())")
            await open_page.wait_for_function(
                "navigator.serviceWorker.ready.then(({ waiting }) => waiting?.state === 'installed')"
            )
            await open_page.close()
            other = await context.new_page()
            await other.goto("/")
            await other.wait_for_function(
                f"caches.keys().then((names) => names.length === 1 && names[0].includes('{later.digest}'))"
            )
        finally:
            page_module._document.cache_clear()
