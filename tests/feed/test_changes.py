"""GET /changes."""

from tests.support.feed.changes import read_changes
from tests.support.http import Client


async def test_changes_of_one_user_are_numbered_in_order(alice: Client) -> None:
    task = await alice.make_task()
    await alice.start(task)
    await alice.stop()
    changes = await read_changes(alice, 3)
    assert [change["seq"] for change in changes] == [1, 2, 3]
    assert [change["type"] for change in changes] == ["task.created", "timer.started", "timer.stopped"]
    assert changes[0]["data"] == task
