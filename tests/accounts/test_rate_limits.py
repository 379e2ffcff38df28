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
from tests.support.services import serving_beside

Limited = Callable[..., Awaitable[Client]]


@pytest.fixture
async def limited(settings: Settings, database: Database, empty_service: str) -> AsyncIterator[Limited]:  # noqa: ARG001 -- it is emptied
    """A stranger's client of a service with limits: those that are given, all others as they are by default."""
    async with AsyncExitStack() as stack:

        async def make(**limits: int) -> Client:
            settings_there = settings.model_copy(update={"rate_limits_enabled": True, **limits})
            address = await stack.enter_async_context(serving_beside(create_app(settings_there), database))
            return await stack.enter_async_context(Client(base_url=address + API, timeout=30))

        yield make


def refused(response: httpx.Response, *, most: int, within: int) -> None:
    problem(response, 429, "rate_limited")
    assert 1 <= int(response.headers["retry-after"]) <= within
    assert response.headers["ratelimit-limit"] == str(most)
    assert response.headers["ratelimit-remaining"] == "0"
    assert response.headers["ratelimit-reset"] == response.headers["retry-after"]


async def register(client: Client, number: int = 0) -> httpx.Response:
    return await client.post("/users", json={"email": f"user{number}@example.com", "password": PASSWORD})


async def sign_in(client: Client, number: int = 0, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/auth/token", data={"username": f"user{number}@example.com", "password": password})


async def let_time_pass(database: Database) -> None:
    """An hour goes by, as far as the counters can tell."""
    async for counter in database.rate_counters.find({}):
        then = counter["expires_at"] - timedelta(hours=1)
        await database.rate_counters.update_one({"_id": counter["_id"]}, {"$set": {"expires_at": then}})


class TestSigningIn:
    async def test_is_limited_by_the_address_of_the_account(self, limited: Limited, database: Database) -> None:
        client = await limited(sign_ins_per_minute_by_email=3)
        await register(client)
        answers = [await sign_in(client, password="something else") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401] * 3
        refused(await sign_in(client), most=3, within=60)
        refused(
            await client.post("/auth/token", data={"username": "USER0@example.com", "password": PASSWORD}),
            most=3,
            within=60,
        )
        assert (await sign_in(client, 1)).status_code == 401
        await let_time_pass(database)
        assert (await sign_in(client)).status_code == 200

    async def test_lets_exactly_so_many_pass_of_any_number_at_once(self, limited: Limited) -> None:
        client = await limited(sign_ins_per_minute_by_email=3)
        answers = await asyncio.gather(*(sign_in(client) for _ in range(20)))
        assert Counter(answer.status_code for answer in answers) == {401: 3, 429: 17}

    async def test_is_limited_by_where_it_comes_from(self, limited: Limited) -> None:
        client = await limited(sign_ins_per_minute_by_address=3)
        answers = [await sign_in(client, number) for number in range(3)]
        assert [answer.status_code for answer in answers] == [401] * 3
        refused(await sign_in(client, 3), most=3, within=60)

    async def test_counts_in_the_database_for_all_services(self, limited: Limited, database: Database) -> None:
        client = await limited(sign_ins_per_minute_by_email=2)
        for _ in range(2):
            await sign_in(client)
        other = await limited(sign_ins_per_minute_by_email=2)
        refused(await sign_in(other), most=2, within=60)
        counters = await database.rate_counters.find({}).to_list(None)
        assert "user0" not in str(counters)

    async def test_has_the_limits_of_the_settings(self) -> None:
        fields = Settings.model_fields
        assert {name: fields[name].default for name in fields if "_per_" in name} == {
            "sign_ins_per_minute_by_email": 10,
            "sign_ins_per_minute_by_address": 60,
            "registrations_per_hour_by_address": 20,
            "refreshes_per_minute_by_address": 30,
            "requests_per_minute_by_user": 1200,
        }


class TestATimeThatBeginsForManyAtOnce:
    async def test_has_room_for_exactly_so_many(self, empty_service: str, database: Database) -> None:
        assert empty_service

        async def is_admitted(place: int) -> bool:
            await asyncio.sleep(place / 1000)  # while one looks, another has begun
            return await RateCounter.count_action("sign-in", "ada", limit=30, period=timedelta(minutes=1)) is None

        for _ in range(10):
            assert all(await asyncio.gather(*(is_admitted(place) for place in range(30))))
            assert not await is_admitted(0)
            await let_time_pass(database)


class TestRegistering:
    async def test_is_limited_by_where_it_comes_from(self, limited: Limited) -> None:
        client = await limited(registrations_per_hour_by_address=2)
        answers = [await register(client, number) for number in range(2)]
        assert [answer.status_code for answer in answers] == [201] * 2
        refused(await register(client, 2), most=2, within=3600)

    async def test_by_many_through_a_proxy_that_is_not_trusted_is_by_one(self, limited: Limited) -> None:
        client = await limited(registrations_per_hour_by_address=2)
        for number in range(3):
            client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
            answer = await register(client, number)
        refused(answer, most=2, within=3600)


class TestRefreshing:
    async def test_is_limited_by_where_it_comes_from(self, limited: Limited) -> None:
        client = await limited(refreshes_per_minute_by_address=2)
        for _ in range(2):
            problem(await client.post("/auth/refresh", json={"refresh_token": "x"}), 401, "invalid_token")
        refused(await client.post("/auth/refresh", json={"refresh_token": "x"}), most=2, within=60)


class TestRequests:
    async def test_of_a_user_are_limited_whatever_they_ask(self, limited: Limited) -> None:
        client = await limited(requests_per_minute_by_user=5)
        headers: list[dict[str, Any]] = []
        for number in range(2):
            await register(client, number)
            token = (await sign_in(client, number)).json()["access_token"]
            headers.append({"Authorization": f"Bearer {token}"})
        answers = [await client.get("/tasks", headers=headers[0]) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        refused(await client.get("/timer", headers=headers[0]), most=5, within=60)
        assert (await client.get("/timer", headers=headers[1])).status_code == 204


@asynccontextmanager
async def nothing_counted(database: Database) -> AsyncIterator[None]:
    """The database takes no counter meanwhile."""
    (found,) = await (await database.list_collections(filter={"name": "rate_counters"})).to_list()
    await database.command("collMod", "rate_counters", validator={"$jsonSchema": {"required": ["nobody has it"]}})
    try:
        yield
    finally:
        await database.command("collMod", "rate_counters", validator=found["options"]["validator"])


class TestCountersThatCannotBeKept:
    async def test_refuse_whoever_signs_in_and_let_others_read(
        self, limited: Limited, alice: Client, database: Database
    ) -> None:
        client = await limited()
        async with nothing_counted(database):
            for response in (await sign_in(client), await register(client)):
                problem(response, 503, "database_unavailable")
            tasks = await client.get("/tasks", headers={"Authorization": alice.headers["authorization"]})
            assert tasks.status_code == 200
        assert (await register(client)).status_code == 201
        assert (await sign_in(client)).status_code == 200


class TestSwitchedOff:
    async def test_nothing_is_limited(self, limited: Limited) -> None:
        client = await limited(rate_limits_enabled=False, sign_ins_per_minute_by_email=1)
        answers = [await sign_in(client) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401] * 3
