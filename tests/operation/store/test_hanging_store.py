"""A store that stops for good while its process lives is started again, with all that it has acknowledged."""

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
from app.embedded.liveness import MAX_STEP_SECONDS, PROBE_INTERVAL_SECONDS, WriteProbe, responds_to_ping
from tests.support.http import API, PASSWORD, Json
from tests.support.processes import Program, eventually, free_port, gone, one_of, running

PATIENCE_SECONDS = 3
STORE = "secantusd-py"
NO_MONGOD = {"MONGOD_BINARY": "/nowhere"}
ACCOUNT = {"email": "ada@example.com", "password": PASSWORD}
MEGABYTE = 1_000_000
MAX_MEGABYTES = 100
"""More than the whole of the cache, so that the transaction fills it whatever else is there."""


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[tuple[Program, httpx.Client]]:
    """A service with an embedded store that is soon found to hang, and a client who is signed in."""
    variables = {"EMBEDDED_PATIENCE_SECONDS": PATIENCE_SECONDS, "LOG_FORMAT": "json", **NO_MONGOD, **settings}
    with running("serve", folder=folder, PORT=free_port(), **variables) as service:
        service.wait_until_ready()
        with httpx.Client(base_url=service.base_url + API, timeout=30) as client:
            assert client.post("/users", json=ACCOUNT).status_code == 201
            form = {"username": ACCOUNT["email"], "password": ACCOUNT["password"]}
            client.headers["Authorization"] = "Bearer " + client.post("/auth/token", data=form).json()["access_token"]
            yield service, client


@contextmanager
def a_full_cache(url: str) -> Iterator[None]:
    """A transaction that changes one large document after the other, until the store stops, and is left open."""
    with MongoClient[Json](url, socketTimeoutMS=1000) as client, client.start_session() as session:
        large = client.filling.large
        for number in range(MAX_MEGABYTES):
            large.insert_one({"_id": number, "text": "x" * MEGABYTE, "changes": 0})
        session.start_transaction()
        with suppress(NetworkTimeout):
            for number in range(MAX_MEGABYTES):
                large.update_one({"_id": number}, {"$inc": {"changes": 1}}, session=session)
            pytest.fail("the transaction has not filled the cache")
        yield


@contextmanager
def a_stopped_process(service: Program) -> Iterator[None]:
    one_of(service.family(), STORE).suspend()
    yield


class TestAStoreThatHangs:
    @pytest.mark.parametrize("how", ["its cache is full of an open transaction", "its process stands still"])
    def test_is_started_again_and_has_all_that_was_acknowledged(self, tmp_path: Path, how: str) -> None:
        with serving(tmp_path, EMBEDDED_CACHE="64M") as (service, client):
            task = client.post("/tasks", json={"title": "Before"}).json()
            assert client.post("/timer/start", json={"task_id": task["id"]}).status_code == 201
            hung, url = one_of(service.family(), STORE), running_endpoint(tmp_path / "data")
            assert url is not None
            with a_stopped_process(service) if how == "its process stands still" else a_full_cache(url):
                if how != "its process stands still":
                    assert responds_to_ping(_port(url), within=5), "a ping is not enough to notice it"
                acknowledged = _make_tasks_until(client, hung)
            assert client.get("/timer").json()["task_id"] == task["id"]
            assert all(client.get(f"/tasks/{made}").status_code == 200 for made in [task["id"], *acknowledged])
            assert client.post("/timer/stop").status_code == 200
            told = [line for line in service.output.splitlines() if "was restarted" in line]
            assert len(told) == 1
            assert f"it had not completed a write for {PATIENCE_SECONDS} s" in told[0]

    def test_is_told_from_one_that_is_busy(self, tmp_path: Path) -> None:
        with serving(tmp_path) as (service, client):
            store = one_of(service.family(), STORE)
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
    """The ids of the tasks that were acknowledged from the hang on until the store has come back."""
    made: list[str] = []

    def come_back() -> bool:
        answer = client.post("/tasks", json={"title": "Meanwhile"})
        assert answer.status_code in {201, 503}, answer.text
        if answer.status_code == 201:
            made.append(answer.json()["id"])
        return gone([hung]) and answer.status_code == 201

    eventually(come_back)
    return made


def _port(url: str) -> int:
    return int(url.split(":")[2].split("/", maxsplit=1)[0])


class Silent:
    """A server that takes connections and reads what comes, and answers as often as it is told to."""

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
def silent() -> Iterator[Silent]:
    server = Silent()
    try:
        yield server
    finally:
        server.end()


def _has_answer(probe: WriteProbe) -> bool:
    probe.advance(0)
    return probe.connection is None


def steps_until(probe: WriteProbe, come_true: Callable[[], bool], step: float = MAX_STEP_SECONDS) -> int:
    """How many steps of this time the probe has advanced for."""
    for count in range(1000):
        if come_true():
            return count
        probe.advance(step)
    raise AssertionError("never came true")


class TestTheWriteProbe:
    def test_is_one_write_after_the_other_while_they_are_answered(self, silent: Silent) -> None:
        probe = WriteProbe(silent.port)
        for number in range(1, 4):
            assert steps_until(probe, lambda: probe.connection is not None) == PROBE_INTERVAL_SECONDS / MAX_STEP_SECONDS
            eventually(lambda number=number: silent.answered == number)  # type: ignore[misc]
            eventually(lambda: _has_answer(probe))
            assert probe.unanswered_seconds == 0

    def test_tells_how_long_a_write_has_had_no_answer(self, silent: Silent) -> None:
        silent.answering = False
        probe = WriteProbe(silent.port)
        steps_until(probe, lambda: probe.connection is not None)
        assert steps_until(probe, lambda: probe.unanswered_seconds > 3) == 4
        probe.close()

    def test_does_not_count_the_time_that_the_supervisor_itself_was_suspended(self, silent: Silent) -> None:
        silent.answering = False
        probe = WriteProbe(silent.port)
        steps_until(probe, lambda: probe.connection is not None, step=3600)
        probe.advance(3600)
        assert probe.unanswered_seconds == MAX_STEP_SECONDS
        probe.close()

    def test_is_silent_where_nobody_listens(self) -> None:
        probe = WriteProbe(free_port())
        steps_until(probe, lambda: probe.unanswered_seconds > 3)
        assert probe.connection is None
