"""The secret URL of a calendar feed: who can read it, how often, and where the secret does not appear."""

from collections.abc import AsyncIterator

import pytest

from app.config import Settings
from app.main import create_app
from tests.accounts.test_rate_limits import assert_rate_limited
from tests.conftest import Database
from tests.contract.http.security_headers import assert_security_headers
from tests.sharing.calendar_requests import create_feed, read
from tests.support.http import API, Client, Json, problem
from tests.support.services import serving_another

SECRET = "5d1e3f49680c7a2b" * 4


def secret_of(feed: Json) -> str:
    """Return the secret in the URL of a feed."""
    secret: str = feed["url"].rpartition("/")[2].removesuffix(".ics")
    return secret


class TestUnknownSecrets:
    @pytest.mark.parametrize(
        "name",
        [
            f"{SECRET}.ics",
            f"{SECRET[:-1]}.ics",
            f"{SECRET}0.ics",
            f"{SECRET.upper()}.ics",
            "0.ics",
            "x.ics",
            "%00.ics",
            "$gt.ics",
            "é.ics",
            f"{'x' * 5_000}.ics",
            f"{SECRET}.ics.ics",
        ],
    )
    async def test_unknown_and_malformed_secrets_are_404(self, alice: Client, anonymous: Client, name: str) -> None:
        await create_feed(alice)
        problem(await anonymous.get(f"/calendar/{name}"), 404, "calendar_feed_not_found")

    @pytest.mark.parametrize("name", ["", ".ics", f"{SECRET}", f"{SECRET}.csv", f"{SECRET}/x.ics", f"{SECRET}.ics/"])
    async def test_other_paths_are_404(self, anonymous: Client, name: str) -> None:
        problem(await anonymous.get(f"/calendar/{name}"), 404, "not_found")

    async def test_hash_and_id_of_a_feed_are_no_secrets(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        feed = await create_feed(alice)
        stored = await database.calendar_feeds.find_one({})
        assert stored is not None
        for text in (stored["secret_hash"], feed["id"]):
            problem(await anonymous.get(f"/calendar/{text}.ics"), 404, "calendar_feed_not_found")

    async def test_secret_of_a_feed_opens_no_shared_report(self, alice: Client, anonymous: Client) -> None:
        feed = await create_feed(alice)
        problem(await anonymous.get(f"/shared/{secret_of(feed)}"), 404, "share_not_found")
        shared = await alice.post("/shares", json={"name": "x", "report": {"type": "timesheet"}})
        secret = shared.json()["url"].rpartition("/")[2]
        problem(await anonymous.get(f"/calendar/{secret}.ics"), 404, "calendar_feed_not_found")


class TestResponses:
    async def test_browser_sends_no_referrer_from_any_response(self, alice: Client, anonymous: Client) -> None:
        feed = await create_feed(alice)
        first = await read(anonymous, feed)
        responses = [
            first,
            await read(anonymous, feed, **{"If-None-Match": first.headers["etag"]}),
            await anonymous.get(feed["url"], params={"x": "1"}),
            await anonymous.post(feed["url"]),
            await anonymous.get(feed["url"].removesuffix(".ics")),
        ]
        assert [response.status_code for response in responses] == [200, 304, 422, 405, 404]
        for response in responses:
            assert_security_headers(response)
            assert response.headers["referrer-policy"] == "no-referrer"
            assert secret_of(feed) not in str((response.headers.raw, response.text))

    async def test_token_is_neither_needed_nor_checked(self, alice: Client, bob: Client) -> None:
        feed = await create_feed(alice)
        assert (await read(bob, feed)).status_code == 200
        assert (await read(bob, feed, Authorization="Bearer nonsense")).status_code == 200


@pytest.fixture
async def limited(settings: Settings, database: Database, empty_service: str) -> AsyncIterator[Client]:
    """An anonymous client of a service that allows three public requests a minute from an address."""
    assert empty_service
    changed = settings.model_copy(update={"rate_limits_enabled": True, "public_reads_per_minute_by_address": 3})
    async with (
        serving_another(create_app(changed), database) as address,
        Client(base_url=address + API, timeout=30) as client,
    ):
        yield client


class TestRateLimit:
    async def test_reads_are_limited_by_address_whatever_their_secrets(self, alice: Client, limited: Client) -> None:
        path = f"/calendar/{secret_of(await create_feed(alice))}.ics"
        assert (await limited.get(path)).status_code == 200
        problem(await limited.get(f"/calendar/{SECRET}.ics"), 404, "calendar_feed_not_found")
        problem(await limited.get("/calendar/x.ics"), 404, "calendar_feed_not_found")
        for refused in (path, "/calendar/x.ics", f"/shared/{SECRET}"):
            assert_rate_limited(await limited.get(refused), limit=3, within=60)
        assert (await limited.get("/config")).status_code == 200
