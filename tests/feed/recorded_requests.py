"""Requests that change data, each with the types of the changes that it must record, in order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.http import Client, Json, ago, at, clock
from tests.transfer.uploads import row, upload

RATE = {"amount": 9000, "currency": "EUR"}
KEY = {"Idempotency-Key": "recorded-once"}


@dataclass(frozen=True)
class Sent:
    """A response, and the types of the changes that its request must have recorded."""

    response: httpx.Response
    types: list[str]


Send = Callable[[Client], Awaitable[Sent]]


async def patch(client: Client, item: Json, body: Json, *types: str, kind: str = "tasks", **query: str) -> Sent:
    """Update a task or a project."""
    return Sent(await client.patch(f"/{kind}/{item['id']}", json=body, params=query), [*types])


async def bulk(client: Client, *operations: Json, types: list[str], atomic: bool = True) -> Sent:
    """Send a bulk request."""
    return Sent(await client.post("/tasks/bulk", json={"operations": [*operations], "atomic": atomic}), types)


async def running_task(client: Client, **fields: Any) -> Json:
    """Create a task and start a timer on it."""
    task = await client.make_task(**fields)
    await client.start(task, started_at=ago(hours=1), tags=["mail"])
    return task


async def create_task(alice: Client) -> Sent:
    body = {"title": "Offer", "tags": ["a"], "due_at": ago(days=1), "estimate_seconds": 60}
    return Sent(await alice.post("/tasks", json=body), ["task.created"])


async def repeat_creation(alice: Client) -> Sent:
    await alice.post("/tasks", json={"title": "Once"}, headers=KEY)
    return Sent(await alice.post("/tasks", json={"title": "Once"}, headers=KEY), [])


async def update_task(alice: Client) -> Sent:
    return await patch(alice, await alice.make_task(), {"title": "New", "priority": 1}, "task.updated")


async def update_nothing_of_a_task(alice: Client) -> Sent:
    return await patch(alice, await alice.make_task(), {})


async def complete_running_task(alice: Client) -> Sent:
    return await patch(alice, await running_task(alice), {"status": "completed"}, "timer.stopped", "task.updated")


async def trash_task(alice: Client) -> Sent:
    task = await alice.make_task()
    return Sent(await alice.delete(f"/tasks/{task['id']}"), ["task.trashed"])


async def trash_running_task(alice: Client) -> Sent:
    task = await running_task(alice)
    return Sent(await alice.delete(f"/tasks/{task['id']}"), ["timer.stopped", "task.trashed"])


async def restore_task(alice: Client) -> Sent:
    task = await alice.make_task()
    await alice.delete(f"/tasks/{task['id']}")
    return Sent(await alice.post(f"/tasks/{task['id']}/restore"), ["task.restored"])


async def restore_live_task(alice: Client) -> Sent:
    return Sent(await alice.post(f"/tasks/{(await alice.make_task())['id']}/restore"), [])


async def atomic_bulk(alice: Client) -> Sent:
    running, other = await running_task(alice), await alice.make_task()
    return await bulk(
        alice,
        {"op": "create", "body": {"title": "New"}},
        {"op": "update", "task_id": running["id"], "body": {"status": "completed"}},
        {"op": "delete", "task_id": other["id"]},
        types=["task.created", "timer.stopped", "task.updated", "task.trashed"],
    )


async def failing_atomic_bulk(alice: Client) -> Sent:
    return await bulk(
        alice,
        {"op": "create", "body": {"title": "New"}},
        {"op": "update", "task_id": "nothing", "body": {"title": "Changed"}},
        types=[],
    )


async def separate_bulk(alice: Client) -> Sent:
    return await bulk(
        alice,
        {"op": "create", "body": {"title": "New"}},
        {"op": "update", "task_id": "nothing", "body": {"title": "Changed"}},
        types=["task.created"],
        atomic=False,
    )


async def start(alice: Client) -> Sent:
    body = {"task_id": (await alice.make_task())["id"], "note": "now"}
    return Sent(await alice.post("/timer/start", json=body), ["timer.started"])


async def start_of_a_completed_task(alice: Client) -> Sent:
    task = await alice.make_task(status="completed")
    return Sent(await alice.post("/timer/start", json={"task_id": task["id"]}), ["timer.started"])


async def start_in_the_past(alice: Client) -> Sent:
    body = {"task_id": (await alice.make_task())["id"], "started_at": ago(hours=1)}
    return Sent(await alice.post("/timer/start", json=body, params={"overlap": "forbid"}), ["timer.started"])


async def start_again(alice: Client) -> Sent:
    return Sent(await alice.post("/timer/start", json={"task_id": (await running_task(alice))["id"]}), [])


async def start_of_a_second_timer(alice: Client) -> Sent:
    await running_task(alice)
    return Sent(await alice.post("/timer/start", json={"task_id": (await alice.make_task())["id"]}), [])


async def start_of_a_new_task(alice: Client) -> Sent:
    body = {"title": "New", "project_id": (await alice.make_project())["id"], "tags": ["a"]}
    return Sent(await alice.post("/timer/start", json=body), ["task.created", "timer.started"])


async def start_of_a_new_task_in_the_past(alice: Client) -> Sent:
    body = {"title": "New", "started_at": ago(hours=1)}
    response = await alice.post("/timer/start", json=body, params={"overlap": "forbid"})
    return Sent(response, ["task.created", "timer.started"])


async def start_of_a_new_task_beside_a_timer(alice: Client) -> Sent:
    await running_task(alice)
    return Sent(await alice.post("/timer/start", json={"title": "New"}), [])


async def switch_to_a_new_task(alice: Client) -> Sent:
    await running_task(alice)
    response = await alice.post("/timer/switch", json={"title": "New"})
    return Sent(response, ["timer.stopped", "task.created", "timer.started"])


async def stop(alice: Client) -> Sent:
    project = await alice.make_project(billable=True, hourly_rate=RATE)
    await running_task(alice, project_id=project["id"])
    return Sent(await alice.post("/timer/stop"), ["timer.stopped"])


async def stop_again(alice: Client) -> Sent:
    await running_task(alice)
    entry = (await alice.stop())["entry"]
    return Sent(await alice.post("/timer/stop", json={"entry_id": entry["id"]}), [])


async def correct_timer(alice: Client) -> Sent:
    await running_task(alice)
    return Sent(await alice.patch("/timer", json={"note": "later", "started_at": ago(hours=2)}), ["timer.corrected"])


async def correct_nothing(alice: Client) -> Sent:
    await running_task(alice)
    return Sent(await alice.patch("/timer", json={}), [])


async def discard_timer(alice: Client) -> Sent:
    await running_task(alice)
    return Sent(await alice.delete("/timer"), ["timer.discarded"])


async def resume(alice: Client) -> Sent:
    await running_task(alice)
    await alice.stop()
    return Sent(await alice.post("/timer/resume"), ["timer.started"])


async def switch(alice: Client) -> Sent:
    await running_task(alice)
    other = await alice.make_task(title="Other")
    body = {"task_id": other["id"]}
    return Sent(await alice.post("/timer/switch", json=body), ["timer.stopped", "timer.started"])


async def switch_without_timer(alice: Client) -> Sent:
    body = {"task_id": (await alice.make_task())["id"]}
    return Sent(await alice.post("/timer/switch", json=body), ["timer.started"])


async def switch_to_the_same_task(alice: Client) -> Sent:
    return Sent(await alice.post("/timer/switch", json={"task_id": (await running_task(alice))["id"]}), [])


async def create_entry(alice: Client) -> Sent:
    path = f"/tasks/{(await alice.make_task())['id']}/time-entries"
    return Sent(await alice.post(path, json={"started_at": ago(hours=2), "duration_seconds": 60}), ["entry.created"])


async def written_entry(alice: Client) -> Json:
    """Create three entries of a new task, and return the first one."""
    task = await alice.make_task()
    entry = await alice.write(task)
    for hour in (11, 13):
        await alice.write(task, started_at=clock(f"{hour}:00"))
    return entry


async def update_entry(alice: Client) -> Sent:
    entry = await written_entry(alice)
    return Sent(await alice.patch(at(entry), json={"note": "new", "duration_seconds": 60}), ["entry.updated"])


async def update_nothing_of_an_entry(alice: Client) -> Sent:
    return Sent(await alice.patch(at(await written_entry(alice)), json={}), [])


async def split_entry(alice: Client) -> Sent:
    entry = await written_entry(alice)
    return Sent(await alice.post(at(entry) + "/split", json={"at": clock("09:20")}), ["entry.split"])


async def move_entry(alice: Client) -> Sent:
    entry, target = await written_entry(alice), await alice.make_task(title="Other")
    return Sent(await alice.post(at(entry) + "/move", json={"task_id": target["id"]}), ["entry.moved"])


async def move_entry_to_its_own_task(alice: Client) -> Sent:
    entry = await written_entry(alice)
    return Sent(await alice.post(at(entry) + "/move", json={"task_id": entry["task_id"]}), [])


async def delete_entry(alice: Client) -> Sent:
    return Sent(await alice.delete(at(await written_entry(alice))), ["entry.deleted"])


async def restore_entry(alice: Client) -> Sent:
    entry = await written_entry(alice)
    await alice.delete(at(entry))
    return Sent(await alice.post(f"/time-entries/{entry['id']}/restore"), ["entry.restored"])


async def restore_entry_that_is_not_deleted(alice: Client) -> Sent:
    return Sent(await alice.post(f"/time-entries/{(await written_entry(alice))['id']}/restore"), [])


async def restore_discarded_timer(alice: Client) -> Sent:
    task = await running_task(alice)
    entry = (await alice.read(task))["active"]
    await alice.delete("/timer")
    return Sent(await alice.post(f"/time-entries/{entry['id']}/restore"), ["entry.restored"])


async def create_project(alice: Client) -> Sent:
    return Sent(await alice.post("/projects", json={"name": "Website", "hourly_rate": RATE}), ["project.created"])


async def update_project(alice: Client) -> Sent:
    return await patch(alice, await alice.make_project(), {"archived": True}, "project.updated", kind="projects")


async def update_nothing_of_a_project(alice: Client) -> Sent:
    return await patch(alice, await alice.make_project(), {}, kind="projects")


async def delete_project(alice: Client) -> Sent:
    project = await alice.make_project()
    trashed = await alice.make_task(project_id=project["id"])
    await alice.make_task(project_id=project["id"])
    await alice.delete(f"/tasks/{trashed['id']}")
    types = ["project.deleted", "task.updated", "task.updated"]
    return Sent(await alice.delete(f"/projects/{project['id']}"), types)


async def rerate(alice: Client) -> Sent:
    project = await alice.make_project(billable=True)
    task = await alice.make_task(project_id=project["id"])
    for hour in (9, 11, 13):
        await alice.write(task, started_at=clock(f"{hour:02}:00"))
    await alice.write(task, started_at=clock("15:00"), billable=False)
    await alice.start(task, started_at=ago(minutes=1))
    types = ["project.updated", *["entry.updated"] * 3]
    return await patch(alice, project, {"hourly_rate": RATE}, *types, kind="projects", rerate="true")


async def rename_tag(alice: Client) -> Sent:
    task = await alice.make_task(tags=["mail", "x"])
    for hour in (9, 11):
        await alice.write(task, started_at=clock(f"{hour:02}:00"), tags=["mail"])
    await alice.write(task, started_at=clock("13:00"), tags=["other"])
    await alice.start(task, tags=["mail"], started_at=ago(minutes=1))
    types = ["task.updated", "timer.corrected", "entry.updated", "entry.updated", "tag.renamed"]
    return Sent(await alice.post("/tags/rename", json={"from": "mail", "to": "e-mail"}), types)


async def rename_unused_tag(alice: Client) -> Sent:
    return Sent(await alice.post("/tags/rename", json={"from": "mail", "to": "e-mail"}), [])


async def update_profile(alice: Client) -> Sent:
    body = {"full_name": "Ada", "preferences": {"timer_cap_hours": 3}}
    return Sent(await alice.patch("/users/me", json=body), ["user.updated"])


async def update_nothing_of_the_profile(alice: Client) -> Sent:
    return Sent(await alice.patch("/users/me", json={}), [])


ROWS = "".join(row(day, "09:00", "10:00", tags="mail") for day in range(2, 8))


async def import_file(alice: Client) -> Sent:
    return Sent(await upload(alice, ROWS), ["import.finished"])


async def dry_run(alice: Client) -> Sent:
    return Sent(await upload(alice, ROWS, dry_run="true"), [])


async def undo_import(alice: Client) -> Sent:
    result = (await upload(alice, ROWS)).json()
    return Sent(await alice.delete(f"/imports/{result['id']}"), ["import.undone"])


CASES: tuple[Send, ...] = (
    *(create_task, repeat_creation, update_task, update_nothing_of_a_task, complete_running_task, trash_task),
    *(trash_running_task, restore_task, restore_live_task, atomic_bulk, failing_atomic_bulk, separate_bulk),
    *(start, start_of_a_completed_task, start_in_the_past, start_again, start_of_a_second_timer, stop, stop_again),
    *(start_of_a_new_task, start_of_a_new_task_in_the_past, start_of_a_new_task_beside_a_timer, switch_to_a_new_task),
    *(correct_timer, correct_nothing, discard_timer, resume, switch, switch_without_timer, switch_to_the_same_task),
    *(create_entry, update_entry, update_nothing_of_an_entry, split_entry, move_entry, move_entry_to_its_own_task),
    *(delete_entry, restore_entry, restore_entry_that_is_not_deleted, restore_discarded_timer),
    *(create_project, update_project, update_nothing_of_a_project, delete_project, rerate),
    *(rename_tag, rename_unused_tag, update_profile, update_nothing_of_the_profile),
    *(import_file, dry_run, undo_import),
)

WITHOUT_ENDED_ENTRIES = (
    *(create_task, repeat_creation, update_nothing_of_a_task, start, start_again, correct_nothing, dry_run),
    *(start_of_a_new_task, create_project, update_project, update_nothing_of_a_project, update_profile),
    *(update_nothing_of_the_profile, rename_unused_tag),
)
"""The requests of accounts that have no ended entries, for which both storages are the same."""

CASES_BY_STORAGE = [
    *(("hot", send) for send in CASES),
    *(("paged", send) for send in CASES if send not in WITHOUT_ENDED_ENTRIES),
]
