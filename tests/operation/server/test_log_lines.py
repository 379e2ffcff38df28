"""The log with LOG_FORMAT=json, as the process writes it: each line is a JSON object."""

import json
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.http import API, Json
from tests.support.processes import Program, eventually, free_port, new_database, running

REQUEST_KEYS = {
    *("time", "level", "event", "request_id", "method", "route", "status", "milliseconds", "user_id"),
    *("client_address", "error_code", "worker_pid"),
}


def log_lines(program: Program) -> list[Json]:
    """Return all log lines, including those of the start and of libraries."""
    complete = program.output.rpartition("\n")[0]  # the last line may be incomplete
    return [json.loads(line) for line in complete.splitlines()]


def send_request(program: Program, method: str, path: str, **sent: object) -> httpx.Response:
    with httpx.Client(base_url=program.base_url, trust_env=False, verify=False, timeout=60) as client:
        return client.request(method, path, **sent)  # type: ignore[arg-type]


def log_line_of(program: Program, response: httpx.Response) -> Json:
    """Return the log line of the request of this response."""
    request_id = response.headers["x-request-id"]

    def find() -> list[Json]:
        return [line for line in log_lines(program) if line.get("request_id") == request_id]

    (line,) = eventually(find)
    return line


class TestJsonLog:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_every_line_is_json(self, tmp_path: Path, database_url: str, workers: int) -> None:
        port = free_port()
        settings = {"PORT": port, "WORKERS": workers, "TRUSTED_PROXIES": "127.0.0.1", "LOG_FORMAT": "json"}
        with (
            new_database(database_url) as database,
            running("serve", folder=tmp_path, **settings, **database) as service,
        ):
            service.wait_until_ready()
            (start,) = (line for line in log_lines(service) if line["event"] == "serving")
            assert start.items() >= {
                ("level", "info"),
                ("name", "Task Timer"),
                ("page", f"http://127.0.0.1:{port}/"),
                ("api", f"http://127.0.0.1:{port}/api/v1"),
                ("docs", f"http://127.0.0.1:{port}/docs"),
                ("shell", "task-timer shell"),
                ("worker_pid", service.process.pid),
            }
            self.assert_requests_are_logged(service)
            self.assert_refused_connection_is_logged(service, port)
            pids = {process.pid for process in service.process_tree()}
            assert {line["worker_pid"] for line in log_lines(service)} <= pids
            assert all({"time", "level", "event", "worker_pid"} <= line.keys() for line in log_lines(service))

    def assert_requests_are_logged(self, service: Program) -> None:
        line = log_line_of(service, send_request(service, "GET", "/health"))
        assert line.keys() == REQUEST_KEYS
        assert (line["status"], line["error_code"], line["client_address"]) == (200, None, "127.0.0.1")
        assert line["time"].endswith("Z")
        assert psutil.pid_exists(line["worker_pid"])
        forwarded = {"X-Forwarded-For": "203.0.113.7"}
        for method, path, status, code in (
            ("GET", f"{API}/tasks", 401, "not_authenticated"),
            ("GET", "/nothing", 404, "not_found"),
            ("DELETE", f"{API}/users", 405, "method_not_allowed"),
            ("POST", f"{API}/users", 422, "invalid_request"),
        ):
            line = log_line_of(service, send_request(service, method, path, headers=forwarded))
            assert (line["status"], line["error_code"], line["client_address"]) == (status, code, "203.0.113.7")

    def assert_refused_connection_is_logged(self, service: Program, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert b"malformed_request" in connection.recv(10_000)

        def find() -> list[Json]:
            return [line for line in log_lines(service) if line["event"] == "connection_refused"]

        (line,) = eventually(find)
        assert (line["error_code"], line["client_address"]) == ("malformed_request", "127.0.0.1")

    def test_warnings_of_the_start_are_logged(self, tmp_path: Path) -> None:
        settings = {"LOG_FORMAT": "json", "MONGOD_BINARY": "/nowhere"}
        with running("serve", folder=tmp_path, PORT=free_port(), **settings) as service:
            service.wait_until_ready()
            startup_lines = log_lines(service)
        (warning,) = (line for line in startup_lines if line["level"] == "warning")
        assert "MONGOD_BINARY is ignored" in warning["event"]
        (start,) = (line for line in startup_lines if line["event"] == "serving")
        assert start["mongosh"].startswith('mongosh "mongodb://127.0.0.1:')
