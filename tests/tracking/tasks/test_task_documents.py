"""Reads and updates of stored tasks. mongomock does not support their projection."""

from datetime import datetime

import pytest
from bson import ObjectId

from documents.common.outbox import no_changes
from documents.tracking.tasks import Task
from tests.support.stored_documents import TASK_FIELDS

pytestmark = pytest.mark.usefixtures("empty_service")


class TestTask:
    async def test_task_is_found_by_its_owner_only(self) -> None:
        user_id = ObjectId()
        task_id = (await Task.new(user_id, ObjectId(), TASK_FIELDS).add())["_id"]
        task_row = await Task.find_live(user_id, task_id)
        assert task_row is not None
        assert "time_entries" not in task_row
        assert await Task.find_live(ObjectId(), task_id) is None
        assert await Task.find_any(ObjectId(), task_id) is None
        assert await Task.find_live_with_entries(ObjectId(), task_id) is None
        assert await Task.find_live(user_id, ObjectId()) is None

    async def test_task_in_the_trash_is_only_found_by_find_any(self) -> None:
        user_id = ObjectId()
        task = await Task.new(user_id, ObjectId(), TASK_FIELDS).add()
        trashed = await Task.update_at_version(task, {"deleted_at": datetime(2026, 1, 1)}, no_changes)  # noqa: DTZ001
        assert trashed is not None
        assert await Task.find_live(user_id, task["_id"]) is None
        assert await Task.find_live_with_entries(user_id, task["_id"]) is None
        assert await Task.find_any(user_id, task["_id"]) is not None

    async def test_update_changes_only_the_given_fields_and_the_version(self) -> None:
        user_id = ObjectId()
        task = await Task.new(user_id, ObjectId(), TASK_FIELDS).add()
        changed = await Task.update_at_version(task, {"title": "Another"}, no_changes)
        assert changed is not None
        assert changed == {
            **task,
            "title": "Another",
            "version": 2,
            "updated_at": changed["updated_at"],
        }
        assert await Task.update_at_version({**changed, "user_id": ObjectId()}, {"title": "Stolen"}, no_changes) is None
