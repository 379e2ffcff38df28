"""A running timer survives a kill of the service, of its store, or of both."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.embedded.store_program import SECANTUS_SERVER
from tests.support.http import API, PASSWORD, Json
from tests.support.processes import Program, eventually, find_process, free_port, running


class Tracker:
    """A client that tracks time on a service that may be killed."""

    def __init__(self, service: Program) -> None:
        self.http = httpx.Client(base_url=service.base_url + API, timeout=30)

    def register(self) -> None:
        account = {"email": "ada@example.com", "password": PASSWORD}
        assert self.http.post("/users", json=account).status_code == 201

    def sign_in(self) -> None:
        form = {"username": "ada@example.com", "password": PASSWORD}
        self.http.headers["Authorization"] = "Bearer " + self.http.post("/auth/token", data=form).json()["access_token"]

    def make_task(self) -> str:
        response = self.http.post("/tasks", json={"title": "Survive"})
        assert response.status_code == 201
        task_id: str = response.json()["id"]
        return task_id

    def start(self) -> Json:
        response = self.http.post("/timer/start", json={"task_id": self.make_task()})
        assert response.status_code == 201
        timer: Json = response.json()
        return timer

    def timer(self) -> httpx.Response:
        return self.http.get("/timer")


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Program, Tracker]]:
    with running("serve", folder=folder, PORT=free_port()) as service:
        service.wait_until_ready()
        tracker = Tracker(service)
        yield service, tracker
        tracker.http.close()


def kill(service: Program, killed: str) -> None:
    """Kill the service, or it and its store. None of its processes remains."""
    if killed == "store first":
        find_process(service.process_tree(), SECANTUS_SERVER).kill()
    if killed == "all at once":
        for process in service.process_tree():
            process.kill()
    else:
        service.send(signal.SIGKILL)
    assert service.exit_code() == -signal.SIGKILL
    assert service.left_nothing_running()


def assert_timer_runs_and_stops(tracker: Tracker, timer: Json) -> None:
    assert tracker.timer().json()["entry"] == timer["entry"]
    response = tracker.http.post("/timer/stop", json={"entry_id": timer["entry"]["id"]})
    assert response.status_code == 200
    stopped = response.json()
    assert stopped["entry"]["started_at"] == timer["entry"]["started_at"]
    task = tracker.http.get(f"/tasks/{timer['task_id']}").json()
    assert task["time_entries"] == [stopped["entry"]]


class TestRunningTimer:
    def test_timer_runs_and_stops_after_each_kill(self, tmp_path: Path) -> None:
        with serving(tmp_path) as (service, tracker):
            tracker.register()
            tracker.sign_in()
            timer = tracker.start()
            kill(service, "service")
        for killed in ("store first", "all at once"):
            with serving(tmp_path) as (service, tracker):
                tracker.sign_in()
                assert_timer_runs_and_stops(tracker, timer)
                timer = tracker.start()
                kill(service, killed)
        with serving(tmp_path) as (service, tracker):
            tracker.sign_in()
            assert_timer_runs_and_stops(tracker, timer)
            timer = tracker.start()
            find_process(service.process_tree(), SECANTUS_SERVER).kill()
            eventually(lambda: tracker.timer().status_code == 200)
            assert_timer_runs_and_stops(tracker, timer)
