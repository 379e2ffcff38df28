"""The log for programs (LOG_FORMAT=json), as the process writes it: one line of JSON for all that it says."""

import json
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.http import API, Json
from tests.support.processes import Program, eventually, free_port, running

OF_A_REQUEST = {
    *("time", "level", "event", "request_id", "method", "route", "status", "milliseconds", "user_id"),
    *("client_address", "error_code", "worker_pid"),
}


def lines(program: Program) -> list[Json]:
    """What it has said: every line is of JSON, its start and what libraries say included."""
    whole = program.output.rpartition("\n")[0]  # the last one may be under way
    return [json.loads(line) for line in whole.splitlines()]


def ask(program: Program, method: str, path: str, **sent: object) -> httpx.Response:
    with httpx.Client(base_url=program.base_url, trust_env=False, verify=False, timeout=60) as client:
        return client.request(method, path, **sent)  # type: ignore[arg-type]


def logged(program: Program, response: httpx.Response) -> Json:
    """The line about the request of this answer."""
    request_id = response.headers["x-request-id"]

    def find() -> list[Json]:
        return [line for line in lines(program) if line.get("request_id") == request_id]

    (line,) = eventually(find)
    return line


class TestALogForPrograms:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_is_json_from_the_first_line_on(self, tmp_path: Path, database_url: str, workers: int) -> None:
        port = free_port()
        told = {"DATABASE_URL": database_url, "DATABASE_NAME": "task_timer_log", "LOG_FORMAT": "json"}
        with running(
            "serve", folder=tmp_path, PORT=port, WORKERS=workers, TRUSTED_PROXIES="127.0.0.1", **told
        ) as service:
            service.wait_until_ready()
            (start,) = (line for line in lines(service) if line["event"] == "serving")
            assert start.items() >= {
                ("level", "info"),
                ("name", "Task Timer"),
                ("api", f"http://127.0.0.1:{port}/api/v1"),
                ("docs", f"http://127.0.0.1:{port}/docs"),
                ("shell", "task-timer shell"),
                ("worker_pid", service.process.pid),
            }
            self.tells_of_requests(service)
            self.tells_of_what_is_no_request(service, port)
            pids = {process.pid for process in service.family()}
            assert {line["worker_pid"] for line in lines(service)} <= pids
            assert all({"time", "level", "event", "worker_pid"} <= line.keys() for line in lines(service))

    def tells_of_requests(self, service: Program) -> None:
        line = logged(service, ask(service, "GET", "/health"))
        assert line.keys() == OF_A_REQUEST
        assert (line["status"], line["error_code"], line["client_address"]) == (200, None, "127.0.0.1")
        assert line["time"].endswith("Z")
        assert psutil.pid_exists(line["worker_pid"])
        beyond = {"X-Forwarded-For": "203.0.113.7"}
        for method, path, status, code in (
            ("GET", f"{API}/tasks", 401, "not_authenticated"),
            ("GET", "/nothing", 404, "not_found"),
            ("DELETE", f"{API}/users", 405, "method_not_allowed"),
            ("POST", f"{API}/users", 422, "invalid_request"),
        ):
            line = logged(service, ask(service, method, path, headers=beyond))
            assert (line["status"], line["error_code"], line["client_address"]) == (status, code, "203.0.113.7")

    def tells_of_what_is_no_request(self, service: Program, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert b"malformed_request" in connection.recv(10_000)

        def find() -> list[Json]:
            return [line for line in lines(service) if line["event"] == "connection_refused"]

        (line,) = eventually(find)
        assert (line["error_code"], line["client_address"]) == ("malformed_request", "127.0.0.1")

    def test_has_the_warnings_of_the_start_too(self, tmp_path: Path) -> None:
        told = {"LOG_FORMAT": "json", "MONGOD_BINARY": "/nowhere"}
        with running("serve", folder=tmp_path, PORT=free_port(), **told) as service:
            service.wait_until_ready()
            said = lines(service)
        (warning,) = (line for line in said if line["level"] == "warning")
        assert "MONGOD_BINARY is ignored" in warning["event"]
        (start,) = (line for line in said if line["event"] == "serving")
        assert start["mongosh"].startswith('mongosh "mongodb://127.0.0.1:')
