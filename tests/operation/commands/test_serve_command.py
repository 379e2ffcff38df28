"""`task-timer serve` and `task-timer shell`, as whoever runs them sees them."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.serve import shell_address
from app.embedded.endpoint_file import running_endpoint
from tests.operation.store.test_embedded_store import program
from tests.support.processes import (
    Program,
    clean_environment,
    eventually,
    free_port,
    gone,
    one_of,
    outcome,
    outcome_executed,
    running,
    running_executed,
)

NO_MONGOD = {"MONGOD_BINARY": "/nowhere"}
PRODUCTION = {"ENVIRONMENT": "production", "DATABASE_URL": "mongodb://db.example.com"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service runs that the tests share which only look at it."""
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def serving(folder: Path) -> Iterator[Program]:
    """A service that runs; no test ends it."""
    with running_executed("serve", folder=folder, PORT=free_port(), **NO_MONGOD) as service:
        service.wait_until_ready()
        yield service


class TestServing:
    def test_says_where_everything_is(self, serving: Program, folder: Path) -> None:
        assert f"{serving.base_url}/api/v1" in serving.output
        assert f"{serving.base_url}/docs" in serving.output
        assert "task-timer shell" in serving.output
        url = running_endpoint(folder / "data")
        assert url is not None
        assert shell_address(url, "task_timer_db") in serving.output

    def test_never_shows_the_address_of_a_database_of_ones_own(self, tmp_path: Path, database_url: str) -> None:
        url = f"{database_url}&appname=hidden-word"
        with running("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=url) as service:
            service.wait_until_ready()
            assert "task-timer shell" in service.output
            assert "hidden-word" not in service.output
            assert "mongodb://" not in service.output
            assert len(service.family()) == 1

    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_gracefully_when_it_is_told_to(self, tmp_path: Path, number: signal.Signals, workers: int) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), WORKERS=workers, **NO_MONGOD) as service:
            service.wait_until_ready()
            service.send(number)
            assert service.exit_code() == 0, service.output
            assert service.left_nothing_running()
            assert "Traceback" not in service.output
            assert not (tmp_path / "data" / "endpoint").exists()

    @pytest.mark.parametrize("workers", [1, 2])
    def test_leaves_nothing_running_when_it_is_killed(self, tmp_path: Path, workers: int) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), WORKERS=workers, **NO_MONGOD) as service:
            service.wait_until_ready()
            service.send(signal.SIGKILL)
            assert service.exit_code() == -signal.SIGKILL
            assert service.left_nothing_running()

    def test_serves_again_right_after_it_was_killed(self, tmp_path: Path) -> None:
        port = free_port()
        with running("serve", folder=tmp_path, PORT=port, WORKERS=2, **NO_MONGOD) as killed:
            killed.wait_until_ready()
            killed.send(signal.SIGKILL)
            with running("serve", folder=tmp_path, PORT=port, **NO_MONGOD) as service:
                killed.exit_code()
                killed.left_nothing_running()
                service.wait_until_ready()

    def test_ends_when_it_is_told_to_before_the_store_answers(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), **NO_MONGOD) as service:
            eventually((tmp_path / "data" / "secantus.lock").exists)
            service.family()
            service.send(signal.SIGTERM)
            assert service.exit_code() == 0, service.output
            assert service.left_nothing_running()

    def test_survives_the_death_of_the_store(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), **NO_MONGOD) as service:
            service.wait_until_ready()
            server = one_of(service.family(), "secantusd-py")
            server.kill()
            eventually(lambda: gone([server]))
            service.wait_until_ready()

    def test_ends_with_the_reason_when_the_store_cannot_be_kept(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port(), **NO_MONGOD) as service:
            service.wait_until_ready()
            one_of(service.family(), "app.embedded.supervisor").kill()
            assert service.exit_code() == 1
            assert "The embedded store ended" in service.output
            assert service.left_nothing_running()


