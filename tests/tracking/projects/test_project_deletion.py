"""Deleting a project, also when the deletion is interrupted or concurrent with other writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime
from time import monotonic

import httpx
import pytest
from bson import ObjectId
from fastapi import FastAPI

from app.main import create_app
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.tracking.project_membership import leave_deleted_project
from services.tracking.projects import project_service
from services.tracking.schemas.tasks import TaskCreate, TaskUpdate
from services.tracking.tasks import task_service
from tests.conftest import Database
from tests.support.feed.relays import relays_paused
from tests.support.http import Client, Json, pointers, problem
from tests.support.pages.entry_storage import hot_only
from tests.support.services import PATIENCE_SECONDS, serving_another
from tests.tracking.projects.requests import RATE, count_statuses, gather, list_names, track_hour


@pytest.mark.usefixtures("entry_storage")
class TestDeleteProject:
    async def test_tasks_keep_their_time_without_the_project(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        trashed = await alice.make_task(project_id=project["id"])
        other = await alice.make_task(project_id=(await alice.make_project(name="Other"))["id"])
        await track_hour(alice, task)
        await alice.start(task)
        await alice.delete(f"/tasks/{trashed['id']}")
        before = await alice.read(task)
        response = await alice.delete(f"/projects/{project['id']}")
        assert (response.status_code, response.content) == (204, b"")
        after = await alice.read(task)
        changed = {"project_id": None, "version": before["version"] + 1, "updated_at": after["updated_at"]}
        assert after == {**before, **changed}
        back = (await alice.post(f"/tasks/{trashed['id']}/restore")).json()
        assert back["project_id"] is None
        assert await alice.read(other) == {**other, "time_entries": []}
        assert (await alice.list(project_id=project["id"]))["items"] == []

    async def test_deleted_project_is_404_and_its_name_is_free(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        await alice.delete(f"/projects/{project['id']}")
        for method in ("GET", "PATCH", "DELETE"):
            response = await alice.request(method, f"/projects/{project['id']}", json={} if method == "PATCH" else None)
            problem(response, 404, "project_not_found")
        assert await list_names(alice) == []
        assert await database.projects.count_documents({}) == 0
        await alice.make_project(name=project["name"])

    @hot_only
    @pytest.mark.parametrize("project_id", ["nonsense", "0" * 24, "%00", "$gt"])
    async def test_delete_of_a_missing_project_is_404(self, alice: Client, project_id: str) -> None:
        problem(await alice.delete(f"/projects/{project_id}"), 404, "project_not_found")

    @hot_only
    async def test_twenty_concurrent_deletes_succeed(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        tasks = [await alice.make_task(project_id=project["id"]) for _ in range(5)]
        responses = await gather(*(alice.delete(f"/projects/{project['id']}") for _ in range(20)))
        assert count_statuses(responses).keys() <= {204, 404}
        assert 204 in count_statuses(responses)
        assert [(await alice.read(task))["version"] for task in tasks] == [2] * len(tasks)
        assert await database.projects.count_documents({}) == 0

    @hot_only
    async def test_delete_with_concurrent_assignments_leaves_no_reference(
        self, alice: Client, database: Database
    ) -> None:
        task = await alice.make_task()
        await gather(*(alice.get("/tasks") for _ in range(30)))  # so that nobody waits for a connection
        for number in range(8):
            project = await alice.make_project(name=str(number))
            sent = {"title": "New", "project_id": project["id"]}

            async def assign(wait: int, sent: Json = sent) -> httpx.Response:
                await asyncio.sleep(wait / 1000)
                if wait % 3:
                    return await alice.post("/tasks", json=sent)
                return await alice.patch(f"/tasks/{task['id']}", json=sent)

            responses = await gather(alice.delete(f"/projects/{project['id']}"), *(assign(wait) for wait in range(12)))
            assert count_statuses(responses).keys() <= {200, 201, 204, 422}
            for response in responses:
                if response.status_code == 422:
                    assert pointers(response) == {"#/project_id"}
            assert await database.tasks.count_documents({"project_id": {"$ne": None}}) == 0
        assert await database.projects.count_documents({}) == 0

    async def test_other_projects_keep_their_tasks_when_deletions_are_finished(self, alice: Client) -> None:
        task = await alice.make_task(project_id=(await alice.make_project())["id"])
        await project_service.finish_deletions()
        assert (await alice.read(task))["project_id"] == task["project_id"]

    async def test_task_assigned_during_the_deletion_leaves_the_project(self, alice: Client, interrupted: Json) -> None:
        owner, project_id = alice.user["_id"], ObjectId(interrupted["id"])
        (late,) = (await alice.list(project_id=interrupted["id"], sort="title", limit=1))["items"]
        for _ in range(2):
            settled = await leave_deleted_project(owner, ObjectId(late["id"]), project_id)
            assert settled is not None
            assert (settled["project_id"], settled["version"]) == (None, late["version"] + 1)
        assert (await alice.read(late))["project_id"] is None

    async def test_retry_removes_an_interrupted_task_from_the_project(self, alice: Client, interrupted: Json) -> None:
        (late,) = (await alice.list(project_id=interrupted["id"], sort="title", limit=1))["items"]
        user = ActingUser(alice.user["_id"], "UTC", "allow", timer_cap_hours=12, token_version=0, week_start=0)
        new = TaskCreate(title=late["title"], project_id=interrupted["id"])
        created = await task_service.create_with_id(user, new, task_id=ObjectId(late["id"]), is_retry=True)
        assert (created.body["id"], created.body["project_id"]) == (late["id"], None)
        assert (await alice.read(late))["project_id"] is None


@pytest.fixture
async def paused_relays() -> AsyncIterator[None]:
    """Pause the relays: a transaction that changes a task conflicts with the removal of items from its outbox."""
    async with relays_paused():
        yield


@pytest.mark.usefixtures("paused_relays")
class TestTransactionDuringDeletion:
    async def test_transaction_is_aborted_when_a_deletion_has_begun(self, alice: Client, database: Database) -> None:
        project, other = await alice.make_project(), await alice.make_task()

        async def work() -> bool:
            assert await Task.find_live(alice.user["_id"], ObjectId(other["id"])) is not None  # what was is seen on
            deletion = await asyncio.create_task(alice.delete(f"/projects/{project['id']}"), context=Context())
            assert deletion.status_code == 204
            await assign_to_project(alice, project, other)
            return True

        assert await Task.run_in_transaction(work) is None
        assert await alice.read(other) == {**other, "time_entries": []}
        assert await database.tasks.count_documents({"project_id": {"$ne": None}}) == 0

    async def test_later_deletion_finds_the_assigned_task(self, alice: Client, database: Database) -> None:
        project, other = await alice.make_project(), await alice.make_task()

        async def work() -> asyncio.Task[httpx.Response]:
            await assign_to_project(alice, project, other)
            deletion = asyncio.create_task(alice.delete(f"/projects/{project['id']}"), context=Context())
            await asyncio.sleep(0.1)
            assert not deletion.done()
            return deletion

        deletion = await Task.run_in_transaction(work)
        assert deletion is not None
        assert (await deletion).status_code == 204
        assert (await alice.read(other))["project_id"] is None
        assert await database.projects.count_documents({}) == 0


async def assign_to_project(client: Client, project: Json, task: Json) -> None:
    """Assign the task to the project, in the transaction of the caller."""
    user = ActingUser(client.user["_id"], "UTC", "allow", timer_cap_hours=12, token_version=0, week_start=0)
    change_of_project = TaskUpdate(project_id=project["id"])
    put = await task_service.update(user, task_id=task["id"], change=change_of_project, if_match=None)
    assert put.body["project_id"] == project["id"]


@pytest.fixture
async def interrupted(alice: Client, database: Database) -> Json:
    """A project with three tasks whose deletion was interrupted after the first task."""
    project = await alice.make_project()
    tasks = [await alice.make_task(title=str(number), project_id=project["id"]) for number in range(3)]
    marked = {"$set": {"deleted_at": datetime.now(UTC)}}
    await database.projects.update_one({"_id": ObjectId(project["id"])}, marked)
    await database.tasks.update_one({"_id": ObjectId(tasks[0]["id"])}, {"$set": {"project_id": None}})
    return project


async def is_deletion_complete(database: Database) -> bool:
    if await database.projects.count_documents({}):
        return False
    return await database.tasks.count_documents({"project_id": None}) == 3


async def wait_until(look: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until the condition is true; return False after PATIENCE_SECONDS."""
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        if await look():
            return True
        await asyncio.sleep(0.02)
    return False


