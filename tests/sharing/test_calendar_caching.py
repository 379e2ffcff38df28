"""How calendar programs poll a feed: conditional requests and HEAD."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from tests.conftest import Database
from tests.sharing.calendar_requests import create_feed, read, valid_events
from tests.support.http import Client, Json, ago, at, clock
from tests.support.stored_documents import NINE, ended_entry, paged_task

Change = Callable[[Client, Json, Json], Awaitable[object]]


async def poll(client: Client, feed: Json, previous: httpx.Response) -> httpx.Response:
    """Poll a feed with the ETag of the response before."""
    return await read(client, feed, **{"If-None-Match": previous.headers["etag"]})


async def assert_not_modified(client: Client, feed: Json, previous: httpx.Response) -> None:
    response = await poll(client, feed, previous)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == previous.headers["etag"]
    assert response.headers["cache-control"] == "private, max-age=300"
    assert "content-type" not in response.headers


CHANGES: dict[str, Change] = {
    "create": lambda alice, task, _: alice.write(task, started_at=clock("14:00")),
    "change note": lambda alice, _, entry: alice.patch(at(entry), json={"note": "Changed"}),
    "delete": lambda alice, _, entry: alice.delete(at(entry)),
    "change title": lambda alice, task, _: alice.patch(f"/tasks/{task['id']}", json={"title": "Changed"}),
    "trash task": lambda alice, task, _: alice.delete(f"/tasks/{task['id']}"),
    "rename tag": lambda alice, _task, _: alice.post("/tags/rename", json={"from": "deep", "to": "deeper"}),
    "rename project": lambda alice, task, _: alice.patch(f"/projects/{task['project_id']}", json={"name": "Other"}),
    "delete project": lambda alice, task, _: alice.delete(f"/projects/{task['project_id']}"),
    "import": lambda alice, _task, _: alice.import_csv("2026-11-02 09:00,2026-11-02 10:00,Mail"),
}


class TestSubscription:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    async def test_etag_changes_exactly_when_the_calendar_does(
        self, alice: Client, anonymous: Client, change: Change
    ) -> None:
        task = await alice.make_task(project_id=(await alice.make_project())["id"], tags=["deep"])
        entry = await alice.write(task, note="First", tags=["deep"])
        feed = await create_feed(alice)
        first = await read(anonymous, feed)
        assert first.status_code == 200
        assert first.headers["etag"].startswith('W/"')
        await assert_not_modified(anonymous, feed, first)
        await alice.make_task()
        await assert_not_modified(anonymous, feed, first)
        await change(alice, task, entry)
        second = await poll(anonymous, feed, first)
        assert second.status_code == 200
        assert second.headers["etag"] != first.headers["etag"]
        assert second.content != first.content
        valid_events(second.content)
        await assert_not_modified(anonymous, feed, second)

    async def test_change_in_a_page_changes_the_etag(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        old = [ended_entry(at=NINE - timedelta(days=days)) for days in range(9, 1, -1)]
        row, pages = paged_task(alice.user["_id"], old, [ended_entry()])
        await database.tasks.insert_one(row)
        await database.task_pages.insert_many(pages)
        feed = await create_feed(alice)
        first = await read(anonymous, feed)
        await assert_not_modified(anonymous, feed, first)
        path = f"/tasks/{row['_id']}/time-entries/{old[0]['id']}"
        assert (await alice.patch(path, json={"note": "Changed"})).status_code == 200
        second = await poll(anonymous, feed, first)
        assert second.status_code == 200
        assert b"DESCRIPTION:Changed" in second.content

    async def test_etag_changes_when_the_range_moves(self, alice: Client, anonymous: Client) -> None:
        """Another time zone has other midnights, as has another day."""
        await alice.write(await alice.make_task())
        feed = await create_feed(alice)
        first = await read(anonymous, feed)
        assert (await alice.patch("/users/me", json={"timezone": "Pacific/Kiritimati"})).status_code == 200
        assert (await poll(anonymous, feed, first)).status_code == 200

    async def test_timer_counts_only_with_include_running(self, alice: Client, anonymous: Client) -> None:
        task = await alice.make_task()
        ended, running = await create_feed(alice), await create_feed(alice, include_running=True)
        first = {feed["id"]: await read(anonymous, feed) for feed in (ended, running)}
        await alice.start(task, started_at=ago(minutes=5))
        await assert_not_modified(anonymous, ended, first[ended["id"]])
        started = await poll(anonymous, running, first[running["id"]])
        assert started.status_code == 200
        assert len(valid_events(started.content)) == 1
        await alice.patch("/timer", json={"note": "Corrected"})
        corrected = await poll(anonymous, running, started)
        assert b"DESCRIPTION:Corrected" in corrected.content
        await alice.stop()
        assert (await poll(anonymous, ended, first[ended["id"]])).status_code == 200

    async def test_feeds_of_the_same_entries_have_etags_of_their_own_versions(
        self, alice: Client, bob: Client, anonymous: Client
    ) -> None:
        await alice.write(await alice.make_task())
        of_alice, of_bob = await create_feed(alice), await create_feed(bob)
        response = await poll(anonymous, of_bob, await read(anonymous, of_alice))
        assert response.status_code == 200


class TestUnconditionalPolls:
    async def test_unchanged_calendar_is_written_once(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        """A change that leaves the version of the task, which no program makes, shows what is read again."""
        task = await alice.make_task()
        await alice.write(task, note="First")
        feed = await create_feed(alice)
        first = await read(anonymous, feed)
        hidden = {"$set": {"title": "Changed without a version"}}
        await database.tasks.update_one({}, hidden)
        again = await read(anonymous, feed)
        assert (again.status_code, again.content) == (200, first.content)
        await alice.write(task, note="Second", started_at=clock("14:00"))
        changed = await read(anonymous, feed)
        assert [str(event["summary"]) for event in valid_events(changed.content)] == ["Changed without a version"] * 2


class TestConditions:
    async def test_list_and_asterisk_match(self, alice: Client, anonymous: Client) -> None:
        feed = await create_feed(alice)
        etag = (await read(anonymous, feed)).headers["etag"]
        for condition in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            assert (await read(anonymous, feed, **{"If-None-Match": condition})).status_code == 304
        for condition in ('"other"', 'W/"1"'):
            assert (await read(anonymous, feed, **{"If-None-Match": condition})).status_code == 200


class TestHead:
    async def test_head_has_the_headers_of_get_and_no_body(self, alice: Client, anonymous: Client) -> None:
        await alice.write(await alice.make_task())
        feed = await create_feed(alice)
        get, head = await read(anonymous, feed), await anonymous.head(feed["url"])
        assert (head.status_code, head.content) == (200, b"")
        for name in ("etag", "cache-control", "content-type", "content-disposition"):
            assert head.headers[name] == get.headers[name]
        unchanged = await anonymous.head(feed["url"], headers={"If-None-Match": get.headers["etag"]})
        assert unchanged.status_code == 304
