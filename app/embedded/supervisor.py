"""The supervisor of the embedded store: a process that starts the store, restarts it, and ends it with the service.

It uses only the standard library, so that it starts quickly and needs little memory.
`app.embedded.store` starts it, keeps a pipe to its stdin open and reads its stdout:

- stdin is closed when the service ends, however it ends. The supervisor then ends the store and itself.
  A byte on stdin announces that the service is about to end;
- stdout has one line per event: ready, restarted, or why the store is not running (see `SupervisorEvent`).

The output of the store goes to stderr, which the service has redirected to the log file of the store.

Two lock files show other processes the state of the data directory. NAME.lock is held by the supervisor
and the store while the store runs. NAME.keeper is held by the supervisor alone, until it begins to shut
down: while NAME.keeper is held, there is no point in waiting for NAME.lock.
"""

import argparse
import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from app.embedded.liveness import LOOPBACK, MAX_STEP_SECONDS, WriteProbe, responds_to_ping

LOCK_TIMEOUT_SECONDS = 10.0
MIN_HELD_SECONDS = 0.5
"""How long another supervisor must be seen active before it is certain that it is not just shutting down."""

START_TIMEOUT_SECONDS = 30.0
POLL_INTERVAL_SECONDS = 0.05
MAX_LOG_BYTES = 4 * 1024 * 1024

_QUICK_FAILURE_SECONDS = 10.0
_MAX_QUICK_FAILURES = 5
_MIN_RESTART_DELAY_SECONDS = 0.1
# A SIGTERM in the first milliseconds of the store can be lost, so it is sent again after each of these times.
_TERMINATE_TIMEOUTS_SECONDS = (1.0, 3.0, 5.0)

_PR_SET_PDEATHSIG = 1


