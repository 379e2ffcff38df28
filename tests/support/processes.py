"""Processes that a test starts, waits for and inspects. All of them end with the test."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar, cast
from uuid import uuid4

import httpx
import psutil
from pymongo import MongoClient

from app.config import Settings
from tests.support import forked

COMMAND = Path(sys.executable).with_name("task-timer")
PATIENCE_SECONDS = 120.0
PORTS = range(20_000, 28_000)
CHEAP_HASHES = {"ARGON2_MEMORY_KIB": 19_456, "ARGON2_ROUNDS": 2}
"""The lowest cost that the settings allow: a service hashes twice before it is ready."""


T = TypeVar("T")


def eventually(look: Callable[[], T | None]) -> T:
    """Call `look` until its result is true, and return the result."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"timeout: {look}")


def free_port() -> int:
    """Return a free port outside the ranges that systems assign to clients and that the store uses."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environment(**variables: object) -> dict[str, str]:
    """Return the environment without settings of the service, and with these variables."""
    setting_names = {name.upper() for name in Settings.model_fields}
    others = {name: value for name, value in os.environ.items() if name.upper() not in setting_names}
    return others | {name: str(value) for name, value in variables.items()}


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def find_process(processes: list[psutil.Process], script: str) -> psutil.Process:
    """Return the process that runs this script or module."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # the process has just ended
            if script in [Path(part).name for part in process.cmdline()[1:4]]:
                return process
    raise AssertionError(f"no process runs {script}")


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has ended, and may be a zombie
        return []


def have_ended(processes: list[psutil.Process]) -> bool:
    return not any(_is_running(process) for process in processes)


def _is_running(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it may end between the two calls
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def running(*arguments: str, folder: Path, **variables: object) -> Iterator["Program"]:
    """Run `task-timer` with these arguments and settings in this folder, forked, while the block runs."""
    with running_prepared(None, *arguments, folder=folder, **variables) as program:
        yield program


@contextmanager
def running_prepared(
    preparing_module: str | None, /, *arguments: str, folder: Path, **variables: object
) -> Iterator["Program"]:
    """Run `task-timer` like `running`, in a process that a module prepares: see `forked.ForkedProcess`."""
    with (folder / "output.txt").open("w") as output, Path(os.devnull).open() as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        env = clean_environment(**{**CHEAP_HASHES, **variables})
        process = forked.ForkedProcess(
            arguments, cwd=folder, env=env, streams=streams, preparing_module=preparing_module
        )
    with _cleaned_up(Program(process, folder / "output.txt", variables.get("PORT"))) as program:
        yield program


@contextmanager
def running_executed(*arguments: str, folder: Path, **variables: object) -> Iterator["Program"]:
    """Run `task-timer` like `running`, but executed as a shell does it."""
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=folder,
            env=clean_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with _cleaned_up(Program(process, folder / "output.txt", variables.get("PORT"))) as program:
        yield program


@contextmanager
def new_database(url: str) -> Iterator[dict[str, str]]:
    """Yield the settings of a service on a new database of this server. The database is dropped afterwards."""
    name = f"task_timer_test_{uuid4().hex[:8]}"
    yield {"DATABASE_URL": url, "DATABASE_NAME": name}
    with MongoClient[dict[str, object]](url) as client:
        client.drop_database(name)


@contextmanager
def _cleaned_up(program: "Program") -> Iterator["Program"]:
    try:
        yield program
    finally:
        program.clean_up()


@contextmanager
def named_pipe(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """Create a named pipe, and yield its read end and a function that closes its write end.

    Call the function when the writer has ended. Then a reader gets the end of the file even if the writer never opened
    the pipe.
    """
    os.mkfifo(path)
    read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with ExitStack() as resources:
        resources.callback(os.close, os.open(path, os.O_WRONLY))
        os.set_blocking(read_end, True)
        with os.fdopen(read_end, "rb", buffering=0) as file:
            yield cast("BinaryIO", file), resources.close


class Program:
    """A running or ended `task-timer` process."""

    def __init__(self, process: subprocess.Popen[bytes] | forked.ForkedProcess, output: Path, port: object) -> None:
        self.process = process
        self.base_url = f"http://127.0.0.1:{port}"
        self._output = output
        self._seen: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        return self._output.read_text()

    def process_tree(self) -> list[psutil.Process]:
        """Return the process and all its descendants."""
        found = process_tree(self.process.pid)
        self._seen |= {process.pid: process for process in found}
        return found

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes of a service with several workers: spawned, or forked from the service."""
        service, *others = self.process_tree()
        own = command_line(service)
        return [process for process in others if (line := command_line(process)) == own or "spawn_main" in str(line)]

    def get(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(self.base_url + path, timeout=10, verify=False, trust_env=False)
        except httpx.TransportError:
            assert self.process.poll() is None, self.output
            return None

    def wait_until_ready(self) -> None:
        eventually(lambda: (answer := self.get("/health/ready")) and answer.status_code == 200)
        self.process_tree()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def left_nothing_running(self) -> bool:
        return bool(eventually(lambda: have_ended(list(self._seen.values()))))

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self.process_tree()
        for process in self._seen.values():
            if process.is_running():
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def run_command(*arguments: str, folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run `task-timer` with these arguments and settings, forked, and return its exit code and output."""
    return run_command_with_input("", *arguments, folder=folder, **variables)


def run_command_with_input(
    content: str, *arguments: str, folder: Path, **variables: object
) -> subprocess.CompletedProcess[str]:
    """Run `task-timer` like `run_command`, with this content on its standard input."""
    env = clean_environment(**{**CHEAP_HASHES, **variables})
    ended = forked.run(arguments, cwd=folder, env=env, content=content.encode(), timeout=PATIENCE_SECONDS)
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def run_executable(*arguments: str, folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run `task-timer` like `run_command`, but executed as a shell does it."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=folder,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
