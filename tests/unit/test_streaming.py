"""Streamed responses: the generator of the body is closed in every case, and other requests get their turn."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from app.http.streaming import StreamedResponse


class Body:
    """An endless body that records whether its generator was closed."""

    def __init__(self, *, fails_after: int | None = None, blocks: bool = False, waits: bool = True) -> None:
        self.fails_after = fails_after
        self.blocks = blocks
        self.waits = waits
        self.closed = False
        self.chunk_count = 0
        self.started = asyncio.Event()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            while self.chunk_count != self.fails_after:
                if self.blocks:
                    await asyncio.Event().wait()
                self.chunk_count += 1
                self.started.set()
                yield b"chunk"
                if self.waits:
                    await asyncio.sleep(0)
            raise LookupError
        finally:
            await asyncio.sleep(0)  # closing may yield to the event loop
            self.closed = True


class Peer:
    """A client that disconnects after so many messages."""

    def __init__(self, *, disconnects_after: int | None = None) -> None:
        self.disconnects_after = disconnects_after
        self.messages: list[Message] = []
        self.disconnected = asyncio.Event()

    async def request(self, body: Body, **scope: object) -> None:
        if self.disconnects_after == 0:
            self.disconnected.set()
        async with asyncio.timeout(30):
            response = StreamedResponse(body.chunks(), headers={"X-Name": "x"})
            await response({"type": "http", **scope}, self._receive, self._send)

    async def _receive(self) -> Message:
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) == self.disconnects_after:
            self.disconnected.set()


class TestDisconnect:
    @pytest.mark.parametrize("messages", [1, 2, 3])
    async def test_disconnect_closes_the_generator(self, messages: int) -> None:
        peer, body = Peer(disconnects_after=messages), Body()
        await peer.request(body)
        assert body.closed
        assert peer.messages[0]["type"] == "http.response.start"
        assert all(message.get("more_body", True) for message in peer.messages)

    async def test_disconnect_before_the_first_chunk_sends_nothing(self) -> None:
        peer, body = Peer(disconnects_after=0), Body(blocks=True)
        await peer.request(body)
        assert (body.chunk_count, peer.messages) == (0, [])


class TestOtherRequests:
    async def test_other_requests_get_a_turn_after_each_chunk(self) -> None:
        """Although the generator has all chunks, and the client takes them at once."""
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(take_turns())
        with pytest.raises(LookupError):
            await Peer().request(Body(fails_after=100, waits=False))
        others.cancel()
        assert turns >= 100


class TestGeneratorError:
    async def test_error_after_the_first_chunk_leaves_the_response_incomplete(self) -> None:
        peer, body = Peer(), Body(fails_after=2)
        with pytest.raises(LookupError):
            await peer.request(body)
        assert body.closed
        assert [message.get("more_body") for message in peer.messages] == [None, True, True]

    async def test_error_before_the_first_chunk_leaves_the_response_to_the_error_handlers(self) -> None:
        peer, body = Peer(), Body(fails_after=0)
        with pytest.raises(LookupError):
            await peer.request(body)
        assert (body.closed, peer.messages) == (True, [])


class TestHeadRequest:
    async def test_head_request_generates_only_the_first_chunk(self) -> None:
        peer, body = Peer(), Body()
        await peer.request(body, is_head_request=True)
        assert (body.closed, body.chunk_count) == (True, 1)
        assert [message["type"] for message in peer.messages] == ["http.response.start", "http.response.body"]
        assert (b"x-name", b"x") in peer.messages[0]["headers"]


class TestShutdown:
    async def test_cancellation_closes_the_generator(self) -> None:
        body = Body()
        task = asyncio.create_task(Peer().request(body))
        await body.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert body.closed
