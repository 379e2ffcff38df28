"""The program that runs SecantusDB as the embedded store: `python -m app.embedded.secantus_server`.

It uses the class of the package, because the package's own command cannot disable the removal of expired documents.
Once a minute that would read all documents of each collection with a TTL index, while all other commands wait. It would
then keep the pages that it has read last in the cache for a minute: when such a page has grown by many updates, each
read of it takes a third of a second. The service removes the documents (services/maintenance/expiry.py).

Only this process imports the package, whose licence is the GPL.
"""

import argparse
import gc
import logging
import signal
import sys

from secantus import SecantusDBServer

from app.embedded.liveness import LOOPBACK

_GC_THRESHOLDS = (50_000, 20, 50)
"""SecantusDB decodes each document and all indexes of its collection for a command, so that with the default thresholds
the collection of garbage takes up to a tenth of its time."""


def create_server(port: int, storage_path: str, cache_size: str) -> SecantusDBServer:
    """Return a store that listens on this loopback port when started, in a process that collects garbage rarely."""
    gc.set_threshold(*_GC_THRESHOLDS)
    return SecantusDBServer(
        host=LOOPBACK,
        port=port,
        storage_path=storage_path,
        cache_size=cache_size,
        sync_on_commit=True,  # without it a kill loses acknowledged writes
        ttl_sweep_seconds=0,
        enable_test_commands=False,
    )


def main() -> None:
    """Run the store until SIGTERM or SIGINT arrives."""
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--storage-path", required=True)
    parser.add_argument("--cache-size", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    server = create_server(arguments.port, arguments.storage_path, arguments.cache_size)

    def end(*_: object) -> None:
        server.stop()
        sys.exit()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.start()
    server.wait()


if __name__ == "__main__":
    main()
