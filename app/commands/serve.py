"""`task-timer serve`: the address, the database and the workers, begun and ended in order."""

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

if TYPE_CHECKING:
    from fastapi import FastAPI

SHUTDOWN_SECONDS = 8
"""How long the requests under way may take to finish once the end was asked for."""

CONNECTION = "app.http.connections:Connection"
"""What reads a client's requests; by its name, since a supervisor does without it."""

WORKER_SILENCE_SECONDS = 30
"""How long a worker may be silent before it is replaced: on a busy machine a sound one is silent for seconds."""

_BACKLOG = 2048
_PORT_PATIENCE_SECONDS = 5.0
_ORPHANS_PATIENCE_SECONDS = 2 * SHUTDOWN_SECONDS


class CannotListenError(CommandError):
    """HOST and PORT cannot be had; the text is one sentence for the person who started it."""


def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code.

    Raises CannotListenError and EmbeddedStoreError. However this process ends, the workers and the
    embedded store end too.
    """
    if settings.log_format == "json":
        _log_as_configured(settings)  # from the first line on, for the supervisor of workers too
    ending = _Ending()
    raise_open_file_limit(settings)
    with _listen(settings, ending) as listener:
        if settings.database_url is not None:
            _require_database(settings)
            _announce(settings)
            return _run(settings, listener, ending)
        return _serve_with_a_store(settings, listener, ending)


def shell_address(url: str, database: str) -> str:
    """The connection string of one database, for a mongo shell, which signs in as before."""
    parts = urlsplit(url)
    options = [parts.query] if parts.query else []
    named = {name for name, _ in parse_qsl(parts.query)}
    if "@" in parts.netloc and not named & {"authSource", "authMechanism"}:
        # The database in the path is also the one to sign in at, unless another is named.
        options.append(f"authSource={parts.path.strip('/') or 'admin'}")
    return parts._replace(path=f"/{quote(database)}", query="&".join(options)).geturl()


class _Ending:
    """SIGINT and SIGTERM: they end what runs just then in its own way, and interrupt nothing."""

    def __init__(self) -> None:
        self.asked = False
        self.announce: Callable[[], object] = _nothing
        """Lets others know that the end has begun."""

        self._end: Callable[[], object] = _nothing
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def through(self, end: Callable[[], object]) -> None:
        """From now on this call brings about the end; at once when it was asked for already."""
        self._end = end
        if self.asked:
            end()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self.announce()
        self._end()


def _nothing() -> None:
    """What is to be done to end what has not begun."""


def _listen(settings: Settings, ending: _Ending) -> socket.socket:
    """The listening socket, made first: a taken port is known before the database starts.

    The workers of a service that was just killed may hold the port a moment longer. Raises CannotListenError, or
    EmbeddedStoreHeldError when it is another copy on the same data that holds it.
    """
    deadline = time.monotonic() + _PORT_PATIENCE_SECONDS
    while True:
        try:
            return _bind(settings.host, settings.port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline and not ending.asked:
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
    # The text of create_server's own error says it twice.
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror)


def _serve_with_a_store(settings: Settings, listener: socket.socket, ending: _Ending) -> int:
    store = EmbeddedStore(settings, on_loss=partial(os.kill, os.getpid(), signal.SIGTERM))
    require_free(settings.embedded_data_dir)  # at once: to import the application takes longer
    ending.announce = store.announce_end
    ending.through(store.stop)
    store.launch()
    if settings.workers == 1:
        _import_the_application()  # while the store starts
    try:
        with store as url:
            _announce(settings, url)
            connected = settings.model_copy(update={"database_url": SecretStr(url)})
            code = _run(connected, listener, ending)
    except EmbeddedStoreError:
        if ending.asked and not store.lost:
            return 0
        raise
    if store.lost:
        raise EmbeddedStoreError(f"The embedded store ended and could not be kept running: see {store.log_file}")
    return code


def _require_database(settings: Settings) -> None:
    # Imported late, so that the embedded store starts in the meantime and a supervisor does without.
    from app.database.requirements import require_database  # noqa: PLC0415

    require_database(settings)


def _announce(settings: Settings, store_url: str | None = None) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{host}:{settings.port}"
    where = {"api": f"{base}{settings.api_prefix}", "docs": f"{base}/docs", "shell": "task-timer shell"}
    if store_url is not None:
        where["mongosh"] = f'mongosh "{shell_address(store_url, settings.database_name)}"'
    if settings.log_format == "json":
        _log_the_start(settings, where)
    else:
        _print_the_start(settings, where)


def _log_the_start(settings: Settings, where: dict[str, str]) -> None:
    import structlog  # noqa: PLC0415 - only this needs it here

    structlog.get_logger().info("serving", name=settings.app_name, **where)


def _print_the_start(settings: Settings, where: dict[str, str]) -> None:
    titles = {"api": "API", "docs": "Docs", "shell": "Shell", "mongosh": ""}
    lines = [settings.app_name, *(f"  {titles[name]:5}  {value}" for name, value in where.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _run(settings: Settings, listener: socket.socket, ending: _Ending) -> int:
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
        return _run_alone(config, listener, ending)
    return _run_workers(config, listener, ending)


def _run_alone(config: uvicorn.Config, listener: socket.socket, ending: _Ending) -> int:
    server = uvicorn.Server(config)
    ending.through(partial(setattr, server, "should_exit", True))
    try:
        server.run(sockets=[listener])
    except SystemExit:  # the application could not start: uvicorn has said why
        return 0 if ending.asked else 1
    return 0


def _run_workers(config: uvicorn.Config, listener: socket.socket, ending: _Ending) -> int:
    supervisor = _Workers(config, [listener])  # from here on the signals are its own
    supervisor.announce = ending.announce
    if ending.asked:
        return 0
    try:
        supervisor.run()
    finally:
        listener.close()
    failed = any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes)
    return 1 if failed else 0


class _Workers(Multiprocess):
    """uvicorn's worker processes, which leave a Ctrl-C at the terminal to their parent, and end with the address."""

    announce: Callable[[], object]
    """Lets others know that the end has begun."""

    def init_processes(self) -> None:
        # Blocked signals stay blocked in a child; for this process it is only put off.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().init_processes()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def terminate_all(self) -> None:
        """Ends the workers, and takes no connection any more that none of them would answer."""
        self.announce()
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def build_app(settings: Settings) -> "FastAPI":
    """The application, in the process that serves it. A worker is made to end with its parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    return _import_the_application()(settings)


def _log_as_configured(settings: Settings) -> None:
    _do_without_rich()
    from app.logging import configure_logging  # noqa: PLC0415 - only a log for programs needs it here

    configure_logging(settings)


def _do_without_rich() -> None:
    # structlog would import it, if only to print tracebacks in colour: 4 MiB in every worker.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


def _import_the_application() -> "Callable[[Settings], FastAPI]":
    _do_without_rich()
    # Imported late, so that the database starts in the meantime and a supervisor does without.
    from app.main import create_app  # noqa: PLC0415

    return create_app


def _end_with(sentinel: int) -> None:
    """End this worker when its parent has ended: gracefully, and if that takes long, at once."""
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHANS_PATIENCE_SECONDS)
    os._exit(1)
