"""Two workers with one database: the guarantees also hold across processes."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from app.commands.serve import WORKER_SILENCE_SECONDS
from services.accounts.authentication import CACHE_SECONDS
from tests.support.http import API, PASSWORD, Client, clock, problem
from tests.support.processes import Program, eventually, free_port, new_database, running

CLIENTS = 10


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Program]:
    """A service of two workers."""
    settings = {"PORT": free_port(), "WORKERS": 2, "RATE_LIMITS_ENABLED": "false"}
    with (
        new_database(database_url) as database,
        running("serve", folder=tmp_path_factory.mktemp("service"), **settings, **database) as service,
    ):
        service.wait_until_ready()
        yield service


@asynccontextmanager
async def clients_of(service: Program, name: str) -> AsyncIterator[list[Client]]:
    """Several clients of one user, with a connection each, so that both workers receive requests."""
    clients = [Client(base_url=service.base_url + API, timeout=30) for _ in range(CLIENTS)]
    account = {"email": f"{name}@example.com", "password": PASSWORD}
    assert (await clients[0].post("/users", json=account)).status_code == 201
    form = {"username": account["email"], "password": PASSWORD}
    token = (await clients[0].post("/auth/token", data=form)).json()["access_token"]
    for client in clients:
        client.headers["Authorization"] = f"Bearer {token}"
    yield clients
    for client in clients:
        await client.aclose()


class TestTwoWorkers:
    async def test_fifty_starts_start_one_timer_and_twenty_stops_end_it_once(self, service: Program) -> None:
        async with clients_of(service, "starting") as clients:
            tasks = [await clients[0].make_task(title=str(number)) for number in range(50)]
            starts = await asyncio.gather(
                *(
                    clients[number % CLIENTS].post("/timer/start", json={"task_id": task["id"]})
                    for number, task in enumerate(tasks)
                )
            )
            assert Counter(response.status_code for response in starts) == {201: 1, 409: 49}
            (timer,) = [response.json() for response in starts if response.status_code == 201]
            for response in starts:
                if response.status_code == 409:
                    running_timer = problem(response, 409, "timer_already_running")["running"]
                    assert running_timer["entry"] == timer["entry"]

            body = {"entry_id": timer["entry"]["id"]}
            stops = await asyncio.gather(
                *(clients[number % CLIENTS].post("/timer/stop", json=body) for number in range(20))
            )
            assert {response.status_code for response in stops} == {200}
            assert len({response.json()["entry"]["ended_at"] for response in stops}) == 1
            task = await clients[0].read({"id": timer["task_id"]})
            assert (task["entry_count"], len(task["time_entries"])) == (1, 1)

    async def test_one_of_twenty_overlapping_entries_is_created(self, service: Program) -> None:
        hour = {"started_at": clock("09:00"), "ended_at": clock("10:00")}
        async with clients_of(service, "writing") as clients:
            tasks = [await clients[0].make_task(title=str(number)) for number in range(20)]
            responses = await asyncio.gather(
                *(
                    clients[number % CLIENTS].request_until_available(
                        "POST", f"/tasks/{task['id']}/time-entries", json=hour, params={"overlap": "forbid"}
                    )
                    for number, task in enumerate(tasks)
                )
            )
            assert Counter(response.status_code for response in responses) == {201: 1, 409: 19}
            (stored,) = [response.json() for response in responses if response.status_code == 201]
            for response in responses:
                if response.status_code == 409:
                    (overlap,) = problem(response, 409, "overlap")["overlaps"]
                    assert (overlap["entry_id"], overlap["overlap_seconds"]) == (stored["id"], 3600)


async def are_all_rejected(clients: list[Client]) -> bool:
    """Return whether the responses to all clients have the status 401."""
    responses = await asyncio.gather(*(client.get("/tasks") for client in clients))
    return {response.status_code for response in responses} == {401}


async def assert_tokens_are_revoked(service: Program, name: str, path: str, body: dict[str, str]) -> None:
    """Check that the request revokes the tokens at once in the worker that handles it, and soon in the other worker."""
    async with clients_of(service, name) as clients:
        for client in clients:
            assert (await client.get("/tasks")).status_code == 200
        assert (await clients[0].post(path, json=body)).status_code == 204
        problem(await clients[0].get("/tasks"), 401, "invalid_token")
        async with asyncio.timeout(3 * CACHE_SECONDS):
            while not await are_all_rejected(clients):  # noqa: ASYNC110 -- the other process checks every ten seconds
                await asyncio.sleep(1)


class TestRevokedTokens:
    async def test_both_workers_reject_revoked_tokens(self, service: Program) -> None:
        passwords = {"current_password": PASSWORD, "new_password": "a wholly new pass phrase"}
        await asyncio.gather(
            assert_tokens_are_revoked(service, "leaving", "/auth/logout", {}),
            assert_tokens_are_revoked(service, "changing", "/auth/password", passwords),
        )


class TestSupervisor:
    def test_worker_killed_during_a_health_check_is_replaced_at_once(self, service: Program) -> None:
        """A suspended worker does not answer the check, which waits up to 30 seconds. Its death ends the wait."""
        killed = service.workers()[0]
        killed.suspend()
        time.sleep(2)  # the supervisor checks twice a second, so it is waiting for this worker now
        killed.kill()
        killed_at = time.monotonic()
        eventually(lambda: len(service.workers()) == 2)
        assert time.monotonic() - killed_at < WORKER_SILENCE_SECONDS / 2
