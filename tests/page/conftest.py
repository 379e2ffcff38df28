"""The page in a real browser, on the service of the worker: one browser for each worker, a new context for each test.

A test fails if a page of its contexts reports an error: see tests/page/browsing.py: Console.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.conftest import MakeUser
from tests.page.browsing import DEFAULTS, Console, Options
from tests.support.http import API, PASSWORD, Client
from tests.support.pytest_hooks import browsers

NewContext = Callable[..., Awaitable[BrowserContext]]
Visit = Callable[[str], Awaitable[None]]

PATIENCE_MS = 20_000
"""How long an expectation may take on a busy machine."""

_MARK_SESSION = f"""
if (location.protocol !== "about:" && !sessionStorage.getItem("marked")) {{
  sessionStorage.setItem("marked", "1");
  localStorage.setItem("task-timer-session {API}/", "1");
}}
"""
"""The mark that the page stores when it signs in: without it, the page does not ask for a session."""


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser of this worker."""
    binary = browsers.chromium()
    assert binary is not None, browsers.MISSING
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=browsers.ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def console() -> Console:
    """The errors that the pages of the test report."""
    return Console()


@pytest.fixture
async def new_context(browser: Browser, empty_service: str, console: Console) -> AsyncIterator[NewContext]:
    """Create browser contexts, each with its own cookies and storage. The options are those of Playwright."""
    async with AsyncExitStack() as stack:

        async def create(**options: object) -> BrowserContext:
            context = await browser.new_context(**(DEFAULTS | {"base_url": empty_service} | options))
            stack.push_async_callback(context.close)
            stack.push_async_callback(remove_routes, context)
            context.set_default_timeout(PATIENCE_MS)
            await console.watch(context)
            return context

        yield create
    assert console.unexpected() == []


async def remove_routes(context: BrowserContext) -> None:
    """Let the handlers of routes that are still busy end without an error when the context is closed."""
    for page in context.pages:
        await page.unroute_all(behavior="ignoreErrors")


@pytest.fixture
def context_options() -> Options:
    """Options of the browser context, in addition to the defaults."""
    return {}


@pytest.fixture
async def api(make_user: MakeUser) -> Client:
    """A client of the API with the user of the page."""
    return await make_user("alice@example.com")


@pytest.fixture
async def context(new_context: NewContext, context_options: Options) -> BrowserContext:
    """A browser context without a session."""
    return await new_context(**context_options)


@pytest.fixture
async def page(context: BrowserContext, api: Client) -> Page:
    """A page of a signed-in user. It is empty until the test visits a view."""
    await sign_in(context, api)
    return await context.new_page()


@pytest.fixture
async def visitor(context: BrowserContext) -> Page:
    """A page without a session."""
    return await context.new_page()


@pytest.fixture
def visit(page: Page) -> Visit:
    """Open a view of the signed-in page by its fragment, for example "#/today"."""

    async def open_view(fragment: str) -> None:
        await page.goto(f"/{fragment}")

    return open_view


async def sign_in(context: BrowserContext, api: Client) -> None:
    """Give the context the session cookie of a new session of this user."""
    form: dict[str, str | float | bool] = {"username": api.user["email"], "password": PASSWORD}
    origin = str(api.base_url.copy_with(path="/")).rstrip("/")
    headers = {"Origin": origin}  # only a page of the service gets a cookie
    response = await context.request.post(f"{API}/auth/token?session=cookie", form=form, headers=headers)
    assert response.ok, await response.text()
    await context.add_init_script(_MARK_SESSION)