class TestServingThatCannotStart:
    def test_says_that_the_port_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            said = outcome("serve", folder=tmp_path, PORT=port, **NO_MONGOD)
        assert said.returncode == 1
        assert one_sentence(said.stderr).startswith(f"Task Timer cannot listen on 127.0.0.1, port {port}")
        assert not (tmp_path / "data").exists()

    def test_says_that_the_host_is_not_here(self, tmp_path: Path) -> None:
        said = outcome("serve", folder=tmp_path, HOST="192.0.2.1", PORT=free_port(), **NO_MONGOD)
        assert said.returncode == 1
        assert one_sentence(said.stderr).startswith("Task Timer cannot listen on 192.0.2.1")

    def test_says_that_another_copy_is_running(self, serving: Program, folder: Path) -> None:
        port = serving.base_url.rpartition(":")[2]
        for of_the_second in (port, free_port()):
            said = outcome("serve", folder=folder, PORT=of_the_second, **NO_MONGOD)
            assert said.returncode == 1
            told = one_sentence(said.stderr)
            assert told.startswith("Another copy of Task Timer is running on this data directory")
        serving.wait_until_ready()

    @pytest.mark.parametrize("address", ["mongodb://u:secret@127.0.0.1:1/", "mongodb://u:secret@x:999999/", "secret"])
    def test_says_that_its_database_does_not_answer(self, tmp_path: Path, address: str) -> None:
        said = outcome("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=address)
        assert said.returncode == 1
        assert one_sentence(said.stderr).startswith("The database that DATABASE_URL names does not answer")
        assert "secret" not in said.stderr + said.stdout

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"ENVIRONMENT": "production"}, "ENVIRONMENT=production needs DATABASE_URL"),
            (PRODUCTION, "ENVIRONMENT=production needs SECRET_KEY"),
            (PRODUCTION | {"SECRET_KEY": "correct-horse"}, "SECRET_KEY is shorter than 32 bytes"),
            ({"PORT": "correct-horse"}, "PORT: "),
        ],
    )
    def test_says_which_setting_is_wrong(self, tmp_path: Path, wrong: dict[str, str], sentence: str) -> None:
        said = outcome("serve", folder=tmp_path, **wrong)
        assert said.returncode == 1
        assert one_sentence(said.stderr).startswith(sentence)
        assert "correct-horse" not in said.stderr


class TestTheShell:
    def test_opens_mongosh_on_the_database_and_exits_as_it_does(self, tmp_path: Path) -> None:
        program(tmp_path / "mongosh", '#!/bin/sh\necho "opened $*"\nexit 7\n')
        variables = {"DATABASE_URL": "mongodb://u:p@db.example.com", **path_with(tmp_path)}
        said = outcome_executed("shell", folder=tmp_path, **variables)
        assert said.returncode == 7
        assert said.stdout == "opened mongodb://u:p@db.example.com/task_timer_db?authSource=admin\n"

    def test_starts_the_store_when_no_service_runs(self, tmp_path: Path) -> None:
        program(tmp_path / "mongosh", '#!/bin/sh\necho "$*"; cat data/endpoint\n')
        said = outcome("shell", folder=tmp_path, **path_with(tmp_path), **NO_MONGOD)
        assert said.returncode == 0
        opened, endpoint = said.stdout.splitlines()
        assert opened == shell_address(endpoint, "task_timer_db") + " --quiet"
        assert running_endpoint(tmp_path / "data") is None

    @pytest.mark.usefixtures("serving")
    def test_says_how_to_get_mongosh(self, folder: Path) -> None:
        url = running_endpoint(folder / "data")
        said = outcome("shell", folder=folder, PATH="/nowhere")
        assert said.returncode == 1
        assert "npm install -g mongosh" in said.stderr
        assert url is not None
        assert shell_address(url, "task_timer_db") in said.stderr

    def test_says_that_no_service_is_running(self, tmp_path: Path) -> None:
        said = outcome("shell", folder=tmp_path, PATH="/nowhere")
        assert said.returncode == 1
        assert "No service is running" in said.stderr

    def test_keeps_a_password_to_itself(self, tmp_path: Path) -> None:
        said = outcome("shell", folder=tmp_path, PATH="/nowhere", DATABASE_URL="mongodb://u:p4ss@db.example.com")
        assert said.returncode == 1
        assert "p4ss" not in said.stdout + said.stderr


class TestTheAddressForAShell:
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
    def test_names_the_database_and_signs_in_as_before(self, url: str, expected: str) -> None:
        assert shell_address(url, "db") == expected


def one_sentence(text: str) -> str:
    lines = [line for line in text.splitlines() if "MONGOD_BINARY is ignored" not in line]
    assert len(lines) == 1, text
    return lines[0]


def path_with(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{clean_environment()['PATH']}"}
