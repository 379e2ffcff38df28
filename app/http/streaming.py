"""Answers that are sent while they are made."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = structlog.get_logger()


class StreamedResponse(Response):
    """An answer of pieces, the first of which is made before it begins: until then an error is an ordinary answer.

    An error after that breaks the connection off, so that what was cut does not look whole. When the
    client goes away, or was content with the head, the making is stopped and whatever it holds is let go.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], *, headers: Mapping[str, str]) -> None:
        self.pieces = pieces
        self.status_code = 200
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer, for as long as somebody is there to take it."""
        sending = asyncio.create_task(self._send(send, whole=not scope.get("asked_for_head")))
        leaving = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait({sending, leaving})
        if sending.cancelled():
            log.info("client_disconnected")
        else:
            sending.result()

    async def _send(self, send: Send, *, whole: bool) -> None:
        async with aclosing(self.pieces) as pieces:
            first = await anext(pieces, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if whole:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