class TestInterruptedDeletion:
    async def test_project_is_404_and_its_name_is_free(self, alice: Client, interrupted: Json) -> None:
        at = f"/projects/{interrupted['id']}"
        problem(await alice.get(at), 404, "project_not_found")
        problem(await alice.patch(at, json={"name": "New"}), 404, "project_not_found")
        problem(await alice.patch(at, json={}, params={"rerate": "true"}), 404, "project_not_found")
        assert await list_names(alice) == []
        refused = await alice.post("/tasks", json={"title": "New", "project_id": interrupted["id"]})
        assert pointers(refused) == {"#/project_id"}
        assert (await alice.make_project(name=interrupted["name"]))["id"] != interrupted["id"]

    async def test_entries_get_no_rate_of_the_project(
        self, alice: Client, interrupted: Json, database: Database
    ) -> None:
        marked = {"_id": ObjectId(interrupted["id"])}
        await database.projects.update_one(marked, {"$set": {"hourly_rate": RATE}})
        (task,) = (await alice.list(project_id=interrupted["id"], sort="title", limit=1))["items"]
        assert (await track_hour(alice, task, billable=True))["hourly_rate"] is None

    async def test_second_delete_completes_it(self, alice: Client, interrupted: Json, database: Database) -> None:
        assert (await alice.delete(f"/projects/{interrupted['id']}")).status_code == 204
        assert await is_deletion_complete(database)

    async def test_delete_by_another_user_is_404(self, bob: Client, interrupted: Json, database: Database) -> None:
        problem(await bob.delete(f"/projects/{interrupted['id']}"), 404, "project_not_found")
        assert not await is_deletion_complete(database)

    @pytest.mark.usefixtures("interrupted")
    async def test_start_of_the_service_completes_it(self, app: FastAPI, database: Database) -> None:
        async with serving_another(create_app(app.state.settings), database):
            assert await wait_until(lambda: is_deletion_complete(database))
