"""A store that hangs is restarted, with every write that it has acknowledged."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import NetworkTimeout

from app.embedded.endpoint_file import running_endpoint
from app.embedded.liveness import MAX_PROBE_INTERVAL_SECONDS, MAX_STEP_SECONDS, WriteProbe, responds_to_ping
from app.embedded.store_program import SECANTUS_SERVER
from tests.support.http import API, PASSWORD, Json
from tests.support.processes import Program, eventually, find_process, free_port, have_ended, running

PATIENCE_SECONDS = 3
NO_MONGOD = {"MONGOD_BINARY": "/nowhere"}
ACCOUNT = {"email": "ada@example.com", "password": PASSWORD}
MEGABYTE = 1_000_000
MAX_MEGABYTES = 100
"""More than the whole cache, so that the transaction fills it in any case."""


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[tuple[Program, httpx.Client]]:
    """A service whose embedded store is restarted soon after it hangs, and a client that is signed in."""
    variables = {"EMBEDDED_PATIENCE_SECONDS": PATIENCE_SECONDS, "LOG_FORMAT": "json", **NO_MONGOD, **settings}
    with running("serve", folder=folder, PORT=free_port(), **variables) as service:
        service.wait_until_ready()
        with httpx.Client(base_url=service.base_url + API, timeout=30) as client:
            assert client.post("/users", json=ACCOUNT).status_code == 201
            form = {"username": ACCOUNT["email"], "password": ACCOUNT["password"]}
            client.headers["Authorization"] = "Bearer " + client.post("/auth/token", data=form).json()["access_token"]
            yield service, client


@contextmanager
def full_cache(url: str) -> Iterator[None]:
    """Update large documents in one transaction until the store hangs, and leave the transaction open."""
    with MongoClient[Json](url, socketTimeoutMS=1000) as client, client.start_session() as session:
        large = client.filling.large
        for number in range(MAX_MEGABYTES):
            large.insert_one({"_id": number, "text": "x" * MEGABYTE, "changes": 0})
        session.start_transaction()
        with suppress(NetworkTimeout):
            for number in range(MAX_MEGABYTES):
                large.update_one({"_id": number}, {"$inc": {"changes": 1}}, session=session)
            pytest.fail("the transaction did not fill the cache")
        yield


@contextmanager
def suspended_process(service: Program) -> Iterator[None]:
    find_process(service.process_tree(), SECANTUS_SERVER).suspend()
    yield


class TestHangingStore:
    @pytest.mark.parametrize("how", ["its cache is full of an open transaction", "its process stands still"])
    def test_hanging_store_is_restarted_with_every_acknowledged_write(self, tmp_path: Path, how: str) -> None:
        with serving(tmp_path, EMBEDDED_CACHE="64M") as (service, client):
            task = client.post("/tasks", json={"title": "Before"}).json()
            assert client.post("/timer/start", json={"task_id": task["id"]}).status_code == 201
            hung, url = find_process(service.process_tree(), SECANTUS_SERVER), running_endpoint(tmp_path / "data")
            assert url is not None
            with suspended_process(service) if how == "its process stands still" else full_cache(url):
                if how != "its process stands still":
                    assert responds_to_ping(_port(url), within=5), "a ping does not detect that the store hangs"
                acknowledged = _make_tasks_until(client, hung)
            assert client.get("/timer").json()["task_id"] == task["id"]
            assert all(client.get(f"/tasks/{created}").status_code == 200 for created in [task["id"], *acknowledged])
            assert client.post("/timer/stop").status_code == 200
            messages = [line for line in service.output.splitlines() if "was restarted" in line]
            assert len(messages) == 1
            assert f"it had not completed a write for {PATIENCE_SECONDS} s" in messages[0]

    def test_busy_store_is_not_restarted(self, tmp_path: Path) -> None:
        with serving(tmp_path) as (service, client):
            store = find_process(service.process_tree(), SECANTUS_SERVER)
            file = "Start,End,Task\n" + "".join(
                f"2026-11-{day:02} {hour:02}:{minute:02},2026-11-{day:02} {hour:02}:{minute + 1:02},Offer {day % 3}\n"
                for day in range(1, 29)
                for hour in range(24)
                for minute in range(0, 60, 10)
            )
            imported = client.post(
                "/imports",
                data={"format": "csv", "timezone": "UTC"},
                files={"file": ("time.csv", file.encode(), "text/csv")},
                timeout=300,
            )
            assert imported.status_code == 201, imported.text
            assert imported.json()["created"]["entries"] == 28 * 24 * 6
            assert store.is_running()
            assert "was restarted" not in service.output


def _make_tasks_until(client: httpx.Client, hung: psutil.Process) -> list[str]:
    """Create tasks until the store is back, and return the ids of those that were acknowledged."""
    created: list[str] = []

    def is_back() -> bool:
        answer = client.post("/tasks", json={"title": "Meanwhile"})
        assert answer.status_code in {201, 503}, answer.text
        if answer.status_code == 201:
            created.append(answer.json()["id"])
        return have_ended([hung]) and answer.status_code == 201

    eventually(is_back)
    return created


def _port(url: str) -> int:
    return int(url.split(":")[2].split("/", maxsplit=1)[0])


class StubStore:
    """A server that accepts connections, and responds to each message if `answering` is set."""

    def __init__(self) -> None:
        self.answered = 0
        self.answering = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with ExitStack() as connections:
            while True:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                connections.enter_context(connection)
                assert connection.recv(4096)
                if self.answering:
                    connection.sendall(b"any answer")
                    self.answered += 1

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def stub_store() -> Iterator[StubStore]:
    server = StubStore()
    try:
        yield server
    finally:
        server.end()


def _has_response(probe: WriteProbe) -> bool:
    probe.advance(0)
    return probe.connection is None


def steps_until(probe: WriteProbe, condition: Callable[[], bool], step: float = MAX_STEP_SECONDS) -> int:
    """Advance the probe in steps of this time until the condition is true, and return the number of steps."""
    for count in range(1000):
        if condition():
            return count
        probe.advance(step)
    raise AssertionError("the condition was never true")


class TestWriteProbe:
    def test_next_write_is_sent_after_each_response(self, stub_store: StubStore) -> None:
        probe = WriteProbe(stub_store.port, patience=20)
        for number in range(1, 4):
            steps = steps_until(probe, lambda: probe.connection is not None)
            assert steps == MAX_PROBE_INTERVAL_SECONDS / MAX_STEP_SECONDS
            eventually(lambda number=number: stub_store.answered == number)  # type: ignore[misc]
            eventually(lambda: _has_response(probe))
            assert probe.unanswered_seconds == 0

    def test_writes_are_more_frequent_if_the_patience_is_short(self, stub_store: StubStore) -> None:
        probe = WriteProbe(stub_store.port, patience=8)
        assert steps_until(probe, lambda: probe.connection is not None) == 2
        probe.close()

    def test_time_without_a_response_is_measured(self, stub_store: StubStore) -> None:
        stub_store.answering = False
        probe = WriteProbe(stub_store.port, patience=20)
        steps_until(probe, lambda: probe.connection is not None)
        assert steps_until(probe, lambda: probe.unanswered_seconds > 3) == 4
        probe.close()

    def test_time_in_which_the_supervisor_was_suspended_is_not_counted(self, stub_store: StubStore) -> None:
        stub_store.answering = False
        probe = WriteProbe(stub_store.port, patience=20)
        steps_until(probe, lambda: probe.connection is not None, step=3600)
        probe.advance(3600)
        assert probe.unanswered_seconds == MAX_STEP_SECONDS
        probe.close()

    def test_refused_connection_counts_as_no_response(self) -> None:
        probe = WriteProbe(free_port(), patience=20)
        steps_until(probe, lambda: probe.unanswered_seconds > 3)
        assert probe.connection is None
