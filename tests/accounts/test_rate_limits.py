import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.main import create_app
from documents.accounts.rate_counters import RateCounter
from tests.conftest import Database
from tests.support.http import API, PASSWORD, Client, problem
from tests.support.services import serving_another

Limited = Callable[..., Awaitable[Client]]


@pytest.fixture
async def limited(settings: Settings, database: Database, empty_service: str) -> AsyncIterator[Limited]:  # noqa: ARG001 -- empties the database
    """Create anonymous clients of a service with the given limits, and the defaults of all others."""
    async with AsyncExitStack() as stack:

        async def make(**limits: int) -> Client:
            limited_settings = settings.model_copy(update={"rate_limits_enabled": True, **limits})
            address = await stack.enter_async_context(serving_another(create_app(limited_settings), database))
            return await stack.enter_async_context(Client(base_url=address + API, timeout=30))

        yield make


def assert_rate_limited(response: httpx.Response, *, limit: int, within: int) -> None:
    problem(response, 429, "rate_limited")
    assert 1 <= int(response.headers["retry-after"]) <= within
    assert response.headers["ratelimit-limit"] == str(limit)
    assert response.headers["ratelimit-remaining"] == "0"
    assert response.headers["ratelimit-reset"] == response.headers["retry-after"]


async def register(client: Client, number: int = 0) -> httpx.Response:
    return await client.post("/users", json={"email": f"user{number}@example.com", "password": PASSWORD})


