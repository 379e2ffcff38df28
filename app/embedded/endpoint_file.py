"""What a data directory shows to other processes: its lock files, and the endpoint file with the connection string."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from app.embedded.errors import DataDirectoryInUseError
from app.embedded.liveness import responds_to_ping
from app.embedded.supervisor import MIN_HELD_SECONDS, POLL_INTERVAL_SECONDS, active_lock_file, is_locked

_FILE_NAME = "endpoint"
_PROGRAM_NAMES = ("mongod", "secantus")


def endpoint_file(data_dir: Path) -> Path:
    """Return the file that contains the connection string while the store is running."""
    return data_dir / _FILE_NAME


def lock_file(data_dir: Path, program: str) -> Path:
    """Return the file that is locked while this program (mongod or secantus) runs on the data directory."""
    return data_dir / f"{program}.lock"


def write_endpoint(data_dir: Path, url: str) -> None:
    """Write the connection string so that other processes read all of it or nothing."""
    draft = data_dir / f"{_FILE_NAME}.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(url + "\n")
    draft.replace(endpoint_file(data_dir))


def running_endpoint(data_dir: Path) -> str | None:
    """Return the connection string of the store that is running on this data directory, or None.

    Waits at most one second for the store. An endpoint file that a power failure left behind is ignored,
    because nobody holds the lock.
    """
    try:
        url = endpoint_file(data_dir).read_text().strip()
        port = urlsplit(url).port
    except (OSError, ValueError):
        return None
    if port is None or not _is_in_use(data_dir) or not responds_to_ping(port, within=1):
        return None
    return url


def require_free(data_dir: Path) -> None:
    """Return if no other copy uses this data directory, or if the other copy is shutting down.

    Raises DataDirectoryInUseError, after half a second: a copy may be just about to shut down.
    """
    deadline = time.monotonic() + MIN_HELD_SECONDS
    while any(is_locked(active_lock_file(lock_file(data_dir, program))) for program in _PROGRAM_NAMES):
        if time.monotonic() > deadline:
            raise in_use_error(data_dir)
        time.sleep(POLL_INTERVAL_SECONDS)


def in_use_error(data_dir: Path) -> DataDirectoryInUseError:
    """Return the error for a data directory that another copy uses."""
    return DataDirectoryInUseError(
        f"Another copy of Task Timer is running on this data directory: {data_dir.absolute()}"
    )


def _is_in_use(data_dir: Path) -> bool:
    return any(is_locked(lock_file(data_dir, program)) for program in _PROGRAM_NAMES)
