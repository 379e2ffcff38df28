"""Deleting and restoring time entries."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from app.clock import naive_utc, utc_now
from tests.conftest import Database
from tests.support.http import Client, Json, at, clock, problem
from tests.support.stored_documents import remove_stored_responses

pytestmark = pytest.mark.usefixtures("consistent_counters", "entry_storage")


class TestDeleteEntry:
    async def test_deleted_entry_is_removed_and_stored_for_restore(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        stays, goes = await alice.write(task, duration_seconds=60), await alice.write(task, started_at=clock("12:00"))
        response = await alice.delete(at(goes))
        assert (response.status_code, response.content) == (204, b"")
        problem(await alice.get(at(goes)), 404, "entry_not_found")
        stored = await alice.read(task)
        assert stored["time_entries"] == [stays]
        assert (stored["tracked_seconds"], stored["entry_count"], stored["version"]) == (60, 1, 4)
        (deleted,) = [document async for document in database.deleted_entries.find()]
        assert deleted.keys() == {"_id", "user_id", "task_id", "entry", "deleted_at"}
        assert (str(deleted["_id"]), str(deleted["task_id"])) == (goes["id"], task["id"])
        assert (deleted["entry"]["id"], deleted["entry"]["duration_seconds"]) == (deleted["_id"], 3600)
        assert deleted["user_id"] == alice.user["_id"]

    async def test_delete_of_the_last_entry_resets_the_counters(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(at(await alice.write(task)))
        stored = await alice.read(task)
        assert (stored["tracked_seconds"], stored["entry_count"], stored["time_entries"]) == (0, 0, [])
        problem(await alice.post("/timer/resume"), 404, "nothing_to_resume")

    async def test_twenty_concurrent_deletes_delete_once(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        responses = await asyncio.gather(*(alice.request_until_available("DELETE", at(entry)) for _ in range(20)))
        assert Counter(response.status_code for response in responses) == {204: 1, 404: 19}
        assert await database.deleted_entries.count_documents({}) == 1
        assert (await alice.read(task))["version"] == 3

    async def test_concurrent_update_is_stored_or_refused(self, alice: Client) -> None:
        task = await alice.make_task()
        for _ in range(4):
            entry = await alice.write(task)
            changed, deleted = await asyncio.gather(
                alice.request_until_available("PATCH", at(entry), json={"note": "changed"}),
                alice.request_until_available("DELETE", at(entry)),
            )
            assert (changed.status_code in {200, 404}, deleted.status_code) == (True, 204)
            back = (await alice.post(f"/time-entries/{entry['id']}/restore")).json()
            assert (back["note"] == "changed") is (changed.status_code == 200)

    async def test_stale_if_match_deletes_nothing(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        problem(await alice.delete(at(entry), headers={"If-Match": '"1"'}), 412, "stale_version")
        assert (await alice.delete(at(entry), headers={"If-Match": '"2"'})).status_code == 204


class TestRestoreEntry:
    def back(self, entry: Json) -> str:
        return f"/time-entries/{entry['id']}/restore"

    async def test_restore_returns_the_entry_to_its_task(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        entry = await alice.write(task, note="n", tags=["t"], billable=True)
        later = await alice.write(task, started_at=clock("12:00"))
        await alice.delete(at(entry))
        response = await alice.post(self.back(entry))
        assert response.status_code == 200
        assert response.headers["etag"] == '"5"'
        assert response.json() == {**entry, "updated_at": response.json()["updated_at"]}
        assert (await alice.read(task))["time_entries"] == [later, response.json()]
        assert await database.deleted_entries.count_documents({}) == 0

    async def test_second_restore_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        assert (await alice.post(self.back(entry))).json() == entry
        await alice.delete(at(entry))
        responses = await asyncio.gather(*(alice.request_until_available("POST", self.back(entry)) for _ in range(10)))
        assert {response.status_code for response in responses} == {200}
        assert (await alice.read(task))["version"] == 4
        stale = await alice.post(self.back(entry), headers={"If-Match": '"3"'})
        problem(stale, 412, "stale_version")

    async def test_restore_of_a_running_entry_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        started = await alice.post("/timer/start", json={"task_id": task["id"]})
        response = await alice.post(self.back(started.json()["entry"]), headers={"If-Match": started.headers["etag"]})
        assert (response.status_code, response.json()) == (200, started.json()["entry"])
        assert response.headers["etag"] == started.headers["etag"]
        stale = await alice.post(self.back(started.json()["entry"]), headers={"If-Match": '"1"'})
        problem(stale, 412, "stale_version")

    async def test_entry_can_be_deleted_and_restored_again(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        for _ in range(2):
            assert (await alice.delete(at(entry))).status_code == 204
            assert (await alice.post(self.back(entry))).status_code == 200

    async def test_restore_after_30_days_is_404(self, alice: Client, database: Database) -> None:
        entry = await alice.write(await alice.make_task())
        await alice.delete(at(entry))
        for days, status in ((30.1, 404), (29.9, 200)):
            then = naive_utc(utc_now() - timedelta(days=days))
            await database.deleted_entries.update_one({}, {"$set": {"deleted_at": then}})
            assert (await alice.post(self.back(entry))).status_code == status

    async def test_restore_into_a_missing_or_trashed_task_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        await alice.delete(at(entry))
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.post(self.back(entry)), 404, "task_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        assert (await alice.post(self.back(entry))).status_code == 200

    async def test_restore_by_another_user_is_404(self, alice: Client, bob: Client) -> None:
        entry = await alice.write(await alice.make_task())
        problem(await bob.post(self.back(entry)), 404, "entry_not_found")
        await alice.delete(at(entry))
        problem(await bob.post(self.back(entry)), 404, "entry_not_found")

    @pytest.mark.parametrize("entry_id", ["nonsense", "0" * 24])
    async def test_restore_of_a_missing_entry_is_404(self, alice: Client, entry_id: str) -> None:
        problem(await alice.post(self.back({"id": entry_id})), 404, "entry_not_found")

    async def test_stale_if_match_restores_nothing(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        await alice.delete(at(entry))
        problem(await alice.post(self.back(entry), headers={"If-Match": '"2"'}), 412, "stale_version")
        assert (await alice.post(self.back(entry), headers={"If-Match": '"3"'})).status_code == 200

    async def test_retry_returns_the_entry_that_an_earlier_attempt_restored(
        self, alice: Client, database: Database
    ) -> None:
        entry = await alice.write(await alice.make_task())
        await alice.delete(at(entry))
        sent = {"If-Match": '"3"', "Idempotency-Key": "back"}
        first = await alice.post(self.back(entry), headers=sent)
        await remove_stored_responses(database)
        again = await alice.post(self.back(entry), headers=sent)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["etag"] == first.headers["etag"] == '"4"'
