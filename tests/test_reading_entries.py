import pytest

from tests.support import Client, Json, problem


def at(task: Json, entry: Json) -> str:
    return f"/tasks/{task['id']}/time-entries/{entry['id']}"


class TestReadingAnEntry:
    async def test_it_is_the_one_that_the_timer_has_shown(self, alice: Client) -> None:
        task = await alice.make_task()
        running = (await alice.start(task, note="n", tags=["t"]))["entry"]
        response = await alice.get(at(task, running))
        assert response.status_code == 200
        assert response.json() == running
        ended = (await alice.stop())["entry"]
        assert ended["id"] == running["id"]
        response = await alice.get(at(task, running))
        assert response.json() == ended
        assert response.headers["etag"] == f'"{(await alice.read(task))["version"]}"'

    async def test_it_is_found_beside_others_and_a_running_one(self, alice: Client) -> None:
        task = await alice.make_task()
        entries = []
        for _ in range(3):
            await alice.start(task)
            entries.append((await alice.stop())["entry"])
        await alice.start(task)
        for entry in entries:
            assert (await alice.get(at(task, entry))).json() == entry

    async def test_unless_it_is_the_version_that_is_known_already(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        etag = (await alice.get(at(task, entry))).headers["etag"]
        response = await alice.get(at(task, entry), headers={"If-None-Match": etag})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
        await alice.stop()
        assert (await alice.get(at(task, entry), headers={"If-None-Match": etag})).status_code == 200

    @pytest.mark.parametrize("entry_id", ["nonsense", "0" * 24, "0" * 23, "%00", "$gt"])
    async def test_what_never_was_is_not_found(self, alice: Client, entry_id: str) -> None:
        task = await alice.make_task()
        problem(await alice.get(f"/tasks/{task['id']}/time-entries/{entry_id}"), 404, "entry_not_found")

    async def test_nor_is_one_of_a_task_that_never_was(self, alice: Client) -> None:
        problem(await alice.get(f"/tasks/{'0' * 24}/time-entries/{'0' * 24}"), 404, "task_not_found")

    async def test_one_of_another_task_is_not_found(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task()
        entry = (await alice.start(task))["entry"]
        problem(await alice.get(at(other, entry)), 404, "entry_not_found")
        await alice.stop()
        problem(await alice.get(at(other, entry)), 404, "entry_not_found")

    async def test_one_of_a_task_in_the_trash_is_not_found(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = (await alice.start(task))["entry"]
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.get(at(task, entry)), 404, "task_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        assert (await alice.get(at(task, entry))).json()["ended_at"] is not None
