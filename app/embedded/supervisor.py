"""Keeps the embedded store running beside its parent, and ends it when the parent ends.

Runs as a process of its own, with the standard library alone, so that it starts in an instant and
takes little memory. `app.embedded.store` starts it, holds a pipe to its stdin and reads its stdout:

- stdin ends when the parent ends, however that happens: the keeper then ends the store and itself;
  a byte in it says that the parent is about to end;
- stdout says what happened, a line each: ready, restarted, or why there is no store (see `Said`).

The store's own output goes to stderr, which the parent has opened as the store's log.

Two lock files tell other processes what happens on the data directory. The lock NAME.lock is held
while the store runs, by the keeper and by the store itself. The lock NAME.keeper is held by the
keeper alone, until it begins to end: while it is held, it is no use to wait for the first.
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

from app.embedded.liveness import LOOPBACK, MAX_STEP_SECONDS, Pulse, answers

LOCK_PATIENCE_SECONDS = 10.0
HELD_SECONDS = 0.5
"""How long another keeper must be seen at work before it is certain that it is not just ending."""

START_PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.05
MAX_LOG_BYTES = 4 * 1024 * 1024

_QUICK_FAILURE_SECONDS = 10.0
_MAX_QUICK_FAILURES = 5
_MIN_PAUSE_SECONDS = 0.1
# A SIGTERM in the store's first milliseconds can be lost, so it is sent again after each of these.
_END_PATIENCE_SECONDS = (1.0, 3.0, 5.0)

_PR_SET_PDEATHSIG = 1


class Said(StrEnum):
    """What the keeper tells its parent: the first word of a line."""

    READY = "ready"
    RESTARTED = "restarted"
    HELD = "held"
    PORT_TAKEN = "taken"
    FAILED = "failed"


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Keeper:
    """One store, from its start to its end."""

    def __init__(
        self, command: Sequence[str], *, port: int, patience: float, lock: Path, endpoint: Path, log: Path
    ) -> None:
        self._command = command
        self._port = port
        self._patience = patience
        self._lock_path = lock
        self._endpoint = endpoint
        self._log = log
        self._ending = False
        self._lock = -1
        self._at_work = -1
        self._store: subprocess.Popen[bytes] | None = None
        self._woken_by = _signals_as_bytes()

    def run(self) -> int:
        """Keep the store until the parent ends or a signal comes; 1 when there is none to keep."""
        if not self._take_the_lock():
            return 0 if self._ending else _say(Said.HELD)
        self._endpoint.unlink(missing_ok=True)
        if self._log.stat().st_size > MAX_LOG_BYTES:
            os.truncate(self._log, 0)
        try:
            return self._keep()
        finally:
            self._say_that_it_ends()
            self._endpoint.unlink(missing_ok=True)
            self._end_the_store()

    def _take_the_lock(self) -> bool:
        """Whether the data directory is ours: another keeper that is just ending is waited for."""
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        ending_at = time.monotonic()
        while not self._ending:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._at_work = os.open(at_work_file(self._lock_path), os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._at_work, fcntl.LOCK_EX)  # others hold it only to look
                return True
            now = time.monotonic()
            if not is_locked(at_work_file(self._lock_path)):
                ending_at = now
            if now > deadline or now - ending_at > HELD_SECONDS:
                return False
            self._wait(POLL_SECONDS)
        return False

    def _say_that_it_ends(self) -> None:
        """Let another keeper know that to wait for the data directory is of use."""
        if self._at_work >= 0:
            os.close(self._at_work)
            self._at_work = -1

    def _keep(self) -> int:
        log_start = self._log.stat().st_size
        if not port_is_free(self._port):
            return _say(Said.PORT_TAKEN)
        news, reason = Said.READY, ""
        quick_failures = 0
        while not self._ending and quick_failures < _MAX_QUICK_FAILURES:
            started = time.monotonic()
            if self._start():
                _say(news, reason)
                news, reason = Said.RESTARTED, self._watch()
            elif news is Said.READY:
                break  # a first start that failed would fail again
            quick = time.monotonic() - started < _QUICK_FAILURE_SECONDS
            quick_failures = quick_failures + 1 if quick else 0
            if not self._ending:
                self._wait(_MIN_PAUSE_SECONDS * 2**quick_failures)
        return 0 if self._ending else _say(Said.FAILED, _last_line(self._log, log_start))

    def _start(self) -> bool:
        """Start the store, and wait until it answers; False when it does not, or need not."""
        if not port_is_free(self._port):
            return False
        keeper = os.getpid()
        self._store = subprocess.Popen(  # noqa: S603 - the parent, which is this program, gave the command
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=(self._lock,),
            preexec_fn=lambda: _die_with(keeper),  # noqa: PLW1509 - the keeper has one thread
        )
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while not self._ending and self._store.poll() is None:
            if answers(self._port, within=1):
                return True
            if time.monotonic() > deadline:
                self._end_the_store()
                break
            self._wait(POLL_SECONDS)
        return False

    def _watch(self) -> str:
        """Return once the store has ended, and why; end it when it does not do the keeper's own writes any more."""
        pulse = Pulse(self._port)
        looked_at = time.monotonic()
        while not self._ending and self._store is not None and self._store.poll() is None:
            self._wait(MAX_STEP_SECONDS, pulse.connection)
            now = time.monotonic()
            pulse.go_on(now - looked_at)
            looked_at = now
            if pulse.silence > self._patience:
                pulse.end()
                # Politely it would not end. What it has acknowledged is on disk.
                self._store.kill()
                self._store.wait()
                return f"it had not done a write for {self._patience:g} s"
        pulse.end()
        return "it had died"

    def _wait(self, seconds: float, connection: socket.socket | None = None) -> None:
        """Wait for so long, or until a signal comes, the parent ends or there is something to receive."""
        parent = sys.stdin.fileno()
        receivers = [self._woken_by, parent, *((connection,) if connection else ())]
        readable, _, _ = select.select(receivers, [], [], seconds)
        if self._woken_by in readable:
            received = os.read(self._woken_by, 512)
            self._ending |= any(number != signal.SIGCHLD for number in received)
        told = parent in readable
        if told:
            self._ending |= not os.read(parent, 512)
        if told or self._ending:
            self._say_that_it_ends()

    def _end_the_store(self) -> None:
        """End the store, politely first: when this returns it has ended."""
        if self._store is None:
            return
        for patience in _END_PATIENCE_SECONDS:
            self._store.terminate()
            if self._has_ended_within(patience, self._store):
                return
        self._store.kill()
        self._store.wait()

    def _has_ended_within(self, seconds: float, store: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                store.wait(POLL_SECONDS)
                return True
            # SecantusDB waits two seconds for one more client before it ends: be that client.
            with contextlib.suppress(OSError):
                socket.create_connection((LOOPBACK, self._port), timeout=POLL_SECONDS).close()
        return False


def at_work_file(lock: Path) -> Path:
    """The lock that the keeper who holds this one holds as well, until it begins to end."""
    return lock.with_suffix(".keeper")


def is_locked(lock: Path) -> bool:
    """Whether somebody holds this lock."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _signals_as_bytes() -> int:
    """A file descriptor from which each signal that comes can be read, as a byte."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def _die_with(keeper: int) -> None:
    """Have Linux kill this process, which is about to become the store, when the keeper is killed.

    What it has acknowledged is on disk, so nothing is lost by SIGKILL. Elsewhere than on Linux a
    store whose keeper was killed goes on, and holds the lock.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - only Linux needs it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)


def _last_line(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _say(what: Said, detail: str = "") -> int:
    with contextlib.suppress(OSError):  # the parent may have ended
        os.write(sys.stdout.fileno(), f"{what} {detail}".rstrip().encode() + b"\n")
    return 1


def main() -> int:
    """Keep the store that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patience", type=float, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--endpoint", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    order = parser.parse_args()
    os.umask(0o077)
    return Keeper(
        order.command,
        port=order.port,
        patience=order.patience,
        lock=order.lock,
        endpoint=order.endpoint,
        log=order.log,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
