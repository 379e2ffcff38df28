"""Answers that are sent while they are made: whatever happens, the making ends with them."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from app.http.streaming import StreamedResponse


class Making:
    """Pieces without end, and whether the making of them has ended nevertheless."""

    def __init__(self, *, breaks_after: int | None = None, never_begins: bool = False) -> None:
        self.breaks_after = breaks_after
        self.never_begins = never_begins
        self.ended = False
        self.made = 0
        self.begun = asyncio.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while self.made != self.breaks_after:
                if self.never_begins:
                    await asyncio.Event().wait()
                self.made += 1
                self.begun.set()
                yield b"piece"
                await asyncio.sleep(0)
            raise LookupError
        finally:
            await asyncio.sleep(0)  # it takes a turn to let go of something
            self.ended = True


class Peer:
    """Somebody who asks, and leaves after so many messages."""

    def __init__(self, *, patience: int | None = None) -> None:
        self.patience = patience
        self.got: list[Message] = []
        self.has_left = asyncio.Event()

    async def ask(self, making: Making, **scope: object) -> None:
        if self.patience == 0:
            self.has_left.set()
        async with asyncio.timeout(30):
            answer = StreamedResponse(making.pieces(), headers={"X-Name": "x"})
            await answer({"type": "http", **scope}, self._say, self._take)

    async def _say(self) -> Message:
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def _take(self, message: Message) -> None:
        self.got.append(message)
        if len(self.got) == self.patience:
            self.has_left.set()


class TestAClientThatGoesAway:
    @pytest.mark.parametrize("patience", [1, 2, 3])
    async def test_ends_the_making(self, patience: int) -> None:
        peer, making = Peer(patience=patience), Making()
        await peer.ask(making)
        assert making.ended
        assert peer.got[0]["type"] == "http.response.start"
        assert all(message.get("more_body", True) for message in peer.got)

    async def test_ends_it_before_the_first_piece_too(self) -> None:
        peer, making = Peer(patience=0), Making(never_begins=True)
        await peer.ask(making)
        assert (making.made, peer.got) == (0, [])


class TestAnErrorInTheMaking:
    async def test_after_the_first_piece_leaves_the_answer_without_its_end(self) -> None:
        peer, making = Peer(), Making(breaks_after=2)
        with pytest.raises(LookupError):
            await peer.ask(making)
        assert making.ended
        assert [message.get("more_body") for message in peer.got] == [None, True, True]

    async def test_before_the_first_piece_leaves_the_answer_to_others(self) -> None:
        peer, making = Peer(), Making(breaks_after=0)
        with pytest.raises(LookupError):
            await peer.ask(making)
        assert (making.ended, peer.got) == (True, [])


class TestWhoWantsTheHeadAlone:
    async def test_gets_it_without_the_rest_being_made(self) -> None:
        peer, making = Peer(), Making()
        await peer.ask(making, asked_for_head=True)
        assert (making.ended, making.made) == (True, 1)
        assert [message["type"] for message in peer.got] == ["http.response.start", "http.response.body"]
        assert (b"x-name", b"x") in peer.got[0]["headers"]


class TestAServiceThatEnds:
    async def test_ends_the_making(self) -> None:
        making = Making()
        asking = asyncio.create_task(Peer().ask(making))
        await making.begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert making.ended
