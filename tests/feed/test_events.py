"""The event stream: its bytes, where it begins, its filter, and its limit. Others: test_stream_ends.py."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from app.config import Settings
from app.main import create_app
from documents.common.outbox import enable_changes
from documents.feed.event_streams import MAX_STREAMS
from services.accounts.token_checks import AcceptedToken
from services.feed.follower import ChangeFollower, LiveChange
from services.feed.streams import EventStream
from tests.conftest import Database
from tests.feed.event_clients import Event, following
from tests.support.feed.changes import wait_until_recorded
from tests.support.http import API, Client, parameters, problem
from tests.support.services import serving_another


class TestBeginning:
    async def test_stream_begins_with_retry_and_the_newest_seq(self, alice: Client) -> None:
        async with following(alice) as stream:
            assert await stream.block() == Event(id=0, retry=2000)
        await alice.make_task()
        async with following(alice, after=0) as stream:
            assert await stream.block() == Event(id=0, retry=2000)
            await stream.event()
        async with following(alice) as stream:
            assert await stream.block() == Event(id=1, retry=2000)

    async def test_headers_disable_caches_and_buffering(self, alice: Client) -> None:
        async with following(alice) as stream:
            headers = stream.response.headers
            assert headers["content-type"] == "text/event-stream"
            assert headers["cache-control"] == "no-store"
            assert headers["x-accel-buffering"] == "no"
            assert "content-encoding" not in headers
            assert headers["x-request-id"]

    async def test_new_stream_gets_the_next_changes_only(self, alice: Client) -> None:
        task = await alice.make_task()
        async with following(alice, after=0) as stream:
            await stream.event()
        async with following(alice) as stream:
            await stream.block()
            await alice.start(task)
            assert (await stream.event()).type == "timer.started"

    async def test_after_and_last_event_id_name_the_last_change(self, alice: Client) -> None:
        for title in ("a", "b", "c"):
            await alice.make_task(title=title)
        async with following(alice, after=0) as stream:
            assert [event.id for event in await stream.events(3)] == [1, 2, 3]
        async with following(alice, after=1) as stream:
            assert [event.id for event in await stream.events(2)] == [2, 3]
        async with following(alice, last_event_id=2, after=0) as stream:
            assert [event.id for event in await stream.events(1)] == [3]

    async def test_head_has_the_headers_and_no_stream(self, alice: Client) -> None:
        response = await alice.head("/events")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-type"] == "text/event-stream"


class TestEvent:
    async def test_event_contains_the_change_as_the_list_shows_it(self, alice: Client) -> None:
        async with following(alice) as stream:
            task = await alice.make_task(title="Line 1 ä", description="Line 1\nLine 2")
            event = await stream.event()
        assert (event.id, event.type, event.data["seq"]) == (1, "task.created", 1)
        assert event.data["task_id"] == task["id"]
        assert event.data["data"]["description"] == "Line 1\nLine 2"
        assert event.data == (await alice.get("/changes")).json()["items"][0]

    async def test_two_streams_get_the_same_events(self, alice: Client) -> None:
        async with following(alice) as first, following(alice) as second:
            task = await alice.make_task()
            await alice.start(task)
            await alice.stop()
            events = await first.events(3)
            assert [event.type for event in events] == ["task.created", "timer.started", "timer.stopped"]
            assert await second.events(3) == events

    async def test_stream_shows_no_changes_of_other_users(self, alice: Client, bob: Client) -> None:
        async with following(bob) as stream:
            await alice.make_task(title="canary 7f3a")
            await bob.make_task(title="mine")
            assert (await stream.event()).data["data"]["title"] == "mine"

    async def test_filter_selects_types_of_stored_and_of_new_changes(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        types = ["timer.started", "timer.stopped"]
        async with following(alice, after=0, type=types) as stream:
            assert (await stream.event()).type == "timer.started"
            await alice.make_task()
            await alice.stop()
            event = await stream.event()
            assert (event.id, event.type) == (4, "timer.stopped")


class TestFollower:
    async def test_nothing_is_polled_after_the_last_stream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        follower, user_id, polls = ChangeFollower(), ObjectId(), list[None]()
        stream = EventStream(AcceptedToken(user_id, 0, ObjectId(), None, None), {}, (), on_close=lambda _: None)

        async def poll() -> None:
            polls.append(None)

        monkeypatch.setattr(follower, "_poll", poll)
        follower.subscribe(user_id, stream)
        follower.unsubscribe(user_id, stream)
        following = asyncio.create_task(follower.run())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not polls
        following.cancel()
        await asyncio.wait({following})


class TestRepeatedChange:
    async def test_change_that_comes_again_is_sent_once(self) -> None:
        """The changes of a batch come again if another relay has continued it."""
        token = AcceptedToken(ObjectId(), 0, ObjectId(), None, None)
        stream = EventStream(token, {}, (), on_close=lambda _: None)
        stream.begin(3, is_newest=True)
        stream._advance(3, is_last=True)
        await stream.read()
        for seq in (4, 5, 4, 5, 6):
            stream.push(LiveChange(seq, "task.created", f"{seq} ".encode()))
        assert await stream.read() == b"4 5 6 "


class TestInvalidRequests:
    @pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "1e3", "٣", "9007199254740992", "0" * 30])
    async def test_invalid_last_event_id_is_422(self, alice: Client, value: str) -> None:
        response = await alice.get("/events", headers={b"Last-Event-ID": value.encode()})
        assert problem(response, 422, "invalid_request")["errors"] == [
            {"header": "Last-Event-ID", "detail": "is not the id of an event"}
        ]

    async def test_repeated_last_event_id_is_422(self, alice: Client) -> None:
        headers: Any = [("Last-Event-ID", "1"), ("Last-Event-ID", "2")]
        problem(await alice.get("/events", headers=headers), 422, "invalid_request")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("after", "-1"), ("after", "x"), ("after", "9007199254740992"), ("type", "task"), ("x", "1")],
    )
    async def test_invalid_parameter_is_422(self, alice: Client, name: str, value: str) -> None:
        assert parameters(await alice.get("/events", params={name: value})) == {name}


class TestLimit:
    async def test_eleventh_stream_is_refused_until_one_is_closed(self, alice: Client, bob: Client) -> None:
        streams = [following(alice) for _ in range(MAX_STREAMS)]
        for stream in streams:
            await stream.__aenter__()
        refused = problem(await alice.get("/events"), 429, "too_many_streams")
        assert refused["detail"].startswith(f"At most {MAX_STREAMS} ")
        async with following(bob):
            pass
        await streams.pop().__aexit__(None, None, None)
        async with asyncio.timeout(60):
            while (await alice.head("/events")).status_code == 429:  # noqa: ASYNC110 -- another connection's end
                await asyncio.sleep(0.02)
        for stream in streams:
            await stream.__aexit__(None, None, None)

    async def test_clients_that_disconnect_leave_no_stream_behind(self, alice: Client) -> None:
        for _ in range(3 * MAX_STREAMS):
            async with following(alice) as stream:
                await stream.block()


class TestReset:
    async def test_client_behind_expired_changes_gets_one_reset_and_then_the_next(
        self, alice: Client, database: Database
    ) -> None:
        for title in ("a", "b", "c"):
            await alice.make_task(title=title)
        async with following(alice, after=0) as stream:
            await stream.events(3)
        await database.changes.delete_one({"user_id": alice.user["_id"], "seq": 1})
        async with following(alice, after=1) as stream:
            assert [event.id for event in await stream.events(2)] == [2, 3]
        async with following(alice, after=0) as stream:
            assert await stream.event() == Event(id=3, type="reset", data={"last_seq": 3})
            await alice.make_task(title="d")
            event = await stream.event()
            assert (event.id, event.type) == (4, "task.created")

    async def test_reset_when_all_changes_have_expired(self, alice: Client, database: Database) -> None:
        await alice.make_task()
        async with following(alice, after=0) as stream:
            await stream.event()
        await wait_until_recorded(database, alice, 1)
        await database.changes.delete_one({"user_id": alice.user["_id"], "seq": 1})
        async with following(alice, after=0, type="timer.started") as stream:
            assert (await stream.event()).type == "reset"
        async with following(alice, after=1) as stream:
            await alice.make_task()
            assert (await stream.event()).id == 2

    async def test_client_that_is_ahead_gets_a_reset(self, alice: Client) -> None:
        """The database may be restored from a backup."""
        await alice.make_task()
        async with following(alice, after=0) as stream:
            await stream.event()
        async with following(alice, last_event_id=7) as stream:
            assert await stream.event() == Event(id=1, type="reset", data={"last_seq": 1})
            await alice.make_task()
            assert (await stream.event()).id == 2


class TestDisabled:
    async def test_stream_is_404_while_changes_are_not_recorded(
        self, alice: Client, settings: Settings, database: Database
    ) -> None:
        app = create_app(settings.model_copy(update={"changes_enabled": False}))
        try:
            async with (
                serving_another(app, database) as address,
                Client(base_url=address + API, headers=alice.headers) as client,
            ):
                problem(await client.get("/events"), 404, "changes_disabled")
        finally:
            enable_changes(settings.changes_enabled)


class TestCrossOrigin:
    async def test_page_may_send_last_event_id_and_read_the_stream(
        self, alice: Client, settings: Settings, database: Database
    ) -> None:
        app = create_app(settings.model_copy(update={"cors_origins": ("https://page.example",)}))
        headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
        async with serving_another(app, database) as address, Client(base_url=address + API) as client:
            asked = {"Access-Control-Request-Headers": "authorization,last-event-id"}
            assert (await client.options("/events", headers={**headers, **asked})).status_code == 200
            client.headers["Authorization"] = alice.headers["authorization"]
            response = await client.get("/events", headers={"Origin": "https://page.example", "Last-Event-ID": "0"})
            assert response.headers["access-control-allow-origin"] == "https://page.example"
            assert response.content.startswith(b"retry: 2000\nid: 0\n\n")
