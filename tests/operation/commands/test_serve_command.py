"""`task-timer serve` and `task-timer shell`."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.serve import shell_address
from app.embedded.endpoint_file import running_endpoint
from app.embedded.store_program import SECANTUS_SERVER
from tests.operation.store.test_embedded_store import program
from tests.support.processes import (
    Program,
    clean_environment,
    eventually,
    find_process,
    free_port,
    have_ended,
    new_database,
    run_command,
    run_executable,
    running,
    running_executed,
)

NO_MONGOD = {"MONGOD_BINARY": "/nowhere"}
PRODUCTION = {"ENVIRONMENT": "production", "DATABASE_URL": "mongodb://db.example.com"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the service that several tests share."""
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def serving(folder: Path) -> Iterator[Program]:
    """A running service that the tests must not stop."""
    with running_executed("serve", folder=folder, PORT=free_port(), **NO_MONGOD) as service:
        service.wait_until_ready()
        yield service


class TestServe:
    def test_addresses_are_printed(self, serving: Program, folder: Path) -> None:
        assert f"{serving.base_url}/api/v1" in serving.output
        assert f"{serving.base_url}/docs" in serving.output
        assert "task-timer shell" in serving.output
        url = running_endpoint(folder / "data")
        assert url is not None
        assert shell_address(url, "task_timer_db") in serving.output

    def test_database_url_is_never_printed(self, tmp_path: Path, database_url: str) -> None:
        url = f"{database_url}&appname=hidden-word"
        with running("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=url) as service:
            service.wait_until_ready()
            assert "task-timer shell" in service.output
            assert "hidden-word" not in service.output
            assert "mongodb://" not in service.output
            assert len(service.process_tree()) == 1

    @pytest.mark.parametrize("workers", [1, 2])
    def test_sigterm_ends_the_service_and_its_store_gracefully(self, tmp_path: Path, workers: int) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), WORKERS=workers, **NO_MONGOD) as service:
            service.wait_until_ready()
            assert len(service.process_tree()) > 2
            assert_ends_gracefully(service, signal.SIGTERM)
            assert not (tmp_path / "data" / "endpoint").exists()

    @pytest.mark.parametrize("workers", [1, 2])
    def test_ctrl_c_ends_the_service_gracefully(self, tmp_path: Path, database_url: str, workers: int) -> None:
        with (
            new_database(database_url) as settings,
            running("serve", folder=tmp_path, PORT=free_port(), WORKERS=workers, **settings) as service,
        ):
            service.wait_until_ready()
            assert_ends_gracefully(service, signal.SIGINT)

    def test_killed_service_leaves_no_process_behind(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), **NO_MONGOD) as service:
            service.wait_until_ready()
            service.send(signal.SIGKILL)
            assert service.exit_code() == -signal.SIGKILL
            assert service.left_nothing_running()

    def test_service_can_start_right_after_one_with_two_workers_was_killed(self, tmp_path: Path) -> None:
        """The killed service is executed, so its workers are spawned. It leaves no process behind."""
        port = free_port()
        with running_executed("serve", folder=tmp_path, PORT=port, WORKERS=2, **NO_MONGOD) as killed:
            killed.wait_until_ready()
            killed.send(signal.SIGKILL)
            with running("serve", folder=tmp_path, PORT=port, **NO_MONGOD) as service:
                assert killed.exit_code() == -signal.SIGKILL
                assert killed.left_nothing_running()
                service.wait_until_ready()

    def test_signal_ends_the_service_before_the_store_is_ready(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), **NO_MONGOD) as service:
            eventually((tmp_path / "data" / "secantus.lock").exists)
            service.process_tree()
            service.send(signal.SIGTERM)
            assert service.exit_code() == 0, service.output
            assert service.left_nothing_running()

    def test_service_survives_the_death_of_the_store_until_it_cannot_be_restarted(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), **NO_MONGOD) as service:
            service.wait_until_ready()
            server = find_process(service.process_tree(), SECANTUS_SERVER)
            server.kill()
            eventually(lambda: have_ended([server]))
            service.wait_until_ready()
            find_process(service.process_tree(), "app.embedded.supervisor").kill()
            assert service.exit_code() == 1
            assert "The embedded store ended" in service.output
            assert service.left_nothing_running()


