"""The embedded store: a database that the service starts itself, for evaluation, development and tests.

It is a mongod 7 or 8 as a replica set with one member, or SecantusDB, which the extra `embedded` installs. It
is a process of its own and listens on the loopback interface. A supervisor process (`app.embedded.supervisor`)
runs between the service and the store, so that the store ends however the service ends.
"""

import logging
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from app.config import Settings, store_environment
from app.embedded import supervisor
from app.embedded.endpoint_file import endpoint_file, in_use_error, lock_file, running_endpoint, write_endpoint
from app.embedded.errors import DataDirectoryInUseError, EmbeddedStoreError
from app.embedded.liveness import LOOPBACK
from app.embedded.replica_set import make_primary
from app.embedded.store_program import StoreProgram, choose_program
from app.embedded.supervisor import SupervisorEvent, port_is_free

logger = logging.getLogger(__name__)

# Below the ephemeral ports of Linux and macOS, so that no client connection blocks the port at a restart,
# and above the ports that MongoDB's own programs use.
_PORTS = range(28100, 32700)
_SUPERVISOR_TIMEOUT_SECONDS = 15.0
_ENDPOINT_TIMEOUT_SECONDS = 30.0
"""How long a command waits for a store that another process is starting or restarting."""

_ENDPOINT_POLL_SECONDS = 0.2


class EmbeddedStore:
    """A context manager that runs the embedded store.

    Entering it waits until the store responds, and returns the connection string. Leaving it ends the
    store. A store that dies is restarted on the same port. Raises EmbeddedStoreError if it cannot start.
    """

    def __init__(self, settings: Settings, *, on_loss: Callable[[], None] | None = None) -> None:
        """`on_loss` is called from another thread if the store has ended and cannot be restarted."""
        self._settings = settings
        self._data_dir = settings.embedded_data_dir.absolute()
        self._on_loss = on_loss
        self._program: StoreProgram | None = None
        self._port = 0
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._lifeline: IO[bytes] | None = None
        self._events: IO[bytes] | None = None
        self._listener = threading.Thread(target=self._listen, name="embedded-store", daemon=True)
        self._stopping = threading.Event()
        self.lost = False

    @property
    def log_file(self) -> Path:
        """The file that contains the output of the store."""
        return self._data_dir / f"{self._program.name if self._program else 'store'}.log"

    def launch(self) -> None:
        """Start the supervisor and return at once. Entering the context waits for the store."""
        self._program = program = choose_program(self._settings, self._data_dir)
        self._port = self._settings.embedded_port or _free_port()
        program.prepare(self._data_dir)
        self.log_file.touch(mode=0o600)
        with self.log_file.open("ab") as log:
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own module, with the store program that was found
                [
                    *(sys.executable, "-I", "-m", supervisor.__name__, "--port", str(self._port)),
                    *("--patience", str(self._settings.embedded_patience_seconds)),
                    *("--lock", str(lock_file(self._data_dir, program.name))),
                    *("--endpoint", str(endpoint_file(self._data_dir))),
                    *("--log", str(self.log_file)),
                    *("--", *program.command(self._data_dir, self._port, self._settings.embedded_cache)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=store_environment(),
                start_new_session=True,  # a Ctrl-C at the terminal must not reach it
            )
        self._lifeline = self._supervisor.stdin
        self._events = self._supervisor.stdout
        if self._stopping.is_set():
            self.stop()

    def announce_end(self) -> None:
        """Announce to processes that wait for the data directory that it will be free soon. The store still works."""
        if self._lifeline is not None and not self._lifeline.closed:
            with suppress(OSError):  # the supervisor may have ended
                self._lifeline.write(b".")

    def stop(self) -> None:
        """Tell the store to end and return at once. A signal handler may call this at any time."""
        self._stopping.set()
        if self._lifeline is not None:
            self._lifeline.close()

    def __enter__(self) -> str:
        if self._supervisor is None:
            self.launch()
        try:
            self._wait_until_ready()
            self._listener.start()
            url = self._url()
            is_mongod = self._program is not None and self._program.name == "mongod"
            if is_mongod and not make_primary(url, self._port, self._stopping):
                raise EmbeddedStoreError("The embedded mongod did not become the primary of its replica set.")
            write_endpoint(self._data_dir, url)
        except BaseException:
            self._end()
            raise
        return url

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _wait_until_ready(self) -> None:
        event, _, detail = self._read_event().partition(" ")
        if event == SupervisorEvent.READY:
            return
        if event == SupervisorEvent.HELD:
            raise in_use_error(self._data_dir)
        if event == SupervisorEvent.PORT_TAKEN:
            raise EmbeddedStoreError(
                f"EMBEDDED_PORT {self._port} is used by another program: choose another port, or 0 for any free port."
            )
        if self._stopping.is_set():
            raise EmbeddedStoreError("The embedded store was stopped before it was ready.")
        title = self._program.title if self._program else "the store"
        raise EmbeddedStoreError(
            f"The embedded store ({title}) did not start: {detail or 'its supervisor ended'} (see {self.log_file})."
        )

    def _read_event(self) -> str:
        if self._events is None:
            return ""
        return self._events.readline().decode(errors="replace").strip()

    def _listen(self) -> None:
        """Read the supervisor's events until it ends."""
        while line := self._read_event():
            event, _, detail = line.partition(" ")
            if event == SupervisorEvent.RESTARTED:
                logger.warning("The embedded store was restarted: %s.", detail)
            else:
                logger.error("The embedded store cannot be kept running: %s", line)
        if not self._stopping.is_set():
            self.lost = True
            if self._on_loss is not None:
                self._on_loss()

    def _url(self) -> str:
        url = f"mongodb://{LOOPBACK}:{self._port}/?directConnection=true"
        if self._program is not None and self._program.name == "secantus":
            # It loses its record of retryable writes when it dies, so it would apply a retried write twice.
            url += "&retryWrites=false"
        return url

    def _end(self) -> None:
        self.stop()
        if self._supervisor is None:
            return
        try:
            self._supervisor.wait(_SUPERVISOR_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        if self._listener.is_alive():
            self._listener.join()
        if self._events is not None:
            self._events.close()


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The connection string of the database: DATABASE_URL, or that of the embedded store.

    If the store is not running, it runs as long as the context. Raises EmbeddedStoreError.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with ExitStack() as stack:
        yield running_endpoint(settings.embedded_data_dir) or _start_or_find_store(settings, stack)


def _start_or_find_store(settings: Settings, stack: ExitStack) -> str:
    """Start the store for this context, or wait for the one that another process is starting."""
    deadline = time.monotonic() + _ENDPOINT_TIMEOUT_SECONDS
    while True:
        try:
            return stack.enter_context(EmbeddedStore(settings))
        except DataDirectoryInUseError:
            if url := running_endpoint(settings.embedded_data_dir):
                return url
            if time.monotonic() > deadline:
                raise
            time.sleep(_ENDPOINT_POLL_SECONDS)


def _free_port() -> int:
    for _ in range(len(_PORTS)):
        port = secrets.choice(_PORTS)
        if port_is_free(port):
            return port
    raise EmbeddedStoreError("No port is free for the embedded store: set EMBEDDED_PORT.")