class SupervisorEvent(StrEnum):
    """What the supervisor reports to the service: the first word of a line."""

    READY = "ready"
    RESTARTED = "restarted"
    HELD = "held"
    PORT_TAKEN = "taken"
    FAILED = "failed"


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Supervisor:
    """Runs one store, from its start to its end."""

    def __init__(
        self, command: Sequence[str], *, port: int, patience: float, lock: Path, endpoint: Path, log: Path
    ) -> None:
        """`patience` is how long a write may take, in seconds, before the store is killed and restarted."""
        self._command = command
        self._port = port
        self._patience = patience
        self._lock_path = lock
        self._endpoint = endpoint
        self._log = log
        self._ending = False
        self._lock = -1
        self._active_lock = -1
        self._store: subprocess.Popen[bytes] | None = None
        self._signal_pipe = _pipe_of_signals()

    def run(self) -> int:
        """Run the store until the service ends or a signal arrives. Return the exit code: 1 if the store cannot run."""
        if not self._acquire_lock():
            return 0 if self._ending else _report(SupervisorEvent.HELD)
        self._endpoint.unlink(missing_ok=True)
        if self._log.stat().st_size > MAX_LOG_BYTES:
            os.truncate(self._log, 0)
        try:
            return self._run_store()
        finally:
            self._announce_end()
            self._endpoint.unlink(missing_ok=True)
            self._end_store()

    def _acquire_lock(self) -> bool:
        """Lock the data directory. Wait for another supervisor only if it is shutting down."""
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        last_seen_ending = time.monotonic()
        while not self._ending:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._active_lock = os.open(active_lock_file(self._lock_path), os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._active_lock, fcntl.LOCK_EX)  # others hold it only for the moment of a check
                return True
            now = time.monotonic()
            if not is_locked(active_lock_file(self._lock_path)):
                last_seen_ending = now
            if now > deadline or now - last_seen_ending > MIN_HELD_SECONDS:
                return False
            self._wait(POLL_INTERVAL_SECONDS)
        return False

    def _announce_end(self) -> None:
        """Show another supervisor that the data directory will be free soon."""
        if self._active_lock >= 0:
            os.close(self._active_lock)
            self._active_lock = -1

    def _run_store(self) -> int:
        log_start = self._log.stat().st_size
        if not port_is_free(self._port):
            return _report(SupervisorEvent.PORT_TAKEN)
        event, reason = SupervisorEvent.READY, ""
        quick_failures = 0
        while not self._ending and quick_failures < _MAX_QUICK_FAILURES:
            started = time.monotonic()
            if self._start():
                _report(event, reason)
                event, reason = SupervisorEvent.RESTARTED, self._watch()
            elif event is SupervisorEvent.READY:
                break  # if the first start fails, the second one would fail too
            failed_quickly = time.monotonic() - started < _QUICK_FAILURE_SECONDS
            quick_failures = quick_failures + 1 if failed_quickly else 0
            if not self._ending:
                self._wait(_MIN_RESTART_DELAY_SECONDS * 2**quick_failures)
        return 0 if self._ending else _report(SupervisorEvent.FAILED, _last_line(self._log, log_start))

    def _start(self) -> bool:
        """Start the store and wait until it responds. Return False if it does not, or if the supervisor must end."""
        if not port_is_free(self._port):
            return False
        supervisor_pid = os.getpid()
        self._store = subprocess.Popen(  # noqa: S603 - the command comes from the service
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=(self._lock,),
            preexec_fn=lambda: _prepare_store(supervisor_pid),  # noqa: PLW1509 - the supervisor has one thread
        )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._ending and self._store.poll() is None:
            if responds_to_ping(self._port, within=1):
                return True
            if time.monotonic() > deadline:
                self._end_store()
                break
            self._wait(POLL_INTERVAL_SECONDS)
        return False

    def _watch(self) -> str:
        """Wait until the store has ended, and return why. Kill it if it no longer completes writes."""
        probe = WriteProbe(self._port, patience=self._patience)
        last_check = time.monotonic()
        while not self._ending and self._store is not None and self._store.poll() is None:
            self._wait(MAX_STEP_SECONDS, probe.connection)
            now = time.monotonic()
            probe.advance(now - last_check)
            last_check = now
            if probe.unanswered_seconds > self._patience:
                probe.close()
                # A store that hangs ignores SIGTERM. Every write that it has acknowledged is on disk.
                self._store.kill()
                self._store.wait()
                return f"it had not completed a write for {self._patience:g} s"
        probe.close()
        return "it had died"

    def _wait(self, seconds: float, connection: socket.socket | None = None) -> None:
        """Wait for a signal, for input from the service or on the connection, or until the time has passed."""
        parent = sys.stdin.fileno()
        receivers = [self._signal_pipe, parent, *((connection,) if connection else ())]
        readable, _, _ = select.select(receivers, [], [], seconds)
        if self._signal_pipe in readable:
            signals = os.read(self._signal_pipe, 512)
            self._ending |= any(number != signal.SIGCHLD for number in signals)
        end_announced = parent in readable
        if end_announced:
            self._ending |= not os.read(parent, 512)
        if end_announced or self._ending:
            self._announce_end()

    def _end_store(self) -> None:
        """End the store, with SIGTERM if possible. It has ended when this returns."""
        if self._store is None:
            return
        for timeout in _TERMINATE_TIMEOUTS_SECONDS:
            self._store.terminate()
            if self._ends_within(timeout, self._store):
                return
        self._store.kill()
        self._store.wait()

    def _ends_within(self, seconds: float, store: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                store.wait(POLL_INTERVAL_SECONDS)
                return True
            # SecantusDB waits up to two seconds for one more client before it ends. A connection shortens that.
            with contextlib.suppress(OSError):
                socket.create_connection((LOOPBACK, self._port), timeout=POLL_INTERVAL_SECONDS).close()
        return False


def active_lock_file(lock: Path) -> Path:
    """Return the second lock file, which the holder of `lock` holds until it begins to shut down."""
    return lock.with_suffix(".keeper")


def is_locked(lock: Path) -> bool:
    """Return whether another process holds this lock."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _pipe_of_signals() -> int:
    """Return a file descriptor from which each signal that arrives can be read as a byte."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def _prepare_store(supervisor_pid: int) -> None:
    """Prepare this process, which is about to become the store."""
    # Test coverage measures the supervisor, but not the store: it would nearly double the CPU time of the store.
    os.unsetenv("COVERAGE_PROCESS_CONFIG")
    _die_with(supervisor_pid)


def _die_with(supervisor_pid: int) -> None:
    """Make Linux kill this process when the supervisor is killed.

    Every acknowledged write is on disk, so SIGKILL loses nothing. On other systems a store whose
    supervisor was killed keeps running and holds the lock.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - only Linux needs it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        os._exit(1)


def _last_line(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def _report(event: SupervisorEvent, detail: str = "") -> int:
    with contextlib.suppress(OSError):  # the service may have ended
        os.write(sys.stdout.fileno(), f"{event} {detail}".rstrip().encode() + b"\n")
    return 1


def main() -> int:
    """Run the store that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patience", type=float, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--endpoint", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    os.umask(0o077)
    return Supervisor(
        arguments.command,
        port=arguments.port,
        patience=arguments.patience,
        lock=arguments.lock,
        endpoint=arguments.endpoint,
        log=arguments.log,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
