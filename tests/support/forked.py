"""Run `task-timer` in a process that is forked from a server which has already imported the application.

Importing it takes longer than most commands. The process has its own arguments, environment, working directory,
standard streams and signals. `processes.run_executable` and `running_executed` start the installed script instead.

The worker processes of a service with several workers are forked from the service. Those of the installed script are
spawned: each imports the application again.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib import import_module
from multiprocessing import connection, reduction
from multiprocessing.context import ForkContext, ForkProcess
from pathlib import Path
from typing import Any

import uvicorn._subprocess
from uvicorn.supervisors.multiprocess import SIGNALS

from tests.support.pytest_hooks import measured_cases

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["tests.support.preloaded", "tests.support.forked"])

_lock = threading.Lock()
"""Held while a process is started or polled, because an exit code can be read only once."""


class _Descriptor:
    """A file descriptor that is passed to the forked process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _received, (reduction.DupFd(self.number),)


def _received(descriptor: Any) -> int:
    number: int = descriptor.detach()
    return number


class _Worker(ForkProcess):
    """A worker process that is forked. Like a spawned one, it inherits neither signal handlers nor other pipes."""

    def run(self) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        for number in _open_descriptors() - self._used_descriptors():
            with suppress(OSError):  # the one with which the folder was read
                os.close(number)
        super().run()

    def _used_descriptors(self) -> set[int]:
        """Return the standard streams, the listening sockets, and the pipes to the service."""
        arguments = self._kwargs  # type: ignore[attr-defined]
        process = arguments["target"].__self__  # a spawned worker has both ends of its pipe too
        connections = (*arguments["sockets"], process.child_conn, process.parent_conn)
        parent = multiprocessing.parent_process()
        assert parent is not None
        return {0, 1, 2, parent.sentinel, *(each.fileno() for each in connections)}


def _open_descriptors() -> set[int]:
    return {int(path.name) for path in Path("/dev/fd").iterdir()}


class _WorkerContext(ForkContext):
    Process = _Worker


class ForkedProcess:
    """A `task-timer` process with the interface of `subprocess.Popen` that the tests need."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        streams: tuple[int, int, int],
        preparing_module: str | None = None,
    ) -> None:
        """Start it. `streams` are the file descriptors of its standard input, output and error.

        `preparing_module` has a function `prepare` that is called first.
        """
        descriptors = tuple(_Descriptor(number) for number in streams)
        self.returncode: int | None = None
        with _lock:
            self._process = FORK_SERVER.Process(
                target=_command, args=(arguments, cwd, dict(env), descriptors, preparing_module)
            )
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            with _lock:
                self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended and return the exit code. Raises TimeoutError."""
        if self.poll() is None:
            connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self.pid} has not ended")
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # the fork server has reaped it since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    content: bytes,
    timeout: float,
    stdout: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run `task-timer` between pipes, with `content` on its standard input, and return its exit code and output.

    `stdout` is the file descriptor of its standard output if that is not to be returned.
    """
    with ExitStack() as files, ThreadPoolExecutor(2) as readers:
        (in_read, in_write), (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe(), os.pipe()
        stdin = files.enter_context(os.fdopen(in_write, "wb", buffering=0))
        outputs = [files.enter_context(os.fdopen(number, "rb")) for number in (out_read, err_read)]
        streams = (in_read, out_write if stdout is None else stdout, err_write)
        try:
            process = ForkedProcess(arguments, cwd=cwd, env=env, streams=streams)
        finally:
            for number in (in_read, out_write, err_write):
                os.close(number)
        reading = [readers.submit(output.read) for output in outputs]
        try:
            with suppress(BrokenPipeError):
                stdin.write(content)
            stdin.close()
            code = process.wait(timeout)
        finally:
            process.kill()
        output, errors = (each.result() for each in reading)
    return subprocess.CompletedProcess(arguments, code, output, errors)


def _command(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
    preparing_module: str | None,
) -> None:
    """Run the command in the forked process."""
    _set_up(folder, environment, streams)
    if measured_cases.PROCESS_VARIABLE not in environment:
        sys.settrace(None)
        threading.settrace(None)
    if preparing_module is not None:
        import_module(preparing_module).prepare()
    uvicorn._subprocess.spawn = _WorkerContext()  # type: ignore[assignment]
    sys.argv = ["task-timer", *arguments]
    from app.commands.cli import main  # noqa: PLC0415 - imported by the fork server already

    main()


def _set_up(folder: Path, environment: Mapping[str, str], streams: tuple[int, int, int]) -> None:
    """Set the working directory, the environment and the standard streams of this process."""
    for standard, number in enumerate(streams):
        os.dup2(number, standard)
        os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open for as long as the process runs
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
