"""The embedded store: a database of the service's own, for trying out, development and tests.

A mongod 7 or 8 as a private replica set of one, where there is one, else SecantusDB, which the
extra `embedded` installs. It is a child process on the loopback, never a part of this one. Between
the two stands a keeper (`app.embedded.supervisor`), so that the store ends however this process ends.
"""

import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal
from urllib.parse import urlsplit

from app.config import Settings, store_environment
from app.embedded import supervisor as keeper
from app.embedded.liveness import LOOPBACK, answers
from app.embedded.replica_set import REPLICA_SET, make_primary
from app.embedded.supervisor import Said, at_work_file, is_locked
from app.errors import CommandError

logger = logging.getLogger(__name__)

USABLE_MONGODS = (7, 8)
ENDPOINT_FILE = "endpoint"
_KINDS = ("mongod", "secantus")

# Below the ports that Linux and macOS give to clients, so that no client of the store is ever in
# the way of its restart, and above the ports that MongoDB's own programs use.
_PORTS = range(28100, 32700)
_KEEPER_PATIENCE_SECONDS = 15.0
_ENDPOINT_PATIENCE_SECONDS = 30.0
"""How long a command waits for a store that another process is starting, or starting again."""

_ENDPOINT_POLL_SECONDS = 0.2
_CACHE_FILE = "WiredTiger.config"
_CACHE_RULES = (
    "eviction_dirty_target=60,eviction_dirty_trigger=80,eviction_updates_target=50,eviction_updates_trigger=75\n"
)
"""How much of its cache SecantusDB lets open transactions fill, in percent: with 10 % as by default, sixteen users who
switch between large tasks at once stop it for good. The engine itself reads this file in its folder."""

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_MIN_MONGOD_CACHE_GB = 0.25


class EmbeddedStoreError(CommandError):
    """The embedded store cannot be had; the text is one sentence for the person who started it."""


class EmbeddedStoreHeldError(EmbeddedStoreError):
    """Another copy of Task Timer is running on the data directory."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A program that can be the store, and how it is called."""

    name: Literal["mongod", "secantus"]
    title: str
    program: Path

    def command(self, data_dir: Path, port: int, cache: str) -> list[str]:
        folder = str(data_dir / self.name)
        if self.name == "mongod":
            gigabytes = max(_MIN_MONGOD_CACHE_GB, int(cache[:-1]) * _UNITS[cache[-1]] / _UNITS["G"])
            return [
                *(str(self.program), "--quiet", "--dbpath", folder, "--replSet", REPLICA_SET),
                *("--bind_ip", LOOPBACK, "--port", str(port), "--wiredTigerCacheSizeGB", f"{gigabytes:g}"),
            ]
        return [
            *(sys.executable, str(self.program), "--config", str(data_dir / "secantus.toml")),
            *("--host", LOOPBACK, "--port", str(port), "--storage-path", folder),
            *("--sync-on-commit", "--log-level", "WARNING", "--cache-size", cache),
        ]


