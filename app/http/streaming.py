"""Streamed responses."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = structlog.get_logger()


class StreamedResponse(Response):
    """A response whose body is streamed from a generator.

    The first chunk is generated before the response starts, so an error until then has an ordinary error
    response. A later error aborts the connection, so that a truncated body does not look complete. The
    generator is closed when the client disconnects, and after the first chunk of a HEAD request. Other requests get
    their turn after each chunk.
    """

    def __init__(self, chunks: AsyncGenerator[bytes, None], *, headers: Mapping[str, str]) -> None:
        self.chunks = chunks
        self.status_code = 200
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response until it is complete or the client disconnects."""
        sending = asyncio.create_task(self._send(send, has_body=not scope.get("is_head_request")))
        disconnect = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, disconnect):
                task.cancel()
            await asyncio.wait({sending, disconnect})
        if sending.cancelled():
            log.info("client_disconnected")
        else:
            sending.result()

    async def _send(self, send: Send, *, has_body: bool) -> None:
        async with aclosing(self.chunks) as chunks:
            first = await anext(chunks, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if has_body:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for chunk in chunks:
                    await asyncio.sleep(0)  # neither the generator nor `send` needs to wait for anything
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
