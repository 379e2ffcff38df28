"""The browser enforces the policy of the page, and the tests notice violations."""

import pytest
from playwright.async_api import Error, Page, expect

from tests.page.browsing import Console

BLOCKED = r"requires 'Trusted\w+' assignment|[cC]ontent [sS]ecurity [pP]olicy"
"""What the browser and the test write to the console about a violation."""

INLINE_SCRIPT = """
const script = document.createElement("script");
script.append("document.title = 'changed'");
document.body.append(script);
"""
VIOLATION = """
new Promise((resolve) => {
  addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), { once: true });
  STATEMENT
})
"""
"""Returns the directive that the statement violates."""


@pytest.fixture
async def open_page(visitor: Page) -> Page:
    """The page without a session."""
    await visitor.goto("/")
    await expect(visitor.get_by_role("button", name="Sign in")).to_be_visible()
    return visitor


class TestPolicy:
    async def test_inline_scripts_are_blocked(self, open_page: Page, console: Console) -> None:
        title = await open_page.title()
        await open_page.evaluate(f"() => {{ {INLINE_SCRIPT} }}")
        assert await open_page.title() == title
        assert console.unexpected()
        console.allow(BLOCKED)

    @pytest.mark.parametrize(
        "statement",
        ["body.innerHTML = '<b>bold</b>'", "body.setAttribute('onclick', 'stop()')", "write('<p>text</p>')"],
    )
    async def test_markup_and_handlers_cannot_be_written_as_text(
        self, open_page: Page, console: Console, statement: str
    ) -> None:
        with pytest.raises(Error, match=r"requires 'Trusted\w+' assignment"):
            await open_page.evaluate(f"() => {{ document.{statement} }}")
        assert console.unexpected()
        console.allow(BLOCKED)

    @pytest.mark.parametrize(
        ("statement", "directive"),
        [
            ("new Image().src = 'http://images.example/pixel.png'", "img-src"),
            ("fetch('http://api.example/').catch(() => {})", "connect-src"),
            ("import('http://scripts.example/script.js').catch(() => {})", "script-src-elem"),
        ],
    )
    async def test_requests_to_other_origins_are_blocked(
        self, open_page: Page, console: Console, statement: str, directive: str
    ) -> None:
        assert await open_page.evaluate(VIOLATION.replace("STATEMENT", statement)) == directive
        assert console.unexpected()
        console.allow(BLOCKED)


class TestConsole:
    async def test_errors_of_all_kinds_are_noticed(self, open_page: Page, console: Console) -> None:
        await open_page.evaluate("console.error('logged')")
        await open_page.evaluate("setTimeout(() => { throw new Error('thrown') })")
        await open_page.evaluate("Promise.reject(new Error('rejected')), 0")
        await open_page.evaluate("fetch('nothing')")
        await expect(open_page.get_by_role("button", name="Sign in")).to_be_visible()
        unexpected = "\n".join(console.unexpected())
        assert all(text in unexpected for text in ("logged", "thrown", "rejected", "404"))
        console.allow("logged", "thrown", "rejected", "404 .*/nothing")
