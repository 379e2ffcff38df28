"""Starting and switching to a task that is created with its timer."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.conftest import Database
from tests.support.feed.model import assert_feed_matches
from tests.support.http import Client, Json, ago, clock, instant, pointers, problem

TITLE = "Call the bank"
KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def has_relay() -> bool:
    """Let the relay run, since the feed is compared with the API."""
    return True


async def start(client: Client, title: str = TITLE, **fields: Any) -> Json:
    response = await client.post("/timer/start", json={"title": title, **fields})
    assert response.status_code == 201, response.text
    timer: Json = response.json()
    return timer


async def task_of(client: Client, timer: Json) -> Json:
    return await client.read({"id": timer["task_id"]})


async def titles(client: Client) -> list[str]:
    """Return the titles of all tasks, the trash included."""
    pages = [await client.list(deleted=deleted) for deleted in ("false", "true")]
    return sorted(task["title"] for page in pages for task in page["items"])


class TestStart:
    async def test_task_is_created_with_its_timer(self, alice: Client) -> None:
        response = await alice.post("/timer/start", json={"title": f"  {TITLE} ", "note": "n", "tags": ["Phone"]})
        assert response.status_code == 201
        assert response.headers["etag"] == '"1"'
        timer = response.json()
        assert (timer["task_title"], timer["entry"]["note"], timer["entry"]["tags"]) == (TITLE, "n", ["phone"])
        task = await task_of(alice, timer)
        assert task["active"] == timer["entry"]
        assert (task["title"], task["status"], task["tags"], task["version"]) == (TITLE, "in_progress", [], 1)
        assert (task["project_id"], task["billable"], task["entry_count"]) == (None, False, 0)
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]
        await assert_feed_matches(alice)

    async def test_timer_of_a_new_task_can_be_stopped(self, alice: Client) -> None:
        timer = await start(alice, started_at=ago(hours=1))
        stopped = await alice.stop()
        assert stopped["entry"]["id"] == timer["entry"]["id"]
        assert 3600 <= (await task_of(alice, timer))["tracked_seconds"] <= 3660
        await assert_feed_matches(alice)

    async def test_stored_timer_is_that_of_a_start_by_id(self, alice: Client, database: Database) -> None:
        await start(alice)
        created = await database.tasks.find_one({"title": TITLE})
        await alice.stop()
        await alice.start(await alice.make_task(title="Other"))
        started = await database.tasks.find_one({"title": "Other"})
        assert created is not None
        assert started is not None
        assert created.keys() == started.keys()
        assert created["active"].keys() == started["active"].keys()

    async def test_project_determines_whether_the_task_is_billable(self, alice: Client) -> None:
        project = await alice.make_project(billable=True)
        timer = await start(alice, project_id=project["id"])
        task = await task_of(alice, timer)
        assert (task["project_id"], task["billable"], timer["entry"]["billable"]) == (project["id"], True, True)
        assert timer["project_id"] == project["id"]

    async def test_billable_flag_is_that_of_the_entry(self, alice: Client) -> None:
        timer = await start(alice, billable=True)
        assert timer["entry"]["billable"] is True
        assert (await task_of(alice, timer))["billable"] is False

    async def test_each_start_creates_a_task(self, alice: Client) -> None:
        timers = []
        for _ in range(2):
            timers.append(await start(alice))
            await alice.stop()
        assert timers[0]["task_id"] != timers[1]["task_id"]
        assert await titles(alice) == [TITLE, TITLE]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "#"),
            ({"task_id": None, "title": None}, "#"),
            ({"task_id": "0" * 24, "title": TITLE}, "#"),
            ({"task_id": "0" * 24, "project_id": "0" * 24}, "#"),
            ({"title": ""}, "#/title"),
            ({"title": "t" * 201}, "#/title"),
            ({"title": TITLE, "project_id": "0" * 24}, "#/project_id"),
            ({"title": TITLE, "project_id": "nonsense"}, "#/project_id"),
            ({"title": TITLE, "status": "completed"}, "#/status"),
        ],
    )
    @pytest.mark.parametrize("path", ["/timer/start", "/timer/switch"])
    async def test_invalid_input_is_422_and_creates_no_task(
        self, alice: Client, path: str, body: Json, pointer: str
    ) -> None:
        assert pointers(await alice.post(path, json=body)) == {pointer}
        assert await titles(alice) == []

    async def test_running_timer_is_409_and_no_task_is_created(self, alice: Client) -> None:
        running = await alice.start(await alice.make_task(title="Running"))
        for sent in ({}, {"started_at": ago(hours=1)}):
            for overlap in ("allow", "warn", "forbid"):
                response = await alice.post("/timer/start", json={"title": TITLE, **sent}, params={"overlap": overlap})
                body = problem(response, 409, "timer_already_running")
                assert body["running"]["entry"] == running["entry"]
        assert await titles(alice) == ["Running"]
        await assert_feed_matches(alice)

    async def test_if_match_is_412_because_a_new_task_has_no_version(self, alice: Client) -> None:
        for path in ("/timer/start", "/timer/switch"):
            for condition in ('"1"', "*"):
                response = await alice.post(path, json={"title": TITLE}, headers={"If-Match": condition})
                problem(response, 412, "stale_version")
        assert await titles(alice) == []

    async def test_start_in_the_future_is_422(self, alice: Client) -> None:
        response = await alice.post("/timer/start", json={"title": TITLE, "started_at": ago(seconds=-90)})
        assert pointers(response, "in_the_future") == {"#/started_at"}
        assert await titles(alice) == []

    @pytest.mark.parametrize(("policy", "status"), [("allow", 201), ("warn", 201), ("forbid", 409)])
    async def test_start_in_the_past_follows_the_overlap_policy(self, alice: Client, policy: str, status: int) -> None:
        task = await alice.make_task(title="Before")
        entry = await alice.write(task, started_at=ago(hours=2), duration_seconds=3600)
        body = {"title": TITLE, "started_at": ago(minutes=90)}
        response = await alice.post("/timer/start", json=body, params={"overlap": policy})
        assert response.status_code == status
        overlaps = {"allow": None, "warn": [entry["id"]], "forbid": [entry["id"]]}[policy]
        assert [overlap["entry_id"] for overlap in response.json().get("overlaps") or []] == (overlaps or [])
        assert await titles(alice) == (["Before"] if status == 409 else ["Before", TITLE])

    async def test_api_token_also_needs_the_scope_write(self, alice: Client) -> None:
        for scopes, status in ((["timer"], 403), (["timer", "write"], 201)):
            token = (await alice.post("/auth/api-tokens", json={"name": "x", "scopes": scopes})).json()["token"]
            headers = {"Authorization": f"Bearer {token}"}
            response = await alice.post("/timer/start", json={"title": TITLE}, headers=headers)
            assert response.status_code == status, response.text

    async def test_refused_scope_is_named(self, alice: Client) -> None:
        token = (await alice.post("/auth/api-tokens", json={"name": "x", "scopes": ["timer"]})).json()["token"]
        for path in ("/timer/start", "/timer/switch"):
            response = await alice.post(path, json={"title": TITLE}, headers={"Authorization": f"Bearer {token}"})
            problem(response, 403, "insufficient_scope")
            assert 'scope="write"' in response.headers["www-authenticate"]
        assert await titles(alice) == []

    async def test_project_of_another_user_is_422(self, alice: Client, bob: Client) -> None:
        project = await bob.make_project()
        body = {"title": TITLE, "project_id": project["id"]}
        for path in ("/timer/start", "/timer/switch"):
            assert pointers(await alice.post(path, json=body)) == {"#/project_id"}


class TestSwitch:
    async def test_running_timer_is_stopped_and_the_task_created_with_its_timer(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task(title="Before"), started_at=ago(hours=1))
        body = {"title": TITLE, "note": "n", "tags": ["phone"], "at": ago(minutes=10)}
        response = await alice.post("/timer/switch", json=body)
        assert response.status_code == 200, response.text
        stopped, started = response.json()["stopped"], response.json()["started"]
        assert stopped["entry"]["id"] == timer["entry"]["id"]
        assert stopped["entry"]["ended_at"] == started["entry"]["started_at"]
        assert (started["task_title"], started["entry"]["note"], started["entry"]["tags"]) == (TITLE, "n", ["phone"])
        assert (await task_of(alice, started))["active"] == started["entry"]
        assert response.headers["etag"] == '"1"'
        await assert_feed_matches(alice)

    async def test_without_a_running_timer_it_only_starts_one(self, alice: Client) -> None:
        response = await alice.post("/timer/switch", json={"title": TITLE, "at": clock("09:00")})
        assert (response.status_code, response.json()["stopped"]) == (200, None)
        assert response.json()["started"]["entry"]["started_at"] == clock("09:00")
        assert await titles(alice) == [TITLE]

    async def test_instant_before_the_start_changes_nothing(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task(title="Before"), started_at=ago(hours=1))
        response = await alice.post("/timer/switch", json={"title": TITLE, "at": ago(hours=2)})
        assert pointers(response) == {"#/at"}
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]
        assert await titles(alice) == ["Before"]

    async def test_if_match_applies_to_the_running_timer(self, alice: Client) -> None:
        await alice.start(await alice.make_task(title="Before"))
        body = {"title": TITLE}
        problem(await alice.post("/timer/switch", json=body, headers={"If-Match": '"1"'}), 412, "stale_version")
        assert await titles(alice) == ["Before"]
        assert (await alice.post("/timer/switch", json=body, headers={"If-Match": '"2"'})).status_code == 200

    async def test_project_determines_whether_the_task_is_billable(self, alice: Client) -> None:
        project = await alice.make_project(billable=True)
        response = await alice.post("/timer/switch", json={"title": TITLE, "project_id": project["id"]})
        started = response.json()["started"]
        task = await task_of(alice, started)
        assert (task["project_id"], task["billable"], started["entry"]["billable"]) == (project["id"], True, True)


class TestIdempotencyKey:
    @pytest.mark.parametrize("path", ["/timer/start", "/timer/switch"])
    async def test_repeated_request_creates_one_task(self, alice: Client, path: str) -> None:
        responses = [await alice.post(path, json={"title": TITLE}, headers=KEY) for _ in range(2)]
        assert responses[0].content == responses[1].content
        assert responses[1].headers["idempotency-replayed"] == "true"
        assert await titles(alice) == [TITLE]

    async def test_conflict_is_replayed(self, alice: Client) -> None:
        await alice.start(await alice.make_task(title="Running"))
        for _ in range(2):
            response = await alice.post("/timer/start", json={"title": TITLE}, headers=KEY)
            problem(response, 409, "timer_already_running")
            await alice.post("/timer/stop")
        assert await titles(alice) == ["Running"]


class TestRaces:
    async def test_one_of_fifty_starts_succeeds_and_creates_the_only_task(self, alice: Client) -> None:
        responses = await asyncio.gather(
            *(alice.post("/timer/start", json={"title": f"{TITLE} {number}"}) for number in range(50))
        )
        assert sorted(response.status_code for response in responses) == [201] + [409] * 49
        (won,) = (response.json() for response in responses if response.status_code == 201)
        assert await titles(alice) == [won["task_title"]]
        for response in responses:
            if response.status_code == 409:
                assert response.json()["running"]["entry"]["id"] == won["entry"]["id"]
        await assert_feed_matches(alice)

    async def test_starts_in_the_past_leave_one_task_under_each_policy(self, alice: Client) -> None:
        body = {"started_at": ago(hours=1)}
        responses = await asyncio.gather(
            *(
                alice.post("/timer/start", json={"title": f"{number}", **body}, params={"overlap": policy})
                for number, policy in enumerate(["allow", "warn", "forbid"] * 5)
            )
        )
        assert sorted(response.status_code for response in responses) == [201] + [409] * 14
        assert len(await titles(alice)) == 1

    async def test_switches_form_a_chain_without_gaps(self, alice: Client) -> None:
        responses = await asyncio.gather(
            *(alice.post("/timer/switch", json={"title": f"{number}"}) for number in range(12))
        )
        assert {response.status_code for response in responses} == {200}
        assert len(await titles(alice)) == 12
        entries = (await alice.get("/time-entries", params={"sort": "started_at"})).json()["items"]
        assert len(entries) == 12
        assert [entry["ended_at"] for entry in entries].count(None) == 1
        self.assert_chain(responses)
        await assert_feed_matches(alice)

    def assert_chain(self, responses: list[httpx.Response]) -> None:
        """Assert that each stopped timer is one that another switch has started."""
        started = {response.json()["started"]["entry"]["id"] for response in responses}
        stopped = [response.json()["stopped"] for response in responses]
        ids = {body["entry"]["id"] for body in stopped if body is not None}
        assert (len(started), len(ids), stopped.count(None)) == (12, 11, 1)
        assert ids < started
        starts = {response.json()["started"]["entry"]["started_at"] for response in responses}
        assert all(instant(body["entry"]["ended_at"]) in map(instant, starts) for body in stopped if body is not None)

    @pytest.mark.parametrize("path", ["/timer/start", "/timer/switch"])
    async def test_project_that_is_deleted_meanwhile_has_no_tasks_left(self, alice: Client, path: str) -> None:
        for number in range(5):
            project = await alice.make_project(name=f"Website {number}")
            body = {"title": TITLE, "project_id": project["id"]}
            deleted, started = await asyncio.gather(
                alice.delete(f"/projects/{project['id']}"), alice.post(path, json=body)
            )
            assert deleted.status_code == 204
            if started.is_success:
                task = started.json().get("started", started.json())
                assert task["project_id"] in {project["id"], None}
                assert (await task_of(alice, task))["project_id"] is None
                await alice.post("/timer/stop")
            else:
                assert pointers(started) == {"#/project_id"}
        await assert_feed_matches(alice)
