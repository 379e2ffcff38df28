"""The program that runs as the embedded store: mongod 7 or 8 if there is one, else SecantusDB."""

import logging
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from app.config import Settings
from app.embedded.errors import EmbeddedStoreError
from app.embedded.liveness import LOOPBACK
from app.embedded.replica_set import REPLICA_SET

logger = logging.getLogger(__name__)

SECANTUS_SERVER = "app.embedded.secantus_server"
"""The module that runs SecantusDB. It is never imported, because the package may not be installed."""

SUPPORTED_MONGOD_VERSIONS = (7, 8)

_VERSION_TIMEOUT_SECONDS = 10
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_MIN_MONGOD_CACHE_GB = 0.25
_CACHE_FILE = "WiredTiger.config"
_CACHE_RULES = (
    "eviction_dirty_target=60,eviction_dirty_trigger=80,eviction_updates_target=50,eviction_updates_trigger=75\n"
)
"""How much of its cache SecantusDB lets open transactions fill, in percent. With the default of 10 %, sixteen users who
switch between large tasks at once make it hang for good. The storage engine reads this file from its directory."""

_SWITCH_HINTS = {
    "mongod": "set MONGOD_BINARY to a mongod 7 or 8",
    "secantus": "set MONGOD_BINARY to a path that does not exist, for example /nowhere, to use SecantusDB",
}


@dataclass(frozen=True, slots=True)
class StoreProgram:
    """A program that can be the store. Its data is in the directory `name` of the data directory."""

    name: Literal["mongod", "secantus"]
    title: str
    path: Path

    def command(self, data_dir: Path, port: int, cache: str) -> list[str]:
        """Return the command line that starts it. `cache` is EMBEDDED_CACHE, for example 1G."""
        storage = str(data_dir / self.name)
        if self.name == "mongod":
            gigabytes = max(_MIN_MONGOD_CACHE_GB, int(cache[:-1]) * _UNITS[cache[-1]] / _UNITS["G"])
            return [
                *(str(self.path), "--quiet", "--dbpath", storage, "--replSet", REPLICA_SET),
                *("--bind_ip", LOOPBACK, "--port", str(port), "--wiredTigerCacheSizeGB", f"{gigabytes:g}"),
            ]
        return [
            *(sys.executable, "-I", "-m", SECANTUS_SERVER),
            *("--port", str(port), "--storage-path", storage, "--cache-size", cache),
        ]

    def prepare(self, data_dir: Path) -> None:
        """Create the directories and configuration files that it needs. Raises EmbeddedStoreError."""
        storage = data_dir / self.name
        try:
            data_dir.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                data_dir.mkdir(mode=0o700)
            storage.mkdir(mode=0o700, exist_ok=True)
            storage.chmod(0o700)
            if self.name == "secantus":
                (storage / _CACHE_FILE).write_text(_CACHE_RULES)
        except OSError as error:
            raise EmbeddedStoreError(
                f"EMBEDDED_DATA_DIR cannot be used: {error.strerror} ({error.filename})."
            ) from error


def choose_program(settings: Settings, data_dir: Path) -> StoreProgram:
    """Return the program to use. Raises EmbeddedStoreError if there is none, or none that can read the data."""
    program = _usable_mongod(settings) or _installed_secantus()
    if program is None:
        raise EmbeddedStoreError(
            "There is no database: set DATABASE_URL to a MongoDB 7 or 8, "
            "or install the embedded store with pip install 'task-timer[embedded]'."
        )
    other = "secantus" if program.name == "mongod" else "mongod"
    if _has_data(data_dir / other) and not _has_data(data_dir / program.name):
        raise EmbeddedStoreError(
            f"The data is in {data_dir / other}, but the store found here is {program.title} "
            f"({program.path}), which cannot read it: {_SWITCH_HINTS[other]}, "
            "or move that directory away to start with an empty database."
        )
    return program


def _has_data(storage: Path) -> bool:
    return storage.is_dir() and any(file.name != _CACHE_FILE for file in storage.iterdir())


def _usable_mongod(settings: Settings) -> StoreProgram | None:
    """Return MONGOD_BINARY, or the mongod on PATH, if it runs and its version is supported."""
    configured = settings.mongod_binary
    path = shutil.which(configured or "mongod")
    version = _mongod_version(path) if path else None
    if path and version in SUPPORTED_MONGOD_VERSIONS:
        return StoreProgram("mongod", f"mongod {version}", Path(path).absolute())
    if configured is not None:
        logger.warning("MONGOD_BINARY is ignored: %s is not a mongod 7 or 8 that can be run.", configured)
    return None


def _mongod_version(path: str) -> int | None:
    """Return the major version of a mongod, or None if the program does not run or is not a mongod."""
    try:
        output = subprocess.run(  # noqa: S603 - the program that the user has configured
            [path, "--version"], capture_output=True, check=True, text=True, timeout=_VERSION_TIMEOUT_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"db version v(\d+)\.", output)
    return int(version[1]) if version else None


def _installed_secantus() -> StoreProgram | None:
    spec = find_spec("secantus")
    return StoreProgram("secantus", "SecantusDB", Path(spec.origin).parent) if spec and spec.origin else None
