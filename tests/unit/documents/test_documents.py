from datetime import timedelta

import pytest
from bson import ObjectId

from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User
from documents.common.base import DuplicateError, object_id
from documents.common.outbox import no_changes
from documents.tracking.tasks import Task
from tests.support.stored_documents import TASK_FIELDS

pytestmark = pytest.mark.usefixtures("empty_service")


def new_user(email: str = "Ada@example.com") -> User:
    return User.new(
        email=email, email_key=email.lower(), password_hash="hash", full_name=None, timezone="Europe/London"
    )


class TestUser:
    async def test_user_is_found_by_email_key_and_id(self) -> None:
        row = await new_user().add()
        assert await User.find_by_email("ada@example.com") == row
        assert await User.find_by_id(row["_id"]) == row
        assert await User.find_by_email("Ada@example.com") is None
        assert await User.find_by_id(ObjectId()) is None

    async def test_new_user_has_the_defaults(self) -> None:
        user = await new_user().add()
        assert user["preferences"] == {"overlap_policy": "allow", "timer_cap_hours": 12}
        assert (user["week_start"], user["is_active"], user["token_version"]) == (0, True, 0)
        assert user["created_at"] == user["updated_at"]

    async def test_second_user_with_the_email_key_is_refused(self) -> None:
        await new_user().add()
        with pytest.raises(DuplicateError):
            await new_user("ADA@example.com").add()

    async def test_update_changes_only_the_given_fields(self) -> None:
        user = await new_user().add()
        preferences = {"overlap_policy": "allow", "timer_cap_hours": 8}
        changed = await User.update_if_unchanged(user, {"week_start": 6, "preferences": preferences}, no_changes)
        assert changed is not None
        assert changed == {
            **user,
            "week_start": 6,
            "preferences": preferences,
            "updated_at": changed["updated_at"],
        }
        assert await User.update_if_unchanged(user, {"week_start": 5}, no_changes) is None

    async def test_update_can_end_all_sessions(self) -> None:
        user = await new_user().add()
        changed = await User.update_fields_and_end_sessions(user["_id"], {"is_active": False})
        assert changed is not None
        assert (changed["is_active"], changed["token_version"]) == (False, 1)

    async def test_beginning_of_a_deletion_is_an_update(self) -> None:
        user = await new_user().add()
        await User.collection().update_one({}, {"$set": {"updated_at": user["updated_at"] - timedelta(days=1)}})
        assert await User.begin_deletion(user)
        deleted = await User.collection().find_one({})
        assert deleted is not None
        assert deleted["deleted_at"] == deleted["updated_at"] >= user["updated_at"]
        assert not await User.begin_deletion(user)

    async def test_row_validates_as_a_document(self) -> None:
        user = new_user()
        row = await user.add()
        assert User.model_validate(row) == user


class TestRefreshToken:
    async def test_revoked_session_is_not_rotated(self) -> None:
        day = timedelta(days=1)
        row = await RefreshToken.new(ObjectId(), ObjectId(), token_hash="a", token_version=0, lifetime=day).add()
        await RefreshToken.revoke(row["_id"], row["user_id"])
        assert not await RefreshToken.rotate(row, "b", lifetime=day, address="", user_agent="")


class TestTask:
    async def test_new_task_has_no_active_entry(self) -> None:
        row = await Task.new(ObjectId(), ObjectId(), TASK_FIELDS).add()
        assert "active" not in row
        assert await Task.collection().find_one({}) == row
        assert (row["version"], row["tracked_seconds"], row["entry_count"], row["time_entries"]) == (1, 0, 0, [])

    @pytest.mark.parametrize(("status", "completed"), [("pending", False), ("in_progress", False), ("completed", True)])
    async def test_task_created_as_completed_has_completed_at(self, status: str, completed: bool) -> None:
        row = await Task.new(ObjectId(), ObjectId(), {**TASK_FIELDS, "status": status}).add()
        assert row["completed_at"] == (row["created_at"] if completed else None)

    async def test_update_is_refused_at_another_version(self) -> None:
        task = await Task.new(ObjectId(), ObjectId(), TASK_FIELDS).add()
        changed = await Task.update_at_version(task, {"title": "First"}, no_changes)
        assert changed is not None
        assert await Task.collection().find_one({}) == changed
        assert await Task.update_at_version(task, {"title": "Second"}, no_changes) is None
        assert await Task.update_at_version(changed, {"title": "Third"}, no_changes) is not None

    async def test_row_validates_as_a_document(self) -> None:
        task = Task.new(ObjectId(), ObjectId(), TASK_FIELDS)
        row = await task.add()
        assert Task.model_validate(row) == task


class TestObjectId:
    @pytest.mark.parametrize("text", ["", "x", "0" * 23, "0" * 25, "g" * 24, "é" * 12, "0" * 12, " " + "0" * 24])
    def test_invalid_id_is_none(self, text: str) -> None:
        assert object_id(text) is None

    def test_valid_id_is_parsed(self) -> None:
        assert object_id("6920A3f1c2d4e5f607182930") == ObjectId("6920a3f1c2d4e5f607182930")
