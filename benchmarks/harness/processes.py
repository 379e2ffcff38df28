"""The processes of a run: started as a user would start them, measured, and ended."""

import os
import platform
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from app.config import Settings
from app.embedded import supervisor
from app.embedded.store import EmbeddedStore
from benchmarks.harness.client import HOST, BenchmarkError

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 120
END_SECONDS = 10
STORE_PATIENCE_SECONDS = 120
"""A busy machine that inserts much data must not have its store restarted."""

MEBIBYTE = 1024 * 1024


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def store(kept: Path | None = None) -> Iterator[tuple[str, Path]]:
    """Run an embedded store. Yields its URL and the folder that contains it: `kept`, or else a temporary one."""
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="task-timer-bench-")))
        settings = Settings(
            environment="development",
            embedded_data_dir=folder / "data",
            embedded_patience_seconds=STORE_PATIENCE_SECONDS,
        )
        with EmbeddedStore(settings) as url:
            yield url, folder


def _cpu_of(process: psutil.Process) -> float:
    if platform.system() == "Linux":  # the clock of another process (clock_getcpuclockid): nanoseconds
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()  # ticks of 10 ms
    return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service process and its children."""

    name: str
    port: int
    process: psutil.Process
    log: Path

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return the user and system time of the processes so far."""
        return sum(_cpu_of(process) for process in self._tree())

    def store_cpu_seconds(self) -> float:
        """Return the user and system time of the other processes that this one has started: of the store."""
        others = set(psutil.Process().children(recursive=True)) - set(self._tree())
        return sum(_cpu_of(process) for process in others)

    def process_connected_to(self, port: int) -> int:
        """Return the id of the process with a connection to this port of the client."""
        for process in self._tree():
            if any(port in connection.raddr[1:] for connection in process.net_connections("tcp")):
                return process.pid
        raise BenchmarkError(f"no process of {self.name} has accepted the connection from port {port}")

    def resident_mib(self) -> float:
        """Return the resident memory of the largest process, which is the worker."""
        return max(float(process.memory_info().rss) / MEBIBYTE for process in self._tree())

    def log_tail(self) -> str:
        """Return the end of its output."""
        return self.log.read_text(errors="replace")[-2000:]


def running_store(url: str, folder: Path) -> Service:
    """Return the processes of the embedded store that this process has started: its supervisor and the store."""
    children = psutil.Process().children()
    (process,) = (child for child in children if supervisor.__name__ in child.cmdline())
    return Service("store", urlsplit(url).port or 0, process, folder)


def _wait_until_healthy(service: Service, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process.is_running():
        if service.process.status() == psutil.STATUS_ZOMBIE:
            break
        try:
            with urllib.request.urlopen(f"http://{HOST}:{service.port}{path}", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise BenchmarkError(f"{service.name} does not start:\n{service.log_tail()}")


def _end(process: psutil.Process) -> None:
    processes = [process, *process.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(processes, timeout=END_SECONDS)
    for survivor in left:
        survivor.kill()
    psutil.wait_procs(left, timeout=END_SECONDS)


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    settings: dict[str, str],
    port: int,
    folder: Path,
    *,
    root: Path = ROOT,
    health: str = "/health",
) -> Iterator[Service]:
    """Run the service of this command. Yields it when it is healthy: when it responds to a request for `health`.

    It has only these settings, because it runs in a folder without .env. `root` is the folder of its code.
    """
    log = folder / f"{name}.log"
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    environment = inherited | settings | {"PORT": str(port), "PYTHONPATH": str(root)}
    with log.open("wb") as output:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    service = Service(name, port, process, log)
    try:
        _wait_until_healthy(service, health)
        yield service
    finally:
        if process.is_running():
            _end(process)
