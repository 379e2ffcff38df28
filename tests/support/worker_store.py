"""The database server of a test worker: the embedded store, which is replaced when it is lost or hangs."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from app.config import Settings
from app.embedded.liveness import accepts_write
from app.embedded.store import EmbeddedStore

ANSWER_SECONDS = 2.0
"""The maximum duration of a small write to a working store on a busy machine."""

PATIENCE_SECONDS = 60.0
"""The maximum duration of a restart by the supervisor, which needs 20 s to detect that the store hangs."""

QUICK_SECONDS = 0.3
"""The maximum duration of a test during which the store cannot have been restarted."""

RECENT_SECONDS = 1.0
"""The time after a check in which the store is not checked again, if no test fails or takes longer."""

MEMORY_FOLDER = Path("/dev/shm")
MIN_FREE_BYTES = 2 * 1024**3


def data_folder() -> Path | None:
    """Return a folder in memory if there is one with enough space: the store synchronizes its files at each write."""
    has_space = MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free >= MIN_FREE_BYTES
    return MEMORY_FOLDER if has_space and os.access(MEMORY_FOLDER, os.W_OK) else None


class WorkerStore:
    """One server for all tests of a worker, always at the same address.

    If the store is lost or hangs, only the current test fails. Before the next test, the supervisor restarts the store,
    or an empty store replaces it.
    """

    def __init__(self) -> None:
        self.replaced = 0
        """The number of lost stores that were replaced by an empty one."""

        self.may_have_restarted = True
        """Whether connections may be closed. Set it to False after reconnecting."""

        self._checked_at = 0.0

        self._url: str | None = None
        self._port = 0
        self._store: EmbeddedStore | None = None
        self._folder: TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """TEST_DATABASE_URL, or the URL of the embedded store, which is started at the first use."""
        self._url = self._url or os.environ.get("TEST_DATABASE_URL")
        if self._url is None:
            self._url = self._start()
            self._port = urlsplit(self._url).port or 0
        return self._url

    def ensure_working(self) -> None:
        """Wait until the store works, if it was started here."""
        if self._store is None:
            return
        if time.monotonic() - self._checked_at > RECENT_SECONDS or self._store.lost:
            self.may_have_restarted = True
            self._check(self._store)
            self._checked_at = time.monotonic()

    @contextmanager
    def checked_after_trouble(self) -> Iterator[None]:
        """Check the store before the next test if the block fails or is not quick."""
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self._checked_at = 0.0
            raise
        if time.monotonic() - start > QUICK_SECONDS:
            self._checked_at = 0.0

    def _check(self, store: EmbeddedStore) -> None:
        if accepts_write(self._port, within=ANSWER_SECONDS) and not store.lost:
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not store.lost and time.monotonic() < deadline:
            if accepts_write(self._port, within=ANSWER_SECONDS):
                return
            time.sleep(0.1)
        # A store whose supervisor was killed is killed too, but may work for a moment.
        while accepts_write(self._port, within=ANSWER_SECONDS) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.end()
        self._start()
        self.replaced += 1

    def end(self) -> None:
        """Stop the store, if it was started here."""
        if self._store is not None and self._folder is not None:
            self._store.__exit__(None, None, None)
            self._folder.cleanup()
            self._store = None

    def _start(self) -> str:
        self._folder = TemporaryDirectory(prefix="task-timer-tests-", dir=data_folder())
        data = Path(self._folder.name) / "data"
        self._store = EmbeddedStore(Settings(_env_file=None, embedded_data_dir=data, embedded_port=self._port))
        return self._store.__enter__()
