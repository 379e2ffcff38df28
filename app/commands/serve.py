"""The command `task-timer serve`: start and stop the listening socket, the database and the workers in order."""

import errno
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

import uvicorn
from pydantic import SecretStr
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from app.config import Settings
from app.embedded.endpoint_file import require_free
from app.embedded.errors import EmbeddedStoreError
from app.embedded.store import EmbeddedStore
from app.errors import CommandError
from app.process_limits import raise_open_file_limit
from app.unused_modules import block_unused_modules

if TYPE_CHECKING:
    from fastapi import FastAPI

SHUTDOWN_SECONDS = 8
"""How long requests in progress may take to complete after a shutdown was requested."""

CONNECTION = "app.http.connections:Connection"
"""The HTTP protocol class for uvicorn, by name, because the worker supervisor does not need to import it."""

WORKER_SILENCE_SECONDS = 30
"""How long a worker may be unresponsive before it is replaced. On a busy machine, several seconds are normal."""

_BACKLOG = 2048
_PORT_TIMEOUT_SECONDS = 5.0
_ORPHAN_SHUTDOWN_SECONDS = 2 * SHUTDOWN_SECONDS


class CannotListenError(CommandError):
    """The service cannot listen on HOST and PORT. The message is one sentence for the user."""


def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code.

    The workers and the embedded store end with this process, however it ends. Raises CannotListenError,
    EmbeddedStoreError, UnsuitableDatabaseError and LaterVersionError.
    """
    block_unused_modules()
    if settings.log_format == "json":
        _configure_logging(settings)  # from the first line on, also for the worker supervisor
    shutdown = _Shutdown()
    raise_open_file_limit(settings)
    with _listen(settings, shutdown) as listener:
        if settings.database_url is not None:
            _require_database(settings)
            _version_check()(settings)
            _announce(settings)
            return _run(settings, listener, shutdown)
        return _serve_with_store(settings, listener, shutdown)


def shell_address(url: str, database: str) -> str:
    """Return the connection string of one database, for a mongo shell. The authentication database stays the same."""
    parts = urlsplit(url)
    options = [parts.query] if parts.query else []
    option_names = {name for name, _ in parse_qsl(parts.query)}
    if "@" in parts.netloc and not option_names & {"authSource", "authMechanism"}:
        # The database in the path is also the authentication database, unless an option names another one.
        options.append(f"authSource={parts.path.strip('/') or 'admin'}")
    return parts._replace(path=f"/{quote(database)}", query="&".join(options)).geturl()


class _Shutdown:
    """Handles SIGINT and SIGTERM: a signal runs the current shutdown function and interrupts nothing."""

    def __init__(self) -> None:
        self.is_requested = False
        self.announce: Callable[[], object] = _do_nothing
        """Announces to other processes that the shutdown has begun."""

        self._stop: Callable[[], object] = _do_nothing
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def use(self, stop: Callable[[], object]) -> None:
        """Set the function that shuts down what is running now. Call it at once if a signal has arrived already."""
        self._stop = stop
        if self.is_requested:
            stop()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.is_requested = True
        self.announce()
        self._stop()


def _do_nothing() -> None:
    """Shut down nothing, as nothing is running yet."""


def _listen(settings: Settings, shutdown: _Shutdown) -> socket.socket:
    """Open the listening socket. This is done first, so that a used port is reported before the database starts.

    The workers of a service that was just killed may use the port for a moment. Raises CannotListenError, or
    DataDirectoryInUseError if another copy on the same data uses the port.
    """
    deadline = time.monotonic() + _PORT_TIMEOUT_SECONDS
    while True:
        try:
            return _bind(settings.host, settings.port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline and not shutdown.is_requested:
                if settings.database_url is None:
                    require_free(settings.embedded_data_dir)
                time.sleep(0.1)
                continue
            raise CannotListenError(
                f"Task Timer cannot listen on {settings.host}, port {settings.port} "
                f"({_reason(error)}): choose another HOST or PORT."
            ) from error


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)


def _reason(error: OSError) -> str:
    # The message of create_server repeats the address.
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror)


def _serve_with_store(settings: Settings, listener: socket.socket, shutdown: _Shutdown) -> int:
    store = EmbeddedStore(settings, on_loss=partial(os.kill, os.getpid(), signal.SIGTERM))
    require_free(settings.embedded_data_dir)  # now, because importing the application takes longer
    shutdown.announce = store.announce_end
    shutdown.use(store.stop)
    store.launch()
    require_supported_version = _version_check()  # imported while the store is starting
    if settings.workers == 1:
        _import_application()
    try:
        with store as url:
            connected = settings.model_copy(update={"database_url": SecretStr(url)})
            require_supported_version(connected)
            _announce(settings, url)
            code = _run(connected, listener, shutdown)
    except EmbeddedStoreError:
        if shutdown.is_requested and not store.lost:
            return 0
        raise
    if store.lost:
        raise EmbeddedStoreError(f"The embedded store ended and could not be restarted: see {store.log_file}")
    return code


def _require_database(settings: Settings) -> None:
    # Imported here, so that the command line starts without the driver.
    from app.database.requirements import require_database  # noqa: PLC0415

    require_database(settings)


def _version_check() -> Callable[[Settings], None]:
    """Return a function that raises LaterVersionError if only a later version may use the database."""
    # Imported here, so that the embedded store can start first.
    from app.database.requirements import require_supported_version  # noqa: PLC0415
    from documents.common.json_schema import SCHEMA_VERSION  # noqa: PLC0415

    return partial(require_supported_version, schema_version=SCHEMA_VERSION)


def _announce(settings: Settings, store_url: str | None = None) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{host}:{settings.port}"
    addresses = {
        "page": f"{base}/",
        "api": f"{base}{settings.api_prefix}",
        "docs": f"{base}/docs",
        "shell": "task-timer shell",
    }
    if store_url is not None:
        addresses["mongosh"] = f'mongosh "{shell_address(store_url, settings.database_name)}"'
    if settings.log_format == "json":
        _log_addresses(settings, addresses)
    else:
        _print_addresses(settings, addresses)


def _log_addresses(settings: Settings, addresses: dict[str, str]) -> None:
    import structlog  # noqa: PLC0415 - not needed otherwise in this process

    structlog.get_logger().info("serving", name=settings.app_name, **addresses)


def _print_addresses(settings: Settings, addresses: dict[str, str]) -> None:
    titles = {"page": "Page", "api": "API", "docs": "Docs", "shell": "Shell", "mongosh": ""}
    lines = [settings.app_name, *(f"  {titles[name]:5}  {address}" for name, address in addresses.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _run(settings: Settings, listener: socket.socket, shutdown: _Shutdown) -> int:
    config = uvicorn.Config(
        partial(build_app, settings),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=CONNECTION,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=settings.request_head_seconds,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=WORKER_SILENCE_SECONDS,
    )
    if settings.workers == 1:
        return _run_single(config, listener, shutdown)
    return _run_workers(config, listener, shutdown)


def _run_single(config: uvicorn.Config, listener: socket.socket, shutdown: _Shutdown) -> int:
    server = uvicorn.Server(config)
    shutdown.use(partial(setattr, server, "should_exit", True))
    try:
        server.run(sockets=[listener])
    except SystemExit:  # the application could not start, and uvicorn has logged why
        return 0 if shutdown.is_requested else 1
    return 0


def _run_workers(config: uvicorn.Config, listener: socket.socket, shutdown: _Shutdown) -> int:
    supervisor = _WorkerSupervisor(config, [listener])  # it installs its own signal handlers
    supervisor.announce = shutdown.announce
    if shutdown.is_requested:
        return 0
    try:
        supervisor.run()
    finally:
        listener.close()
    failed = any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes)
    return 1 if failed else 0


class _WorkerSupervisor(Multiprocess):
    """uvicorn's supervisor of worker processes. Its workers ignore Ctrl-C, which this process handles."""

    announce: Callable[[], object]
    """Announces to other processes that the shutdown has begun."""

    def init_processes(self) -> None:
        # A child inherits blocked signals. In this process, SIGINT is only delayed.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().init_processes()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have ended or do not respond."""
        for worker in self.processes:
            # Close this process's copy of the worker's end. Otherwise a ping cannot detect that the worker has ended.
            worker.child_conn.close()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """End the workers. Close the listening socket first, because no worker would accept new connections."""
        self.announce()
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def build_app(settings: Settings) -> "FastAPI":
    """Create the application in the process that serves it. A worker process ends with its parent from now on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    return _import_application()(settings)


def _configure_logging(settings: Settings) -> None:
    from app.logging import configure_logging  # noqa: PLC0415 - with text logs, this process does not need it

    configure_logging(settings)


def _import_application() -> "Callable[[Settings], FastAPI]":
    block_unused_modules()  # a worker process has not done it yet
    # Imported here, so that the embedded store can start first, and because the worker supervisor does not need it.
    from app.main import create_app  # noqa: PLC0415

    return create_app


def _end_with(sentinel: int) -> None:
    """End this worker when its parent has ended: gracefully at first, then by force."""
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_SHUTDOWN_SECONDS)
    os._exit(1)