async def sign_in(client: Client, number: int = 0, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/auth/token", data={"username": f"user{number}@example.com", "password": password})


async def advance_one_hour(database: Database) -> None:
    """Move all counters an hour into the past."""
    async for counter in database.rate_counters.find({}):
        then = counter["expires_at"] - timedelta(hours=1)
        await database.rate_counters.update_one({"_id": counter["_id"]}, {"$set": {"expires_at": then}})


class TestSignInLimit:
    async def test_sign_ins_are_limited_by_email_address(self, limited: Limited, database: Database) -> None:
        client = await limited(sign_ins_per_minute_by_email=3)
        await register(client)
        responses = [await sign_in(client, password="something else") for _ in range(3)]
        assert [response.status_code for response in responses] == [401] * 3
        assert_rate_limited(await sign_in(client), limit=3, within=60)
        assert_rate_limited(
            await client.post("/auth/token", data={"username": "USER0@example.com", "password": PASSWORD}),
            limit=3,
            within=60,
        )
        assert (await sign_in(client, 1)).status_code == 401
        await advance_one_hour(database)
        assert (await sign_in(client)).status_code == 200

    async def test_concurrent_sign_ins_do_not_exceed_the_limit(self, limited: Limited) -> None:
        client = await limited(sign_ins_per_minute_by_email=3)
        responses = await asyncio.gather(*(sign_in(client) for _ in range(20)))
        assert Counter(response.status_code for response in responses) == {401: 3, 429: 17}

    async def test_sign_ins_are_limited_by_client_address(self, limited: Limited) -> None:
        client = await limited(sign_ins_per_minute_by_address=3)
        responses = [await sign_in(client, number) for number in range(3)]
        assert [response.status_code for response in responses] == [401] * 3
        assert_rate_limited(await sign_in(client, 3), limit=3, within=60)

    async def test_limit_holds_across_services_on_one_database(self, limited: Limited, database: Database) -> None:
        client = await limited(sign_ins_per_minute_by_email=2)
        for _ in range(2):
            await sign_in(client)
        other = await limited(sign_ins_per_minute_by_email=2)
        assert_rate_limited(await sign_in(other), limit=2, within=60)
        counters = await database.rate_counters.find({}).to_list(None)
        assert "user0" not in str(counters)

    async def test_default_limits_are_those_of_the_settings(self) -> None:
        fields = Settings.model_fields
        assert {name: fields[name].default for name in fields if "_per_" in name} == {
            "sign_ins_per_minute_by_email": 10,
            "sign_ins_per_minute_by_address": 60,
            "registrations_per_hour_by_address": 20,
            "refreshes_per_minute_by_address": 30,
            "requests_per_minute_by_user": 1200,
            "public_reads_per_minute_by_address": 120,
        }


class TestConcurrentFirstActions:
    async def test_new_period_admits_exactly_the_limit(self, empty_service: str, database: Database) -> None:
        assert empty_service

        async def is_admitted(place: int) -> bool:
            await asyncio.sleep(place / 1000)  # staggers the requests
            return await RateCounter.count_action("sign-in", "ada", limit=30, period=timedelta(minutes=1)) is None

        for _ in range(10):
            assert all(await asyncio.gather(*(is_admitted(place) for place in range(30))))
            assert not await is_admitted(0)
            await advance_one_hour(database)

    @pytest.mark.usefixtures("empty_service")
    async def test_action_after_the_period_counts_in_a_new_one(self, database: Database) -> None:
        async def is_admitted() -> bool:
            return await RateCounter.count_action("sign-in", "ada", limit=2, period=timedelta(minutes=1)) is None

        assert await is_admitted()
        await advance_one_hour(database)
        assert [await is_admitted() for _ in range(3)] == [True, True, False]


class TestRegistrationLimit:
    async def test_registrations_are_limited_by_client_address(self, limited: Limited) -> None:
        client = await limited(registrations_per_hour_by_address=2)
        responses = [await register(client, number) for number in range(2)]
        assert [response.status_code for response in responses] == [201] * 2
        assert_rate_limited(await register(client, 2), limit=2, within=3600)

    async def test_forwarded_header_of_an_untrusted_proxy_is_ignored(self, limited: Limited) -> None:
        client = await limited(registrations_per_hour_by_address=2)
        for number in range(3):
            client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
            response = await register(client, number)
        assert_rate_limited(response, limit=2, within=3600)


class TestRefreshLimit:
    async def test_refreshes_are_limited_by_client_address(self, limited: Limited) -> None:
        client = await limited(refreshes_per_minute_by_address=2)
        for _ in range(2):
            problem(await client.post("/auth/refresh", json={"refresh_token": "x"}), 401, "invalid_token")
        assert_rate_limited(await client.post("/auth/refresh", json={"refresh_token": "x"}), limit=2, within=60)


class TestRequestLimit:
    async def test_requests_are_limited_by_user(self, limited: Limited) -> None:
        client = await limited(requests_per_minute_by_user=5)
        headers: list[dict[str, Any]] = []
        for number in range(2):
            await register(client, number)
            token = (await sign_in(client, number)).json()["access_token"]
            headers.append({"Authorization": f"Bearer {token}"})
        responses = [await client.get("/tasks", headers=headers[0]) for _ in range(5)]
        assert [response.status_code for response in responses] == [200] * 5
        assert_rate_limited(await client.get("/timer", headers=headers[0]), limit=5, within=60)
        assert (await client.get("/timer", headers=headers[1])).status_code == 204


@asynccontextmanager
async def counters_refused(database: Database) -> AsyncIterator[None]:
    """Make the database refuse every counter."""
    (collection,) = await (await database.list_collections(filter={"name": "rate_counters"})).to_list()
    await database.command("collMod", "rate_counters", validator={"$jsonSchema": {"required": ["missing_field"]}})
    try:
        yield
    finally:
        await database.command("collMod", "rate_counters", validator=collection["options"]["validator"])


class TestCounterFailure:
    async def test_sign_in_and_registration_are_503_while_reads_continue(
        self, limited: Limited, alice: Client, database: Database
    ) -> None:
        client = await limited()
        async with counters_refused(database):
            for response in (await sign_in(client), await register(client)):
                problem(response, 503, "database_unavailable")
            tasks = await client.get("/tasks", headers={"Authorization": alice.headers["authorization"]})
            assert tasks.status_code == 200
        assert (await register(client)).status_code == 201
        assert (await sign_in(client)).status_code == 200


class TestDisabled:
    async def test_disabled_limits_refuse_nothing(self, limited: Limited) -> None:
        client = await limited(rate_limits_enabled=False, sign_ins_per_minute_by_email=1)
        responses = [await sign_in(client) for _ in range(3)]
        assert [response.status_code for response in responses] == [401] * 3
