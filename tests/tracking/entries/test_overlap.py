"""The overlap policies: what is detected, listed, refused and marked for review."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.http import Client, Json, ago, at, clock, parameters, problem

pytestmark = pytest.mark.usefixtures("consistent_counters", "entry_storage")
HALF_PAST = {"started_at": clock("09:30"), "duration_seconds": 3600}
FORBID = {"overlap": "forbid"}
WARN = {"overlap": "warn"}


@pytest.fixture
async def task(alice: Client) -> Json:
    """A task with an entry from 09:00 to 10:00."""
    new = await alice.make_task(title="Nine to ten")
    await alice.write(new)
    return new


async def nine_to_ten(client: Client, task: Json, seconds: int) -> Json:
    """Return the entry from 09:00 to 10:00 as a response lists it in `overlaps`."""
    (entry,) = (await client.read(task))["time_entries"]
    return {
        "task_id": task["id"],
        "entry_id": entry["id"],
        "started_at": clock("09:00"),
        "ended_at": clock("10:00"),
        "overlap_seconds": seconds,
    }


class TestOverlapPolicy:
    async def test_default_policy_is_allow(self, alice: Client, task: Json) -> None:
        assert "overlaps" not in await alice.write(task, **HALF_PAST)
        assert (await alice.read(task))["entry_count"] == 2

    async def test_preference_of_the_user_applies(self, alice: Client, task: Json) -> None:
        other, overlap = await alice.make_task(), await nine_to_ten(alice, task, 1800)
        await alice.set_preferences(overlap_policy="forbid")
        refused = await alice.post(f"/tasks/{other['id']}/time-entries", json=HALF_PAST)
        assert problem(refused, 409, "overlap")["overlaps"] == [overlap]
        await alice.set_preferences(overlap_policy="warn")
        assert (await alice.write(other, **HALF_PAST))["overlaps"] == [overlap]

    async def test_request_overrides_the_preference(self, alice: Client, task: Json) -> None:
        await alice.set_preferences(overlap_policy="forbid")
        address = f"/tasks/{task['id']}/time-entries"
        for overlap, status in (("forbid", 409), ("warn", 201), ("allow", 201)):
            response = await alice.post(address, json=HALF_PAST, params={"overlap": overlap})
            assert response.status_code == status
            assert ("overlaps" in response.json()) is (overlap != "allow")

    @pytest.mark.parametrize("value", ["", "never", "FORBID", "allow,warn"])
    async def test_unknown_policy_is_422_on_every_route(self, alice: Client, task: Json, value: str) -> None:
        (entry,) = (await alice.read(task))["time_entries"]
        for method, path, body in (
            ("POST", f"/tasks/{task['id']}/time-entries", HALF_PAST),
            ("PATCH", at(entry), {"note": "n"}),
            ("DELETE", at(entry), None),
            ("POST", f"{at(entry)}/split", {"at": clock("09:30")}),
            ("POST", f"{at(entry)}/move", {"task_id": task["id"]}),
            ("POST", f"/time-entries/{entry['id']}/restore", None),
            ("POST", "/timer/start", {"task_id": task["id"]}),
            ("POST", "/timer/stop", {}),
            ("POST", "/timer/switch", {"task_id": task["id"]}),
            ("POST", "/timer/resume", None),
            ("PATCH", "/timer", {"note": "n"}),
            ("DELETE", "/timer", None),
        ):
            response = await alice.request(method, path, json=body, params={"overlap": value})
            assert parameters(response) == {"overlap"}, path
        assert (await alice.read(task))["time_entries"] == [entry]

    async def test_warn_always_lists_overlaps_and_forbid_never_does(self, alice: Client) -> None:
        task = await alice.make_task()
        expected: list[tuple[str, Json]] = [("warn", {"overlaps": []}), ("forbid", {}), ("allow", {})]
        for overlap, listed in expected:
            asks = {"overlap": overlap}
            written = await alice.post(
                f"/tasks/{task['id']}/time-entries",
                json={"started_at": clock("09:00"), "duration_seconds": 60},
                params=asks,
            )
            place = at(written.json())
            responses = [
                written,
                await alice.patch(place, json={}, params=asks),
                await alice.patch(place, json={"note": "n"}, params=asks),
                await alice.patch(place, json={"duration_seconds": 61}, params=asks),
                await alice.post(f"{place}/move", json={"task_id": task["id"]}, params=asks),
                await alice.post(f"{place}/split", json={"at": clock("09:00:30")}, params=asks),
                await alice.post("/timer/start", json={"task_id": task["id"]}, params=asks),
                await alice.post("/timer/start", json={"task_id": task["id"]}, params=asks),
                await alice.patch("/timer", json={}, params=asks),
                await alice.patch("/timer", json={"note": "n"}, params=asks),
                await alice.patch("/timer", json={"started_at": ago(seconds=1)}, params=asks),
            ]
            for response in responses:
                assert response.status_code in {200, 201}, response.text
                assert {key: value for key, value in response.json().items() if key == "overlaps"} == listed
            await alice.stop()
            for entry in (await alice.read(task))["time_entries"]:
                await alice.delete(at(entry))
                response = await alice.post(f"/time-entries/{entry['id']}/restore", params=asks)
                assert ("overlaps" in response.json()) is (overlap == "warn")
                await alice.delete(at(entry))


class TestOverlapDetection:
    @pytest.mark.parametrize(
        ("start", "end", "seconds"),
        [
            ("08:00", "09:00", 0),
            ("10:00", "11:00", 0),
            ("08:00", "09:00:01", 1),
            ("09:59:59", "11:00", 1),
            ("09:10", "09:40", 1800),
            ("08:00", "11:00", 3600),
            ("09:00", "10:00", 3600),
        ],
    )
    async def test_entries_that_share_a_second_overlap(
        self, alice: Client, task: Json, start: str, end: str, seconds: int
    ) -> None:
        other, overlap = await alice.make_task(), await nine_to_ten(alice, task, seconds)
        address = f"/tasks/{other['id']}/time-entries"
        body = {"started_at": clock(start), "ended_at": clock(end)}
        forbidden = await alice.post(address, json=body, params=FORBID)
        if not seconds:
            assert forbidden.status_code == 201
            return
        assert problem(forbidden, 409, "overlap")["overlaps"] == [overlap]
        assert (await alice.read(other))["entry_count"] == 0
        written = await alice.post(address, json=body, params=WARN)
        assert (written.status_code, written.json()["overlaps"]) == (201, [overlap])

    async def test_gap_between_two_entries_does_not_overlap(self, alice: Client, task: Json) -> None:
        await alice.write(task, started_at=clock("12:00"))
        other = await alice.make_task(title="Other")
        between = {"started_at": clock("10:00"), "ended_at": clock("12:00")}
        written = await alice.post(f"/tasks/{other['id']}/time-entries", json=between, params=FORBID)
        assert written.status_code == 201
        longer = await alice.patch(at(written.json()), json={"ended_at": clock("12:00:01")}, params=FORBID)
        (overlap,) = problem(longer, 409, "overlap")["overlaps"]
        assert (overlap["started_at"], overlap["overlap_seconds"]) == (clock("12:00"), 1)

    async def test_overlaps_are_listed_earliest_first(self, alice: Client, task: Json) -> None:
        other = await alice.make_task()
        later = await alice.write(other, started_at=clock("09:30"))
        response = await alice.post(
            f"/tasks/{task['id']}/time-entries",
            json={"started_at": clock("09:45"), "ended_at": clock("10:15")},
            params=FORBID,
        )
        listed = problem(response, 409, "overlap")["overlaps"]
        assert [(row["task_id"], row["overlap_seconds"]) for row in listed] == [(task["id"], 900), (other["id"], 1800)]
        assert listed[1]["entry_id"] == later["id"]

    async def test_entry_of_zero_seconds_does_not_overlap(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        await alice.start(task, started_at=clock("09:30"))
        await alice.stop(ended_at=clock("09:30"))
        hour = {"started_at": clock("09:00"), "ended_at": clock("10:00")}
        response = await alice.post(f"/tasks/{other['id']}/time-entries", json=hour, params=FORBID)
        assert response.status_code == 201
        (empty,) = (await alice.read(task))["time_entries"]
        assert (await alice.post(f"{at(empty)}/move", json={"task_id": other["id"]}, params=FORBID)).status_code == 200

    async def test_running_timer_overlaps_up_to_now(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        timer = await alice.start(task, started_at=clock("09:00"))
        address = f"/tasks/{other['id']}/time-entries"
        refused = problem(await alice.post(address, json=HALF_PAST, params=FORBID), 409, "overlap")
        expected = {
            "task_id": task["id"],
            "entry_id": timer["entry"]["id"],
            "started_at": clock("09:00"),
            "ended_at": None,
            "overlap_seconds": 3600,
        }
        assert refused["overlaps"] == [expected]
        before = {"started_at": clock("08:00"), "ended_at": clock("09:00")}
        assert (await alice.post(address, json=before, params=FORBID)).status_code == 201

    async def test_running_timer_does_not_overlap_the_future(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        await alice.start(task)
        planned = {"started_at": ago(hours=-1), "duration_seconds": 3600}
        response = await alice.post(f"/tasks/{other['id']}/time-entries", json=planned, params=FORBID)
        assert response.status_code == 201

    async def test_trashed_entries_do_not_overlap(self, alice: Client, task: Json) -> None:
        other, (entry,) = await alice.make_task(), (await alice.read(task))["time_entries"]
        await alice.delete(f"/tasks/{task['id']}")
        address = f"/tasks/{other['id']}/time-entries"
        assert (await alice.post(address, json=HALF_PAST, params=FORBID)).status_code == 201
        await alice.post(f"/tasks/{task['id']}/restore")
        await alice.delete(at(entry))
        early = {"started_at": clock("09:00"), "duration_seconds": 1800}
        assert (await alice.post(address, json=early, params=FORBID)).status_code == 201

    async def test_entries_of_another_user_do_not_overlap(self, bob: Client, task: Json) -> None:
        his = await bob.make_task()
        assert task["id"] != his["id"]
        response = await bob.post(f"/tasks/{his['id']}/time-entries", json=HALF_PAST, params=FORBID)
        assert response.status_code == 201


class TestOverlapChecks:
    async def refused(self, response: httpx.Response, task: Json, seconds: int) -> None:
        (shown,) = problem(response, 409, "overlap")["overlaps"]
        assert (shown["task_id"], shown["overlap_seconds"]) == (task["id"], seconds)

    async def test_update_of_start_or_end_is_checked(self, alice: Client, task: Json) -> None:
        entry = await alice.write(await alice.make_task(), started_at=clock("10:00"))
        for change, seconds in (({"started_at": clock("09:59")}, 60), ({"started_at": clock("08:00")}, 3600)):
            await self.refused(await alice.patch(at(entry), json=change, params=FORBID), task, seconds)
            assert (await alice.get(at(entry))).json() == entry
        grown = await alice.patch(at(entry), json={"ended_at": clock("12:00")}, params=FORBID)
        assert grown.status_code == 200
        warned = await alice.patch(at(entry), json={"started_at": clock("09:30")}, params=WARN)
        assert [row["overlap_seconds"] for row in warned.json()["overlaps"]] == [1800]

    async def test_update_that_keeps_the_time_is_not_checked(self, alice: Client, task: Json) -> None:
        entry = await alice.write(task, **HALF_PAST)
        same = {"started_at": entry["started_at"], "duration_seconds": 3600, "note": "n", "needs_review": True}
        assert (await alice.patch(at(entry), json=same, params=FORBID)).status_code == 200
        assert (await alice.patch(at(entry), json=same, params=WARN)).json()["overlaps"] == []

    async def test_move_and_split_are_checked(self, alice: Client, task: Json) -> None:
        other = await alice.make_task()
        entry = await alice.write(other, **HALF_PAST)
        to_it = {"task_id": task["id"]}
        await self.refused(await alice.post(f"{at(entry)}/move", json=to_it, params=FORBID), task, 1800)
        middle = {"at": clock("10:00")}
        await self.refused(await alice.post(f"{at(entry)}/split", json=middle, params=FORBID), task, 1800)
        assert (await alice.read(other))["time_entries"] == [entry]
        warned = (await alice.post(f"{at(entry)}/split", json=middle, params=WARN)).json()
        assert [row["overlap_seconds"] for row in warned["overlaps"]] == [1800]
        second = warned["second"]
        assert (await alice.post(f"{at(second)}/move", json=to_it, params=FORBID)).status_code == 200

    async def test_restore_is_checked(self, alice: Client, task: Json) -> None:
        other = await alice.make_task()
        entry = await alice.write(other, **HALF_PAST)
        await alice.delete(at(entry))
        back = f"/time-entries/{entry['id']}/restore"
        await self.refused(await alice.post(back, params=FORBID), task, 1800)
        assert (await alice.read(other))["entry_count"] == 0
        assert [row["overlap_seconds"] for row in (await alice.post(back, params=WARN)).json()["overlaps"]] == [1800]

    async def test_start_in_the_past_is_checked(self, alice: Client, task: Json) -> None:
        body = {"task_id": task["id"], "started_at": clock("09:15")}
        await self.refused(await alice.post("/timer/start", json=body, params=FORBID), task, 2700)
        assert (await alice.get("/timer")).status_code == 204
        warned = await alice.post("/timer/start", json=body, params=WARN)
        assert warned.status_code == 201
        assert [row["overlap_seconds"] for row in warned.json()["overlaps"]] == [2700]

    async def test_start_now_is_not_checked(self, alice: Client) -> None:
        await alice.set_preferences(overlap_policy="forbid")
        task = await alice.make_task()
        planned = {"started_at": ago(hours=1), "ended_at": ago(hours=-1)}
        await alice.write(task, **planned)
        await alice.start(task)

    async def test_start_with_another_running_timer_is_refused_under_every_policy(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        timer = await alice.start(task, started_at=clock("09:00"))
        body = {"task_id": other["id"], "started_at": clock("09:30")}
        for params in (FORBID, WARN):
            refused = await alice.post("/timer/start", json=body, params=params)
            assert problem(refused, 409, "timer_already_running")["running"]["entry"] == timer["entry"]

    async def test_update_of_the_timer_start_is_checked(self, alice: Client, task: Json) -> None:
        other = await alice.make_task()
        await alice.start(other, started_at=clock("10:00"))
        earlier = {"started_at": clock("09:30")}
        await self.refused(await alice.patch("/timer", json=earlier, params=FORBID), task, 1800)
        assert (await alice.get("/timer")).json()["entry"]["started_at"] == clock("10:00")
        assert (await alice.patch("/timer", json={"note": "n"}, params=FORBID)).status_code == 200
        warned = await alice.patch("/timer", json=earlier, params=WARN)
        assert [row["overlap_seconds"] for row in warned.json()["overlaps"]] == [1800]
        assert (await alice.patch("/timer", json={"note": "still"}, params=FORBID)).status_code == 200


class TestReviewOfStops:
    @pytest.mark.parametrize(("policy", "marked"), [("allow", False), ("warn", True), ("forbid", True)])
    async def test_stop_and_switch_succeed_and_are_marked_by_policy(
        self, alice: Client, task: Json, policy: str, marked: bool
    ) -> None:
        other, params = await alice.make_task(title="Other"), {"overlap": policy}
        for path, body in (
            ("stop", {"ended_at": clock("11:00")}),
            ("switch", {"task_id": other["id"], "at": clock("11:00")}),
        ):
            await alice.start(task, started_at=clock("09:30"))
            response = await alice.post(f"/timer/{path}", json=body, params=params)
            assert response.status_code == 200
            stopped = response.json().get("stopped") or response.json()
            assert stopped["entry"]["needs_review"] is marked
            await alice.delete(at(stopped["entry"]))

    @pytest.fixture
    async def tracking(self, alice: Client) -> Callable[[str, str], Awaitable[bool]]:
        """Return a function that tracks time on another task, and returns whether the entry is marked for review."""
        other = await alice.make_task(title="Other")

        async def track(start: str, end: str) -> bool:
            body = {"task_id": other["id"], "started_at": clock(start)}
            assert (await alice.post("/timer/start", json=body, params={"overlap": "allow"})).status_code == 201
            stopped = await alice.post("/timer/stop", json={"ended_at": clock(end)}, params=FORBID)
            entry = stopped.json()["entry"]
            assert (await alice.delete(at(entry))).status_code == 204
            return bool(entry["needs_review"])

        return track

    async def test_stop_that_shares_a_second_with_an_entry_is_marked(
        self, alice: Client, task: Json, tracking: Callable[[str, str], Awaitable[bool]]
    ) -> None:
        await alice.write(task, started_at=clock("12:00"))
        await alice.start(task, started_at=clock("11:00"))
        assert (await alice.stop(ended_at=clock("11:00")))["entry"]["duration_seconds"] == 0
        for start, end in (("08:00", "09:00:01"), ("09:59:59", "10:30"), ("09:15", "09:45"), ("08:00", "14:00")):
            assert await tracking(start, end), (start, end)
        for start, end in (("08:00", "09:00"), ("10:00", "12:00"), ("10:30", "11:30"), ("13:00", "14:00")):
            assert not await tracking(start, end), (start, end)

    async def test_stop_is_not_marked_for_trashed_or_foreign_entries(
        self, alice: Client, bob: Client, task: Json, tracking: Callable[[str, str], Awaitable[bool]]
    ) -> None:
        await bob.write(await bob.make_task(), started_at=clock("09:00"))
        assert await tracking("09:15", "09:45")
        await alice.delete(f"/tasks/{task['id']}")
        assert not await tracking("09:15", "09:45")

    async def test_stop_of_zero_seconds_is_not_marked(self, alice: Client, task: Json) -> None:
        await alice.set_preferences(overlap_policy="forbid")
        body = {"task_id": task["id"], "started_at": clock("09:30")}
        await alice.post("/timer/start", json=body, params={"overlap": "allow"})
        assert (await alice.stop(ended_at=clock("09:30")))["entry"]["needs_review"] is False

    async def test_stop_by_completing_or_deleting_the_task_is_marked(self, alice: Client, task: Json) -> None:
        await alice.set_preferences(overlap_policy="warn")
        other = await alice.make_task()
        body = {"task_id": other["id"], "started_at": clock("09:30")}
        assert (await alice.post("/timer/start", json=body)).status_code == 201
        await alice.patch(f"/tasks/{other['id']}", json={"status": "completed"})
        assert (await alice.read(other))["time_entries"][0]["needs_review"] is True
        assert task["id"] != other["id"]
