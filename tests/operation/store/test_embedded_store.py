"""The embedded store: one server with its own data directory, which ends with the process that started it."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from coverage import Coverage
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from app.config import Settings
from app.embedded.endpoint_file import running_endpoint
from app.embedded.errors import EmbeddedStoreError
from app.embedded.liveness import responds_to_ping
from app.embedded.replica_set import REPLICA_SET, configure_replica_set
from app.embedded.store import EmbeddedStore, database_url
from app.embedded.store_program import SECANTUS_SERVER
from app.embedded.supervisor import LOCK_TIMEOUT_SECONDS, MIN_HELD_SECONDS
from tests.support.processes import (
    clean_environment,
    eventually,
    find_process,
    free_port,
    have_ended,
    process_tree,
    running_executed,
)

HOLDER = """
import sys
from pathlib import Path
from app.config import Settings
from app.embedded.store import EmbeddedStore
store = EmbeddedStore(Settings(_env_file=None, embedded_data_dir=Path(sys.argv[1]), mongod_binary=Path("/nowhere")))
with store as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def settings_for(folder: Path, **changes: Any) -> Settings:
    values = {"embedded_data_dir": folder / "data", "mongod_binary": Path("/nowhere"), "database_url": None} | changes
    return Settings(_env_file=None, **values)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def create_mongod(folder: Path, version: str) -> Path:
    """Create a program that claims to be a mongod of this version, and runs SecantusDB."""
    return program(
        folder / "mongod",
        f"""#!/bin/sh
if [ "$1" = --version ]; then echo 'db version v{version}'; exit; fi
while [ $# -gt 0 ]; do
    case $1 in --dbpath) data=$2;; --port) port=$2;; esac
    shift
done
touch "$data/empty.toml"
exec {sys.executable} {Path(sys.executable).with_name("secantusd-py")} \\
    --config "$data/empty.toml" --host 127.0.0.1 --port "$port" --storage-path "$data"
""",
    )


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that runs the store on tmp_path/data."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "data")],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline().startswith("mongodb://")
    yield process
    process.kill()
    process.stdin.close()
    process.stdout.close()
    process.wait()


