"""Pages in the browser: what they report while a test uses them, and how they are checked."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Route, WebError

from tests.support.http import API

Options = dict[str, Any]

DEFAULTS: Options = {
    "viewport": {"width": 1280, "height": 800},
    "locale": "en-GB",
    "timezone_id": "UTC",
    "color_scheme": "light",
    "reduced_motion": "reduce",
    "service_workers": "block",
}
"""Options of a browser context. A test changes some with `parametrize("context_options", [...])`."""

DARK: Options = {"color_scheme": "dark"}
NARROW: Options = {"viewport": {"width": 320, "height": 640}}
GERMAN: Options = {"locale": "de-DE", "timezone_id": "Europe/Berlin"}
WITH_SERVICE_WORKER: Options = {"service_workers": "allow"}

WITHOUT_SERVICE_WORKER = "Object.defineProperty(Navigator.prototype, 'serviceWorker', { value: undefined });"
"""As on plain http in a home network."""

IS_LOADED = "(name) => performance.getEntriesByType('resource').some(({ name: url }) => url.endsWith(name))"
"""Whether a file of the page is loaded: the last one that is loaded in advance."""

ACCESSIBILITY_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOR_RULES = ["color-contrast", "link-in-text-block"]
"""The rules to check in each theme. Themes differ in colours only, so the first one is enough for the other rules."""

_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`content security policy: ${event.violatedDirective} blocked ${event.blockedURI || event.sample}`);
});
"""
_NO_SESSION = r"Failed to load resource: .* 401 .*/auth/refresh$"
"""The page asks for a session when it opens, and the browser logs that there is none."""


class Console:
    """Collects the errors of all pages of a browser context: in the console, uncaught, and of the security policy."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._allowed = [_NO_SESSION]

    async def watch(self, context: BrowserContext) -> None:
        """Collect the errors of this context from now on."""
        context.on("console", self._on_message)
        context.on("weberror", self._on_error)
        await context.add_init_script(_REPORT_VIOLATIONS)

    def allow(self, *patterns: str) -> None:
        """Accept errors that a test causes on purpose, for example failed requests: r"409 .*/timer/start"."""
        self._allowed += patterns

    def unexpected(self) -> list[str]:
        """Return the errors that match no allowed pattern."""
        return [error for error in self.errors if not any(re.search(pattern, error) for pattern in self._allowed)]

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location['url']}")

    def _on_error(self, error: WebError) -> None:
        self.errors.append(f"uncaught: {error.error.stack or error.error}")


async def accessibility_violations(page: Page, *, themes: Sequence[str] = ("light", "dark")) -> list[str]:
    """Return what axe finds on the page in these themes. A line has the theme, the rule and the elements."""
    found: list[str] = []
    for theme in themes:
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a literal type
        rules = ACCESSIBILITY_RULES if theme == themes[0] else COLOR_RULES
        results = await Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
        for violation in results.response["violations"]:
            places = "; ".join(" ".join(map(str, node["target"])) for node in violation["nodes"])
            found.append(f"{theme}: {violation['id']} ({violation['help']}): {places}")
    return found


async def until_equal(read: Callable[[], Awaitable[object]], expected: object) -> None:
    """Read a stored value until it is the expected one: the page shows a change before the service has answered."""
    value = await read()
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while value != expected:
                await asyncio.sleep(0.05)
                value = await read()
    assert value == expected


class Hold:
    """Requests of a page that are held back until they are released."""

    def __init__(self, method: str) -> None:
        self.count = 0
        self._method = method
        self._arrived = asyncio.Condition()
        self._released = asyncio.Event()

    async def until(self, count: int) -> None:
        """Wait until the page has sent this many requests."""
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: self.count >= count)

    def release(self) -> None:
        """Let the requests pass, also those to come."""
        self._released.set()

    async def __call__(self, route: Route) -> None:
        if route.request.method == self._method:
            async with self._arrived:
                self.count += 1
                self._arrived.notify_all()
            await self._released.wait()
        await route.fallback()


async def hold(page: Page, method: str, path: str) -> Hold:
    """Hold back the requests of this method whose path in the API begins with this regular expression."""
    held = Hold(method)
    await page.route(re.compile(f"{API}/{path}"), held)
    return held


async def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