class EmbeddedStore:
    """The embedded store, for as long as the context lasts.

    Entering waits until the store answers and gives its connection string; leaving ends it. It is
    started again, on the same port, when it dies. Raises EmbeddedStoreError when there is none.
    """

    def __init__(self, settings: Settings, *, on_loss: Callable[[], None] | None = None) -> None:
        """`on_loss` is called, in another thread, when the store is gone for good."""
        self._settings = settings
        self._data_dir = settings.embedded_data_dir.absolute()
        self._on_loss = on_loss
        self._kind: _Kind | None = None
        self._port = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._hold: IO[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._listener = threading.Thread(target=self._listen, name="embedded-store", daemon=True)
        self._stopping = threading.Event()
        self.lost = False

    @property
    def log_file(self) -> Path:
        """Where the store's own output goes."""
        return self._data_dir / f"{self._kind.name if self._kind else 'store'}.log"

    def launch(self) -> None:
        """Begin to start the store, and return at once: entering the context waits for it."""
        self._kind = kind = _choose(self._settings, self._data_dir)
        self._port = self._settings.embedded_port or _free_port()
        self._prepare_folders(kind)
        self.log_file.touch(mode=0o600)
        with self.log_file.open("ab") as log:
            self._keeper = subprocess.Popen(  # noqa: S603 - our own module, with a program of the user's choice
                [
                    *(sys.executable, "-I", "-m", keeper.__name__, "--port", str(self._port)),
                    *("--patience", str(self._settings.embedded_patience_seconds)),
                    *("--lock", str(self._data_dir / f"{kind.name}.lock")),
                    *("--endpoint", str(self._data_dir / ENDPOINT_FILE)),
                    *("--log", str(self.log_file)),
                    *("--", *kind.command(self._data_dir, self._port, self._settings.embedded_cache)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=store_environment(),
                start_new_session=True,  # a Ctrl-C at the terminal is for this process alone
            )
        self._hold = self._keeper.stdin
        self._said = self._keeper.stdout
        if self._stopping.is_set():
            self.stop()

    def announce_end(self) -> None:
        """Tell others who wait for the data directory that it will be free soon; the store still works."""
        if self._hold is not None and not self._hold.closed:
            with suppress(OSError):  # the keeper may have ended
                self._hold.write(b".")

    def stop(self) -> None:
        """Ask the store to end, and return at once; a signal handler may call it at any time."""
        self._stopping.set()
        if self._hold is not None:
            self._hold.close()

    def __enter__(self) -> str:
        if self._keeper is None:
            self.launch()
        try:
            self._wait_until_it_answers()
            self._listener.start()
            url = self._url()
            is_mongod = self._kind is not None and self._kind.name == "mongod"
            if is_mongod and not make_primary(url, self._port, self._stopping):
                raise EmbeddedStoreError("The embedded mongod did not become the primary of its replica set.")
            self._write_endpoint(url)
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

    def _prepare_folders(self, kind: _Kind) -> None:
        folder = self._data_dir / kind.name
        try:
            self._data_dir.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self._data_dir.mkdir(mode=0o700)
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
            if kind.name == "secantus":
                # Without a file of its own it reads those of the user and of the current folder.
                (self._data_dir / "secantus.toml").touch(mode=0o600)
                (folder / _CACHE_FILE).write_text(_CACHE_RULES)
        except OSError as error:
            raise EmbeddedStoreError(
                f"EMBEDDED_DATA_DIR cannot be used: {error.strerror} ({error.filename})."
            ) from error

    def _wait_until_it_answers(self) -> None:
        said, _, detail = self._hear().partition(" ")
        if said == Said.READY:
            return
        if said == Said.HELD:
            raise EmbeddedStoreHeldError(_held(self._data_dir))
        if said == Said.PORT_TAKEN:
            raise EmbeddedStoreError(
                f"EMBEDDED_PORT {self._port} is taken by another program: choose another, or 0 for any free one."
            )
        if self._stopping.is_set():
            raise EmbeddedStoreError("The embedded store was told to end before it answered.")
        title = self._kind.title if self._kind else "the store"
        raise EmbeddedStoreError(
            f"The embedded store ({title}) did not start: {detail or 'its keeper ended'} (see {self.log_file})."
        )

    def _hear(self) -> str:
        if self._said is None:
            return ""
        return self._said.readline().decode(errors="replace").strip()

    def _listen(self) -> None:
        """Read what the keeper says until it ends."""
        while line := self._hear():
            what, _, detail = line.partition(" ")
            if what == Said.RESTARTED:
                logger.warning("The embedded store was started again: %s.", detail)
            else:
                logger.error("The embedded store cannot be kept running: %s", line)
        if not self._stopping.is_set():
            self.lost = True
            if self._on_loss is not None:
                self._on_loss()

    def _url(self) -> str:
        url = f"mongodb://{LOOPBACK}:{self._port}/?directConnection=true"
        if self._kind is not None and self._kind.name == "secantus":
            # It forgets when it dies which writes it has done: one that is sent again would be done twice.
            url += "&retryWrites=false"
        return url

    def _write_endpoint(self, url: str) -> None:
        new = self._data_dir / f"{ENDPOINT_FILE}.{os.getpid()}"
        new.touch(mode=0o600)
        new.write_text(url + "\n")
        new.replace(self._data_dir / ENDPOINT_FILE)

    def _end(self) -> None:
        self.stop()
        if self._keeper is None:
            return
        try:
            self._keeper.wait(_KEEPER_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._listener.is_alive():
            self._listener.join()
        if self._said is not None:
            self._said.close()


def running_endpoint(data_dir: Path) -> str | None:
    """The connection string of the store that runs on this data directory, or None.

    Waits at most a second.
    """
    try:
        url = (data_dir / ENDPOINT_FILE).read_text().strip()
        port = urlsplit(url).port
    except (OSError, ValueError):
        return None
    if port is None or not _is_held(data_dir) or not answers(port, within=1):
        return None
    return url


def require_free(data_dir: Path) -> None:
    """Return unless another copy is at work on this data directory, which takes half a second to be certain of.

    Raises EmbeddedStoreHeldError.
    """
    deadline = time.monotonic() + keeper.HELD_SECONDS
    while any(is_locked(at_work_file(data_dir / f"{name}.lock")) for name in _KINDS):
        if time.monotonic() > deadline:
            raise EmbeddedStoreHeldError(_held(data_dir))
        time.sleep(keeper.POLL_SECONDS)


def _held(data_dir: Path) -> str:
    return f"Another copy of Task Timer is running on this data directory: {data_dir.absolute()}"


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The connection string of the database: DATABASE_URL, else that of the store that runs.

    Where neither is, a store of our own runs as long as the context. Raises EmbeddedStoreError.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with ExitStack() as stack:
        yield running_endpoint(settings.embedded_data_dir) or _own_or_other_store(settings, stack)


def _own_or_other_store(settings: Settings, stack: ExitStack) -> str:
    """The connection string of a store that was started for this, or of one that another process is starting."""
    deadline = time.monotonic() + _ENDPOINT_PATIENCE_SECONDS
    while True:
        try:
            return stack.enter_context(EmbeddedStore(settings))
        except EmbeddedStoreHeldError:
            if url := running_endpoint(settings.embedded_data_dir):
                return url
            if time.monotonic() > deadline:
                raise
            time.sleep(_ENDPOINT_POLL_SECONDS)


def _is_held(data_dir: Path) -> bool:
    """Whether a store runs here: the endpoint that a power cut left behind is not believed."""
    return any(is_locked(data_dir / f"{name}.lock") for name in _KINDS)


def _choose(settings: Settings, data_dir: Path) -> _Kind:
    kind = _usable_mongod(settings) or _installed_secantus()
    if kind is None:
        raise EmbeddedStoreError(
            "There is no database: set DATABASE_URL to a MongoDB 7 or 8, "
            "or install the embedded store with pip install 'task-timer[embedded]'."
        )
    other = "secantus" if kind.name == "mongod" else "mongod"
    if _holds_data(data_dir / other) and not _holds_data(data_dir / kind.name):
        raise EmbeddedStoreError(
            f"The data is in {data_dir / other}, but the store found here is {kind.title} "
            f"({kind.program}), which cannot read it: {_WAYS_BACK[other]}, "
            "or move that folder away to begin anew."
        )
    return kind


_WAYS_BACK = {
    "mongod": "set MONGOD_BINARY to a mongod 7 or 8",
    "secantus": "set MONGOD_BINARY to nothing that runs (such as /nowhere) to use SecantusDB",
}


def _holds_data(folder: Path) -> bool:
    return folder.is_dir() and any(file.name != _CACHE_FILE for file in folder.iterdir())


def _usable_mongod(settings: Settings) -> _Kind | None:
    """The mongod to use, unless there is none or it is not of a version that the service is for."""
    named = settings.mongod_binary
    found = shutil.which(named or "mongod")
    version = _mongod_version(found) if found else None
    if found and version in USABLE_MONGODS:
        return _Kind("mongod", f"mongod {version}", Path(found).absolute())
    if named is not None:
        logger.warning("MONGOD_BINARY is passed over: %s is not a mongod 7 or 8 that runs.", named)
    return None


def _mongod_version(program: str) -> int | None:
    try:
        shown = subprocess.run(  # noqa: S603 - the user's own choice of a program
            [program, "--version"], capture_output=True, check=True, text=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"db version v(\d+)\.", shown)
    return int(version[1]) if version else None


def _installed_secantus() -> _Kind | None:
    program = Path(sys.executable).with_name("secantusd-py")
    return _Kind("secantus", "SecantusDB", program) if program.is_file() else None


def _free_port() -> int:
    for _ in range(len(_PORTS)):
        port = secrets.choice(_PORTS)
        if keeper.port_is_free(port):
            return port
    raise EmbeddedStoreError("No port is free for the embedded store: set EMBEDDED_PORT.")