class Running(NamedTuple):
    """A running store."""

    settings: Settings
    url: str


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A store with a configured port, which the tests must not end."""
    settings = settings_for(tmp_path_factory.mktemp("store"), embedded_port=free_port())
    with EmbeddedStore(settings) as url:
        yield Running(settings, url)


class TestRunningStore:
    def test_store_responds_at_its_connection_string(self, store: Running) -> None:
        with MongoClient[dict[str, Any]](store.url) as client:
            assert client.admin.command("ping")["ok"] == 1
            assert client.admin.command("hello")["isWritablePrimary"]

    def test_configured_port_is_used(self, store: Running) -> None:
        port = store.settings.embedded_port
        assert store.url == f"mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false"

    def test_files_are_accessible_to_their_owner_only(self, store: Running) -> None:
        data = store.settings.embedded_data_dir
        assert mode(data) == 0o700
        assert mode(data / "secantus") == 0o700
        assert all(mode(file) == 0o600 for file in data.iterdir() if file.is_file())

    def test_endpoint_without_a_lock_is_ignored(self, store: Running, tmp_path: Path) -> None:
        (tmp_path / "endpoint").write_text(store.url)
        assert running_endpoint(tmp_path) is None

    def test_data_survives_a_restart_and_the_endpoint_exists_while_the_store_is_running(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        for expected in (0, 1):
            assert running_endpoint(data) is None
            with EmbeddedStore(settings_for(tmp_path)) as url, MongoClient[dict[str, Any]](url) as client:
                assert url.startswith("mongodb://127.0.0.1:")
                assert running_endpoint(data) == url
                assert client.test.things.count_documents({}) == expected
                client.test.things.insert_one({})
            assert running_endpoint(data) is None
            assert not (data / "endpoint").exists()

    def test_store_can_be_stopped_before_it_is_ready(self, tmp_path: Path) -> None:
        stopped = EmbeddedStore(settings_for(tmp_path))
        stopped.launch()
        stopped.stop()
        with pytest.raises(EmbeddedStoreError), stopped:
            pass
        assert not _store_processes(tmp_path)


class TestDatabaseUrl:
    def test_configured_url_is_used(self, tmp_path: Path) -> None:
        with database_url(settings_for(tmp_path, database_url="mongodb://db.example.com")) as url:
            assert url == "mongodb://db.example.com"
        assert not (tmp_path / "data").exists()

    def test_running_store_is_used(self, store: Running) -> None:
        with database_url(store.settings) as url:
            assert url == store.url

    def test_store_runs_as_long_as_the_context(self, tmp_path: Path) -> None:
        settings = settings_for(tmp_path)
        with database_url(settings) as url:
            assert running_endpoint(settings.embedded_data_dir) == url
        assert running_endpoint(settings.embedded_data_dir) is None


class TestDataDirectoryInUse:
    def test_second_store_is_refused_at_once(self, store: Running) -> None:
        started = time.monotonic()
        with pytest.raises(EmbeddedStoreError, match="Another copy of Task Timer is running on this data directory"):
            EmbeddedStore(store.settings.model_copy(update={"embedded_port": 0})).__enter__()
        assert time.monotonic() - started < LOCK_TIMEOUT_SECONDS

    def test_second_store_waits_for_one_that_is_shutting_down(self, tmp_path: Path) -> None:
        first, second = EmbeddedStore(settings_for(tmp_path)), EmbeddedStore(settings_for(tmp_path))
        with ThreadPoolExecutor() as threads:
            with first as url:
                first.announce_end()
                future = threads.submit(second.__enter__)
                with pytest.raises(TimeoutError):
                    future.result(timeout=3 * MIN_HELD_SECONDS)
                assert responds_to_ping(_port(url), within=5), "the store works until it is stopped"
            assert future.result(timeout=60).startswith("mongodb://")
            second.__exit__(None, None, None)

    def test_command_waits_for_a_store_that_is_starting(self, tmp_path: Path) -> None:
        starting = EmbeddedStore(settings_for(tmp_path))
        starting.launch()
        eventually((tmp_path / "data" / "secantus.keeper").exists)
        with ThreadPoolExecutor() as threads:

            def command_url() -> str:
                with database_url(settings_for(tmp_path)) as url:
                    return url

            future = threads.submit(command_url)
            with starting as url:
                assert future.result(timeout=60) == url


class TestEnvironment:
    def test_environment_of_the_store_contains_no_secret(self, tmp_path: Path) -> None:
        secrets = {"SECRET_KEY": "4d1c8e0f72b5a396", "CLOUD_TOKEN": "9b7e31d05fa2c846"}
        variables = {"PORT": free_port(), "MONGOD_BINARY": "/nowhere", **secrets}
        # A forked process would show the environment of its parent.
        with running_executed("serve", folder=tmp_path, **variables) as service:
            service.wait_until_ready()
            own, *others = service.process_tree()
            assert len(others) == 2
            assert set(secrets.values()) <= set(own.environ().values())
            for process in others:
                environment = process.environ()
                assert environment["PATH"]
                assert not set(secrets.values()) & set(environment.values())
                assert not {name.upper() for name in Settings.model_fields} & environment.keys()

    def test_test_coverage_traces_the_supervisor_and_not_the_store(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        variable = "COVERAGE_PROCESS_CONFIG"
        monkeypatch.setenv(variable, Coverage(data_file=str(tmp_path / "coverage")).config.serialize())
        with EmbeddedStore(settings_for(tmp_path)):
            processes = _store_processes(tmp_path)
            assert variable in find_process(processes, "app.embedded.supervisor").environ()
            assert variable not in find_process(processes, SECANTUS_SERVER).environ()


class TestStartErrors:
    def test_used_port_is_reported(self, store: Running, tmp_path: Path) -> None:
        port = store.settings.embedded_port
        with pytest.raises(EmbeddedStoreError, match=f"EMBEDDED_PORT {port} is used by another program"):
            EmbeddedStore(settings_for(tmp_path, embedded_port=port)).__enter__()

    def test_last_line_of_the_log_is_reported(self, tmp_path: Path) -> None:
        failing_mongod = program(
            tmp_path / "mongod",
            "#!/bin/sh\n[ \"$1\" = --version ] && echo 'db version v8.0.4' || ! echo 'the disk is on fire'\n",
        )
        with pytest.raises(EmbeddedStoreError, match=r"mongod 8.*did not start: the disk is on fire"):
            EmbeddedStore(settings_for(tmp_path, mongod_binary=failing_mongod)).__enter__()

    def test_unusable_data_directory_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("a file")
        with pytest.raises(EmbeddedStoreError, match="EMBEDDED_DATA_DIR cannot be used"):
            EmbeddedStore(settings_for(tmp_path)).__enter__()

    def test_missing_store_is_reported_with_the_command_to_install_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "secantus", None)
        with pytest.raises(EmbeddedStoreError, match=r"DATABASE_URL.*pip install 'task-timer\[embedded\]'"):
            EmbeddedStore(settings_for(tmp_path)).__enter__()


class TestStoreProgram:
    def test_supported_mongod_is_used(self, tmp_path: Path) -> None:
        with EmbeddedStore(settings_for(tmp_path, mongod_binary=create_mongod(tmp_path, "8.0.4"))):
            assert mode(tmp_path / "data" / "mongod") == 0o700
            assert not (tmp_path / "data" / "secantus").exists()

    def test_mongod_that_is_too_old_is_not_used(self, tmp_path: Path) -> None:
        with EmbeddedStore(settings_for(tmp_path, mongod_binary=create_mongod(tmp_path, "6.0.19"))):
            assert (tmp_path / "data" / "secantus").is_dir()
            assert not (tmp_path / "data" / "mongod").exists()

    @pytest.mark.parametrize(("other", "version"), [("secantus", "8.0.4"), ("mongod", "6.0.19")])
    def test_data_of_the_other_program_is_refused(self, tmp_path: Path, other: str, version: str) -> None:
        folder = tmp_path / "data" / other
        folder.mkdir(parents=True)
        (folder / "WiredTiger").touch()
        with pytest.raises(EmbeddedStoreError, match=f"The data is in {folder}"):
            EmbeddedStore(settings_for(tmp_path, mongod_binary=create_mongod(tmp_path, version))).__enter__()

    def test_secantus_imports_no_module_of_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(tmp_path / "secantus.py", "raise SystemExit('a module of the current folder')")
        monkeypatch.chdir(tmp_path)
        with EmbeddedStore(settings_for(tmp_path)) as url, MongoClient[Any](url) as client:
            assert client.admin.command("ping")["ok"] == 1

    def test_secantus_collects_garbage_rarely_and_removes_no_expired_documents_itself(self, tmp_path: Path) -> None:
        """The removal would stop all other commands for as long as it reads whole collections."""
        code = f"""