class TestServeErrors:
    def test_used_port_is_reported(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            result = run_command("serve", folder=tmp_path, PORT=port, **NO_MONGOD)
        assert result.returncode == 1
        assert one_sentence(result.stderr).startswith(f"Task Timer cannot listen on 127.0.0.1, port {port}")
        assert not (tmp_path / "data").exists()

    def test_unavailable_host_is_reported(self, tmp_path: Path) -> None:
        result = run_command("serve", folder=tmp_path, HOST="192.0.2.1", PORT=free_port(), **NO_MONGOD)
        assert result.returncode == 1
        assert one_sentence(result.stderr).startswith("Task Timer cannot listen on 192.0.2.1")

    def test_second_copy_on_the_same_data_is_refused(self, serving: Program, folder: Path) -> None:
        port = serving.base_url.rpartition(":")[2]
        for second_port in (port, free_port()):
            result = run_command("serve", folder=folder, PORT=second_port, **NO_MONGOD)
            assert result.returncode == 1
            assert one_sentence(result.stderr).startswith(
                "Another copy of Task Timer is running on this data directory"
            )
        serving.wait_until_ready()

    @pytest.mark.parametrize(
        "address", ["mongodb://u:secret@127.0.0.1:1/?timeoutMS=500", "mongodb://u:secret@x:999999/", "secret"]
    )
    def test_unreachable_database_is_reported_without_its_password(self, tmp_path: Path, address: str) -> None:
        result = run_command("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=address)
        assert result.returncode == 1
        assert one_sentence(result.stderr).startswith("The database that DATABASE_URL names does not answer")
        assert "secret" not in result.stderr + result.stdout

    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [
            ({"ENVIRONMENT": "production"}, "ENVIRONMENT=production needs DATABASE_URL"),
            (PRODUCTION, "ENVIRONMENT=production needs SECRET_KEY"),
            (PRODUCTION | {"SECRET_KEY": "correct-horse"}, "SECRET_KEY is shorter than 32 bytes"),
            ({"PORT": "correct-horse"}, "PORT: "),
        ],
    )
    def test_invalid_setting_is_reported_without_its_value(
        self, tmp_path: Path, variables: dict[str, str], sentence: str
    ) -> None:
        result = run_command("serve", folder=tmp_path, **variables)
        assert result.returncode == 1
        assert one_sentence(result.stderr).startswith(sentence)
        assert "correct-horse" not in result.stderr


class TestShell:
    def test_mongosh_is_started_and_its_exit_code_is_returned(self, tmp_path: Path) -> None:
        program(tmp_path / "mongosh", '#!/bin/sh\necho "opened $*"\nexit 7\n')
        variables = {"DATABASE_URL": "mongodb://u:p@db.example.com", **path_with(tmp_path)}
        result = run_executable("shell", folder=tmp_path, **variables)
        assert result.returncode == 7
        assert result.stdout == "opened mongodb://u:p@db.example.com/task_timer_db?authSource=admin\n"

    def test_store_is_started_if_no_service_is_running(self, tmp_path: Path) -> None:
        program(tmp_path / "mongosh", '#!/bin/sh\necho "$*"; cat data/endpoint\n')
        result = run_command("shell", folder=tmp_path, **path_with(tmp_path), **NO_MONGOD)
        assert result.returncode == 0
        opened, endpoint = result.stdout.splitlines()
        assert opened == shell_address(endpoint, "task_timer_db") + " --quiet"
        assert running_endpoint(tmp_path / "data") is None

    @pytest.mark.usefixtures("serving")
    def test_missing_mongosh_is_reported_with_the_address_of_the_database(self, folder: Path) -> None:
        url = running_endpoint(folder / "data")
        result = run_command("shell", folder=folder, PATH="/nowhere")
        assert result.returncode == 1
        assert "npm install -g mongosh" in result.stderr
        assert url is not None
        assert shell_address(url, "task_timer_db") in result.stderr

    def test_missing_mongosh_without_a_service_is_reported(self, tmp_path: Path) -> None:
        result = run_command("shell", folder=tmp_path, PATH="/nowhere")
        assert result.returncode == 1
        assert "No service is running" in result.stderr

    def test_password_of_the_database_is_never_printed(self, tmp_path: Path) -> None:
        result = run_command("shell", folder=tmp_path, PATH="/nowhere", DATABASE_URL="mongodb://u:p4ss@db.example.com")
        assert result.returncode == 1
        assert "p4ss" not in result.stdout + result.stderr


class TestShellAddress:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("mongodb://127.0.0.1:1/?directConnection=true", "mongodb://127.0.0.1:1/db?directConnection=true"),
            ("mongodb://a:1,b:2", "mongodb://a:1,b:2/db"),
            ("mongodb://u:p@a/other?w=1", "mongodb://u:p@a/db?w=1&authSource=other"),
            ("mongodb+srv://u:p@a/?authSource=x", "mongodb+srv://u:p@a/db?authSource=x"),
            ("mongodb://u@a/?authMechanism=MONGODB-X509", "mongodb://u@a/db?authMechanism=MONGODB-X509"),
        ],
    )
    def test_address_names_the_database_and_keeps_the_authentication_database(self, url: str, expected: str) -> None:
        assert shell_address(url, "db") == expected


def assert_ends_gracefully(service: Program, signal_number: signal.Signals) -> None:
    """Send the signal. The service exits with 0, and none of its processes remains."""
    service.send(signal_number)
    assert service.exit_code() == 0, service.output
    assert service.left_nothing_running()
    assert "Traceback" not in service.output


def one_sentence(text: str) -> str:
    lines = [line for line in text.splitlines() if "MONGOD_BINARY is ignored" not in line]
    assert len(lines) == 1, text
    return lines[0]


def path_with(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{clean_environment()['PATH']}"}
