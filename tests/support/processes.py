"""Processes that a test starts, waits for and looks at. Whatever happens, none outlives its test."""

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

import httpx
import psutil

from app.config import Settings
from tests.support import forked

COMMAND = Path(sys.executable).with_name("task-timer")
PATIENCE_SECONDS = 120.0
PORTS = range(20_000, 28_000)
CHEAP_HASHES = {"ARGON2_MEMORY_KIB": 19_456, "ARGON2_ROUNDS": 2}
"""The lowest cost that the settings allow: a service hashes twice before it is ready."""


T = TypeVar("T")


def eventually(look: Callable[[], T | None]) -> T:
    """The first truth that looking again and again finds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never came true: {look}")


def free_port() -> int:
    """A port of those that no system gives to clients and no store takes: it is still free a moment later."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environment(**variables: object) -> dict[str, str]:
    """This process' environment without any of our settings, and then these."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return kept | {name: str(value) for name, value in variables.items()}


def process_tree(pid: int) -> list[psutil.Process]:
    """A process and all that came of it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def find_process(processes: list[psutil.Process], script: str) -> psutil.Process:
    """The process that runs this script or module, whatever else its command line names."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # one that was there a moment ago
            if script in [Path(part).name for part in process.cmdline()[1:4]]:
                return process
    raise AssertionError(f"no process runs {script}")


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has ended, and may be a zombie
        return []


def have_ended(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@contextmanager
def running(*arguments: str, folder: Path, **variables: object) -> Iterator["Program"]:
    """Run `task-timer` with these arguments and settings in this folder, forked, while the block runs."""
    with (folder / "output.txt").open("w") as output, Path(os.devnull).open() as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        env = clean_environment(**{**CHEAP_HASHES, **variables})
        process = forked.ForkedProcess(arguments, cwd=folder, env=env, streams=streams)
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
def _cleaned_up(program: "Program") -> Iterator["Program"]:
    try:
        yield program
    finally:
        program.clean_up()


@contextmanager
def named_pipe(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """The end to read of a pipe of this name, and what ends it, for when its writer has ended.

    So a writer that never comes, or has put something else in the place of the pipe, keeps no reader waiting.
    """
    os.mkfifo(path)
    read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with ExitStack() as held:
        held.callback(os.close, os.open(path, os.O_WRONLY))
        os.set_blocking(read_end, True)
        with os.fdopen(read_end, "rb", buffering=0) as file:
            yield cast("BinaryIO", file), held.close


class Program:
    """A `task-timer` that runs, or ran."""

    def __init__(self, process: subprocess.Popen[bytes] | forked.ForkedProcess, output: Path, port: object) -> None:
        self.process = process
        self.base_url = f"http://127.0.0.1:{port}"
        self._output = output
        self._seen: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        return self._output.read_text()

    def process_tree(self) -> list[psutil.Process]:
        """It and all its descendants."""
        found = process_tree(self.process.pid)
        self._seen |= {process.pid: process for process in found}
        return found

    def workers(self) -> list[psutil.Process]:
        """The worker processes of a service with several workers."""
        return [process for process in self.process_tree() if "spawn_main" in " ".join(command_line(process))]

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