import gc, sys, threading
from {SECANTUS_SERVER} import create_server
with create_server(0, sys.argv[1], "256M"):
    print(gc.get_threshold(), *(thread.name for thread in threading.enumerate()))
"""
        arguments = [sys.executable, "-Ic", code, str(tmp_path)]
        printed = subprocess.run(arguments, capture_output=True, check=True, text=True).stdout
        assert printed.startswith("(50000, 20, 50) ")
        assert "secantus-accept" in printed.split()
        assert "secantus-ttl-sweeper" not in printed.split()


class TestReplicaSet:
    def test_replica_set_is_initiated_once(self) -> None:
        sent = []

        def command(name: str, *value: object, **_options: object) -> dict[str, Any]:
            sent.append((name, *value))
            if name == "replSetGetConfig":
                raise OperationFailure("no replset config has been received", 94)
            return {"ok": 1}

        configure_replica_set(command, "127.0.0.1:28101")
        members = [{"_id": 0, "host": "127.0.0.1:28101"}]
        assert sent[1:] == [("replSetInitiate", {"_id": REPLICA_SET, "members": members})]

    def test_member_is_reconfigured_after_a_change_of_port(self) -> None:
        sent = []

        def command(name: str, *value: object, **options: object) -> dict[str, Any]:
            sent.append((name, *value, options))
            return {"config": {"version": 3, "members": [{"_id": 0, "host": "127.0.0.1:28101"}]}}

        configure_replica_set(command, "127.0.0.1:28202")
        changed = {"version": 4, "members": [{"_id": 0, "host": "127.0.0.1:28202"}]}
        assert sent[1:] == [("replSetReconfig", changed, {"force": True})]

    def test_configuration_is_unchanged_on_the_same_port(self) -> None:
        sent = []

        def command(name: str, *_value: object, **_options: object) -> dict[str, Any]:
            sent.append(name)
            return {"config": {"version": 3, "members": [{"_id": 0, "host": "127.0.0.1:28101"}]}}

        configure_replica_set(command, "127.0.0.1:28101")
        assert sent == ["replSetGetConfig"]


class TestKilledStore:
    def test_killed_store_is_restarted_with_its_data_and_is_lost_without_its_supervisor(self, tmp_path: Path) -> None:
        losses: list[bool] = []
        killed = EmbeddedStore(settings_for(tmp_path), on_loss=lambda: losses.append(True))
        with killed as url, MongoClient[dict[str, Any]](url) as client:
            client.test.things.insert_one({"_id": 1})
            server = find_process(_store_processes(tmp_path), SECANTUS_SERVER)
            server.kill()
            eventually(lambda: have_ended([server]))
            eventually(lambda: running_endpoint(tmp_path / "data"))
            assert client.test.things.find_one() == {"_id": 1}, "it is restarted on the same port"
            assert not losses
            processes = _store_processes(tmp_path)
            find_process(processes, "app.embedded.supervisor").kill()
            eventually(lambda: losses)
            eventually(lambda: have_ended(processes))
        assert killed.lost


class TestKilledProcess:
    def test_killed_process_leaves_no_store_running_and_its_data_directory_is_free(
        self, holder: "subprocess.Popen[str]", tmp_path: Path
    ) -> None:
        processes = process_tree(holder.pid)
        assert len(processes) == 3
        os.kill(holder.pid, signal.SIGKILL)
        with EmbeddedStore(settings_for(tmp_path)) as url:
            assert running_endpoint(tmp_path / "data") == url
        eventually(lambda: have_ended(processes))


def _port(url: str) -> int:
    return int(url.split(":")[2].split("/", maxsplit=1)[0])


def _store_processes(folder: Path) -> list[psutil.Process]:
    """Return the processes of the store in this directory: the supervisor and the server."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if any(str(folder) in part for part in child.cmdline())]
