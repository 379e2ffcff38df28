"""The session cookie of browsers, and requests that a page of another origin makes the browser send.

A page of another origin gets no cookie into its requests, because of SameSite. These tests send it nevertheless.
"""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest

from tests.accounts.account_requests import SAME_ORIGIN
from tests.conftest import Database
from tests.support.http import API, PASSWORD, Client, Json, problem

ADA = "ada@example.com"
NAME = "task_timer_session"
PATH = f"{API}/auth"
FORM = {"username": ADA, "password": PASSWORD}
THIRTY_DAYS = 30 * 24 * 3600

FOREIGN_REQUESTS = {
    "form-of-another-site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "https://a.test"},
    "fetch-of-another-site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://a.test"},
    "sibling-subdomain": {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.com"},
    "another-port": {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    "another-port-over-http": {"Origin": "http://127.0.0.1:1"},
    "another-scheme": {"Origin": "https://{host}"},
    "site-that-begins-with-the-host": {"Origin": "http://{host}.a.test"},
    "user-and-host": {"Origin": "http://{host}@a.test"},
    "null-origin": {"Origin": "null"},
    "null-origin-of-a-sandbox": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "own-origin-of-another-site": {"Origin": "http://{host}", "Sec-Fetch-Site": "cross-site"},
    "address-bar": {"Sec-Fetch-Site": "none"},
    "neither-header": {},
    "two-origins": {"Origin": "http://{host}, http://{host}"},
}
"""Requests with the session cookie that do not come from a page of the service: their headers."""


@pytest.fixture
async def browser(empty_service: str) -> AsyncIterator[Client]:
    """A client that stores cookies, of a user who has just registered."""
    async with Client(base_url=empty_service + API, headers=SAME_ORIGIN, timeout=30) as client:
        assert (await client.post("/users", json={"email": ADA, "password": PASSWORD})).status_code == 201
        yield client


async def sign_in(browser: Client) -> httpx.Response:
    response = await browser.post("/auth/token", params={"session": "cookie"}, data=FORM)
    assert response.status_code == 200, response.text
    return response


def cookie_of(response: httpx.Response) -> Json:
    """Return the attributes of the session cookie that the response sets, with its value."""
    (header,) = response.headers.get_list("set-cookie")
    ((name, morsel),) = SimpleCookie(header).items()
    assert name == NAME
    return {"value": morsel.value, **{attribute: value for attribute, value in morsel.items() if value}}


def foreign(browser: Client, kind: str) -> dict[str, str]:
    """Return the headers of a foreign request with the cookie of the browser."""
    host = f"{browser.base_url.host}:{browser.base_url.port}"
    return {name: value.replace("{host}", host) for name, value in FOREIGN_REQUESTS[kind].items()}


async def send_foreign(browser: Client, path: str, kind: str, cookie: str | None = None) -> httpx.Response:
    value = cookie if cookie is not None else browser.cookies[NAME]
    headers = {**foreign(browser, kind), "Cookie": f"{NAME}={value}"}
    async with Client(base_url=browser.base_url, headers=headers) as client:
        return await client.post(path, data=FORM if path.startswith("/auth/token") else None)


async def is_active(browser: Client, signed_in: httpx.Response) -> bool:
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    return (await browser.get("/users/me", headers=headers)).status_code == 200


class TestSignIn:
    async def test_refresh_token_is_in_the_cookie_and_not_in_the_body(self, browser: Client) -> None:
        response = await sign_in(browser)
        assert response.json().keys() == {"access_token", "token_type", "expires_in"}
        assert response.headers["cache-control"] == "no-store"
        cookie = cookie_of(response)
        assert cookie.pop("value").startswith("task_timer_refresh_")
        assert cookie == {"path": PATH, "max-age": str(THIRTY_DAYS), "httponly": True, "samesite": "Strict"}

    async def test_sign_in_without_the_parameter_sets_no_cookie(self, browser: Client) -> None:
        response = await browser.post("/auth/token", data=FORM)
        assert "refresh_token" in response.json()
        assert "set-cookie" not in response.headers

    async def test_refused_sign_in_sets_no_cookie(self, browser: Client) -> None:
        wrong = {**FORM, "password": "something else"}
        response = await browser.post("/auth/token", params={"session": "cookie"}, data=wrong)
        problem(response, 401, "invalid_credentials")
        assert "set-cookie" not in response.headers

    @pytest.mark.parametrize("value", ["", "body", "Cookie", "true"])
    async def test_other_value_of_the_parameter_is_422(self, browser: Client, value: str) -> None:
        response = await browser.post("/auth/token", params={"session": value}, data=FORM)
        problem(response, 422, "invalid_request")

    async def test_program_without_origin_gets_the_cookie(self, browser: Client) -> None:
        async with Client(base_url=browser.base_url) as program:
            response = await sign_in(program)
            assert cookie_of(response)["value"].startswith("task_timer_refresh_")
            assert (await program.post("/auth/refresh", headers=SAME_ORIGIN)).status_code == 200
            problem(await program.post("/auth/refresh"), 403, "cross_origin_request")

    @pytest.mark.parametrize("kind", sorted(FOREIGN_REQUESTS.keys() - {"neither-header"}))
    async def test_page_of_another_origin_cannot_sign_its_visitor_in(
        self, browser: Client, database: Database, kind: str
    ) -> None:
        response = await send_foreign(browser, "/auth/token?session=cookie", kind, cookie="")
        problem(response, 403, "cross_origin_request")
        assert "set-cookie" not in response.headers
        assert await database.refresh_tokens.find_one({}) is None


class TestRefresh:
    async def test_cookie_is_rotated(self, browser: Client) -> None:
        first = cookie_of(await sign_in(browser))
        response = await browser.post("/auth/refresh")
        assert response.status_code == 200
        assert response.json().keys() == {"access_token", "token_type", "expires_in"}
        second = cookie_of(response)
        assert second.pop("value") != first.pop("value")
        assert second == first
        assert await is_active(browser, response)

    async def test_tabs_that_refresh_at_once_get_the_same_cookie(self, browser: Client) -> None:
        await sign_in(browser)
        responses = await asyncio.gather(*(browser.post("/auth/refresh") for _ in range(10)))
        assert len({cookie_of(response)["value"] for response in responses}) == 1
        assert (await browser.post("/auth/refresh")).status_code == 200

    async def test_refused_refresh_clears_the_cookie(self, browser: Client, database: Database) -> None:
        await sign_in(browser)
        await database.refresh_tokens.delete_many({})
        response = await browser.post("/auth/refresh")
        problem(response, 401, "invalid_token")
        cookie = cookie_of(response)
        assert (cookie["value"], cookie["path"], cookie["max-age"]) == ("", PATH, "0")
        assert NAME not in browser.cookies

    async def test_origin_of_the_service_is_enough(self, browser: Client) -> None:
        await sign_in(browser)
        del browser.headers["Sec-Fetch-Site"]
        origin = f"HTTP://{browser.base_url.host}:{browser.base_url.port}"
        assert (await browser.post("/auth/refresh", headers={"Origin": origin})).status_code == 200

    async def test_without_body_and_cookie_it_is_401(self, browser: Client) -> None:
        response = await browser.post("/auth/refresh")
        problem(response, 401, "not_authenticated")
        assert "set-cookie" not in response.headers

    async def test_body_takes_precedence_and_leaves_the_cookie(self, browser: Client) -> None:
        await sign_in(browser)
        tokens = (await browser.post("/auth/token", data=FORM)).json()
        response = await browser.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert response.json()["refresh_token"] != tokens["refresh_token"]
        assert "set-cookie" not in response.headers
        refused = await browser.post("/auth/refresh", json={"refresh_token": "x"})
        problem(refused, 401, "invalid_token")
        assert "set-cookie" not in refused.headers

    async def test_two_cookies_of_the_same_name_are_refused(self, browser: Client) -> None:
        """A sibling domain may have set one, for an account of its own."""
        await sign_in(browser)
        cookies = f"{NAME}=task_timer_refresh_{'0' * 24}_{'0' * 64}; {NAME}={browser.cookies[NAME]}"
        async with Client(base_url=browser.base_url, headers={**SAME_ORIGIN, "Cookie": cookies}) as client:
            problem(await client.post("/auth/refresh"), 401, "invalid_token")

    @pytest.mark.parametrize("kind", FOREIGN_REQUESTS)
    async def test_page_of_another_origin_cannot_use_the_cookie(self, browser: Client, kind: str) -> None:
        signed_in = await sign_in(browser)
        response = await send_foreign(browser, "/auth/refresh", kind)
        problem(response, 403, "cross_origin_request")
        assert "set-cookie" not in response.headers
        assert await is_active(browser, signed_in)
        assert (await browser.post("/auth/refresh")).status_code == 200

    async def test_form_of_another_site_cannot_send_a_body(self, browser: Client) -> None:
        await sign_in(browser)
        headers = {**foreign(browser, "form-of-another-site"), "Cookie": f"{NAME}={browser.cookies[NAME]}"}
        async with Client(base_url=browser.base_url, headers=headers) as client:
            for content_type in ("text/plain", "application/x-www-form-urlencoded"):
                response = await client.post("/auth/refresh", content=b"{}", headers={"Content-Type": content_type})
                problem(response, 415, "unsupported_media_type")


class TestSignOut:
    async def test_cookie_alone_ends_the_session_and_is_cleared(self, browser: Client) -> None:
        signed_in = await sign_in(browser)
        sent = browser.cookies[NAME]
        response = await browser.post("/auth/logout")
        assert (response.status_code, response.content) == (204, b"")
        assert (cookie_of(response)["value"], cookie_of(response)["max-age"]) == ("", "0")
        assert NAME not in browser.cookies
        assert not await is_active(browser, signed_in)
        async with Client(base_url=browser.base_url, headers={**SAME_ORIGIN, "Cookie": f"{NAME}={sent}"}) as client:
            problem(await client.post("/auth/refresh"), 401, "invalid_token")

    async def test_cookie_is_enough_when_the_access_token_is_not_valid(self, browser: Client) -> None:
        signed_in = await sign_in(browser)
        response = await browser.post("/auth/logout", headers={"Authorization": "Bearer expired"})
        assert response.status_code == 204
        assert not await is_active(browser, signed_in)

    async def test_access_token_and_cookie_of_one_session_are_one_sign_out(
        self, browser: Client, database: Database
    ) -> None:
        signed_in = await sign_in(browser)
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        assert (await browser.post("/auth/logout", headers=headers)).status_code == 204
        assert NAME not in browser.cookies
        assert await database.audit_events.count_documents({"event": "signed_out"}) == 1

    async def test_access_token_and_cookie_of_two_sessions_end_both(self, browser: Client) -> None:
        cookie_session, other = await sign_in(browser), await browser.post("/auth/token", data=FORM)
        headers = {"Authorization": f"Bearer {other.json()['access_token']}"}
        assert (await browser.post("/auth/logout", headers=headers)).status_code == 204
        assert not await is_active(browser, cookie_session)
        assert not await is_active(browser, other)

    async def test_cookie_that_was_replaced_ends_the_session_too(self, browser: Client) -> None:
        """Another tab may have refreshed the session just before."""
        signed_in = await sign_in(browser)
        replaced = browser.cookies[NAME]
        await browser.post("/auth/refresh")
        headers = {**SAME_ORIGIN, "Cookie": f"{NAME}={replaced}"}
        async with Client(base_url=browser.base_url, headers=headers) as client:
            assert (await client.post("/auth/logout")).status_code == 204
        assert not await is_active(browser, signed_in)

    @pytest.mark.parametrize("value", ["", "x", "of the session with another secret"])
    async def test_invalid_cookie_is_401_and_cleared(self, browser: Client, value: str) -> None:
        signed_in = await sign_in(browser)
        if value.startswith("of"):
            value = browser.cookies[NAME].rpartition("_")[0] + "_" + "0" * 64
        async with Client(base_url=browser.base_url, headers={**SAME_ORIGIN, "Cookie": f"{NAME}={value}"}) as client:
            response = await client.post("/auth/logout")
        problem(response, 401, "invalid_token")
        assert cookie_of(response)["max-age"] == "0"
        assert await is_active(browser, signed_in)

    async def test_invalid_cookie_does_not_hinder_a_valid_access_token(self, browser: Client) -> None:
        signed_in = await sign_in(browser)
        headers = {**SAME_ORIGIN, "Cookie": f"{NAME}=x", "Authorization": f"Bearer {signed_in.json()['access_token']}"}
        async with Client(base_url=browser.base_url, headers=headers) as client:
            response = await client.post("/auth/logout")
        assert response.status_code == 204
        assert cookie_of(response)["max-age"] == "0"
        assert not await is_active(browser, signed_in)

    @pytest.mark.parametrize("kind", FOREIGN_REQUESTS)
    async def test_page_of_another_origin_cannot_sign_its_visitor_out(self, browser: Client, kind: str) -> None:
        signed_in = await sign_in(browser)
        response = await send_foreign(browser, "/auth/logout", kind)
        problem(response, 403, "cross_origin_request")
        assert "set-cookie" not in response.headers
        assert await is_active(browser, signed_in)

    async def test_access_token_without_own_origin_leaves_the_cookie(self, browser: Client) -> None:
        cookie_session, other = await sign_in(browser), await browser.post("/auth/token", data=FORM)
        headers = {
            "Authorization": f"Bearer {other.json()['access_token']}",
            "Cookie": f"{NAME}={browser.cookies[NAME]}",
        }
        async with Client(base_url=browser.base_url, headers=headers) as client:
            response = await client.post("/auth/logout")
        assert response.status_code == 204
        assert "set-cookie" not in response.headers
        assert not await is_active(browser, other)
        assert await is_active(browser, cookie_session)
