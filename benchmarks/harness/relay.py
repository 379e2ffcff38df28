"""A TCP relay in front of the store that can delay its responses."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.harness.client import HOST

CHUNK = 65_536


class Relay:
    """Forwards bytes to the store at once, and bytes from the store after `delay` seconds."""

    def __init__(self, port: int, store_port: int) -> None:
        self.port = port
        self.delay = 0.0
        self._store_port = store_port

    async def serve(self) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_server(self._connect, HOST, self.port)
        async with server:
            await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_connection(HOST, self._store_port)
        await asyncio.gather(self._forward(reader, store_writer), self._forward(store_reader, writer, delayed=True))

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, delayed: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if delayed and self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def relaying(port: int, store_port: int) -> Iterator[Relay]:
    """Run a relay in its own thread."""
    relay, loop = Relay(port, store_port), asyncio.new_event_loop()
    serving = loop.create_task(relay.serve())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join()
