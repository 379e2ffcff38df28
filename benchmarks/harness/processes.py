"""The processes of a run: started as a user would start them, measured, and ended by their id."""

import os
import platform
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.config import Settings
from app.embedded.store import EmbeddedStore
from benchmarks.harness.client import HOST, BenchmarkError

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30
END_SECONDS = 10
MEBIBYTE = 1024 * 1024


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def store() -> Iterator[tuple[str, Path]]:
    """The address of an embedded store, and the folder of the run, which holds it, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="task-timer-bench-") as name:
        folder = Path(name)
        with EmbeddedStore(Settings(environment="development", embedded_data_dir=folder / "data")) as url:
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
        """The user and system time that the processes have taken so far."""
        return sum(_cpu_of(process) for process in self._tree())

    def resident_mib(self) -> float:
        """The resident memory of the largest of the processes: the worker."""
        return max(float(process.memory_info().rss) / MEBIBYTE for process in self._tree())

    def last_words(self) -> str:
        """The end of what it has printed."""
        return self.log.read_text(errors="replace")[-2000:]


def _wait_until_healthy(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process.is_running():
        if service.process.status() == psutil.STATUS_ZOMBIE:
            break
        try:
            with urllib.request.urlopen(f"http://{HOST}:{service.port}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise BenchmarkError(f"{service.name} does not start:\n{service.last_words()}")


def _end(process: psutil.Process) -> None:
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(family, timeout=END_SECONDS)
    for survivor in left:
        survivor.kill()
    psutil.wait_procs(left, timeout=END_SECONDS)


@contextmanager
def running(
    name: str, command: Sequence[str], settings: dict[str, str], port: int, folder: Path, *, root: Path = ROOT
) -> Iterator[Service]:
    """The service of that command, from when it is healthy until the block ends.

    It sees the given settings alone: it runs in a folder without a .env file. `root` is where its code is.
    """
    log = folder / f"{name}.log"
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    environment = kept | settings | {"PORT": str(port), "PYTHONPATH": str(root)}
    with log.open("wb") as output:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    service = Service(name, port, process, log)
    try:
        _wait_until_healthy(service)
        yield service
    finally:
        if process.is_running():
            _end(process)
