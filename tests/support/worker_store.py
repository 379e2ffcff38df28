"""The database server of a test worker: the embedded store, and another one when it is gone or hangs."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from app.config import Settings
from app.embedded.liveness import accepts_write
from app.embedded.store import EmbeddedStore

ANSWER_SECONDS = 2.0
"""How long a sound store may take for a small write on a busy machine, before anybody looks twice."""

PATIENCE_SECONDS = 60.0
"""How long its supervisor may take to restart it: it needs 20 s to be certain that the store hangs."""


class WorkerStore:
    """One server for all tests of a worker, always at the same address.

    Only the test that meets a dead or hanging store fails. Before the next one it is there again: its
    supervisor restarts it, or else an empty one takes its place.
    """

    def __init__(self, url: str | None = os.environ.get("TEST_DATABASE_URL")) -> None:
        self.replaced = 0
        """How often an empty store took the place of one that was lost."""

        self._given = url
        self._port = 0
        self._store: EmbeddedStore | None = None
        self._folder: TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """Where it answers: TEST_DATABASE_URL, or the embedded store, started now if it was not needed before."""
        if self._given is None:
            self._given = self._start()
            self._port = urlsplit(self._given).port or 0
        return self._given

    def be_there(self) -> None:
        """Return once the store works, if it was started here."""
        if self._store is None or accepts_write(self._port, within=ANSWER_SECONDS):
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._store.lost and time.monotonic() < deadline:
            if accepts_write(self._port, within=ANSWER_SECONDS):
                return
            time.sleep(0.1)
        self.end()
        self._start()
        self.replaced += 1

    def end(self) -> None:
        """End it, if it was started here."""
        if self._store is not None and self._folder is not None:
            self._store.__exit__(None, None, None)
            self._folder.cleanup()
            self._store = None

    def _start(self) -> str:
        self._folder = TemporaryDirectory(prefix="task-timer-tests-")
        data = Path(self._folder.name) / "data"
        self._store = EmbeddedStore(Settings(_env_file=None, embedded_data_dir=data, embedded_port=self._port))
        return self._store.__enter__()
