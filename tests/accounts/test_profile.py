import asyncio
from datetime import datetime

import pytest
from bson import ObjectId

from services.accounts.schemas.users import UserUpdate
from services.accounts.users import UserNotFoundError, user_service
from services.common.acting_user import acting_user
from tests.accounts.account_requests import DEFAULT_PREFERENCES, register, sign_in
from tests.conftest import Database
from tests.support.http import LONG, PASSWORD, Client, Json, pointers

PAGE_SETTINGS = {"locale": "de", "theme": "dark", "shortcuts": False, "snap_minutes": 5, "idle_minutes": 0}


class TestProfile:
    async def test_profile_is_the_registered_user(self, anonymous: Client) -> None:
        user = (await register(anonymous, full_name="Ada")).json()
        bearer = {"Authorization": f"Bearer {(await sign_in(anonymous)).json()['access_token']}"}
        assert (await anonymous.get("/users/me", headers=bearer)).json() == user

    async def test_patch_changes_only_the_fields_that_are_sent(self, alice: Client) -> None:
        before = (await alice.get("/users/me")).json()
        change = {"full_name": "Alice", "timezone": "Asia/Tokyo", "week_start": 6}
        response = await alice.patch("/users/me", json=change)
        after = response.json()
        assert (response.status_code, after) == (200, {**before, **change, "updated_at": after["updated_at"]})
        assert datetime.fromisoformat(after["updated_at"]) >= datetime.fromisoformat(before["updated_at"])
        assert (await alice.get("/users/me")).json() == after

    async def test_preferences_are_merged_key_by_key(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"preferences": {"timer_cap_hours": 9}})
        changed = await alice.patch("/users/me", json={"preferences": {"overlap_policy": "warn"}})
        assert changed.json()["preferences"] == {**DEFAULT_PREFERENCES, "overlap_policy": "warn", "timer_cap_hours": 9}

    async def test_preferences_of_the_page_have_defaults_until_they_are_chosen(
        self, alice: Client, database: Database
    ) -> None:
        assert (await alice.get("/users/me")).json()["preferences"] == DEFAULT_PREFERENCES
        for name, value in PAGE_SETTINGS.items():
            response = await alice.patch("/users/me", json={"preferences": {name: value}})
            assert response.json()["preferences"][name] == value
        chosen = {**DEFAULT_PREFERENCES, **PAGE_SETTINGS}
        assert (await alice.get("/users/me")).json()["preferences"] == chosen
        user = await database.users.find_one({})
        assert user is not None
        assert user["preferences"] == chosen

    async def test_locale_of_null_is_that_of_the_browser(self, alice: Client, database: Database) -> None:
        for locale in ("de", None):
            response = await alice.patch("/users/me", json={"preferences": {"locale": locale}})
            assert response.json()["preferences"] == {**DEFAULT_PREFERENCES, "locale": locale}
        user = await database.users.find_one({})
        assert user is not None
        assert user["preferences"].keys() == {"overlap_policy", "timer_cap_hours"}

    async def test_concurrent_changes_of_different_fields_are_all_stored(self, alice: Client) -> None:
        changes: list[Json] = [
            {"full_name": "Alice"},
            {"timezone": "Asia/Tokyo"},
            {"week_start": 3},
            {"preferences": {"timer_cap_hours": 5}},
            {"preferences": {"overlap_policy": "forbid"}},
        ]
        await asyncio.gather(*(alice.patch("/users/me", json=change) for change in changes))
        user = (await alice.get("/users/me")).json()
        assert (user["full_name"], user["timezone"], user["week_start"]) == ("Alice", "Asia/Tokyo", 3)
        assert user["preferences"] == {**DEFAULT_PREFERENCES, "overlap_policy": "forbid", "timer_cap_hours": 5}

    async def test_null_clears_the_name(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"full_name": "Alice"})
        assert (await alice.patch("/users/me", json={"full_name": None})).json()["full_name"] is None

    @pytest.mark.parametrize("change", [{}, {"preferences": {}}])
    async def test_empty_patch_changes_nothing(self, alice: Client, change: Json) -> None:
        before = (await alice.get("/users/me")).json()
        response = await alice.patch("/users/me", json=change)
        assert (response.status_code, response.json()) == (200, before)

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"timezone": None}, "#/timezone"),
            ({"timezone": "Berlin"}, "#/timezone"),
            ({"full_name": ""}, "#/full_name"),
            ({"full_name": 7}, "#/full_name"),
            ({"week_start": 7}, "#/week_start"),
            ({"week_start": -1}, "#/week_start"),
            ({"week_start": "0"}, "#/week_start"),
            ({"week_start": 1.5}, "#/week_start"),
            ({"week_start": True}, "#/week_start"),
            ({"week_start": None}, "#/week_start"),
            ({"preferences": None}, "#/preferences"),
            ({"preferences": []}, "#/preferences"),
            ({"preferences": {"locale": "fr"}}, "#/preferences/locale"),
            ({"preferences": {"theme": None}}, "#/preferences/theme"),
            ({"preferences": {"theme": "blue"}}, "#/preferences/theme"),
            ({"preferences": {"shortcuts": 1}}, "#/preferences/shortcuts"),
            ({"preferences": {"snap_minutes": 4}}, "#/preferences/snap_minutes"),
            ({"preferences": {"snap_minutes": 61}}, "#/preferences/snap_minutes"),
            ({"preferences": {"idle_minutes": -1}}, "#/preferences/idle_minutes"),
            ({"preferences": {"idle_minutes": 241}}, "#/preferences/idle_minutes"),
            ({"preferences": {"timer_cap_hours": 0}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"timer_cap_hours": 745}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"timer_cap_hours": "12"}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"timer_cap_hours": None}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"overlap_policy": "deny"}}, "#/preferences/overlap_policy"),
            ({"preferences": {"overlap_policy": None}}, "#/preferences/overlap_policy"),
            ({"preferences": {"$set": 1}}, "#/preferences/$set"),
            ({"email": "new@example.com"}, "#/current_password"),
            ({"email": "nonsense", "current_password": PASSWORD}, "#/email"),
            ({"password": PASSWORD}, "#/password"),
            ({"is_active": True}, "#/is_active"),
            ({"preferences.timer_cap_hours": 3}, "#/preferences.timer_cap_hours"),
        ],
    )
    async def test_invalid_field_is_422_and_changes_nothing(self, alice: Client, change: Json, pointer: str) -> None:
        before = (await alice.get("/users/me")).json()
        response = await alice.patch("/users/me", json={**change, "full_name": change.get("full_name", "Alice")})
        assert pointers(response) == {pointer}
        assert (await alice.get("/users/me")).json() == before

    async def test_change_takes_effect_in_the_next_request(self, alice: Client) -> None:
        task = await alice.make_task()
        for zone in ("Asia/Tokyo", "America/Lima"):
            await alice.patch("/users/me", json={"timezone": zone})
            assert (await alice.start(task))["entry"]["timezone"] == zone
            await alice.stop()

    async def test_change_takes_effect_despite_concurrent_requests(self, alice: Client) -> None:
        task = await alice.make_task()
        for zone in ("Asia/Tokyo", "America/Lima") * (15 if LONG else 5):
            change = alice.patch("/users/me", json={"timezone": zone})
            await asyncio.gather(change, *(alice.get("/timer") for _ in range(6)))
            assert (await alice.start(task))["entry"]["timezone"] == zone
            await alice.stop()

    async def test_user_that_was_deleted_meanwhile_is_not_found(self, alice: Client) -> None:
        user = acting_user({**alice.user, "_id": ObjectId()})
        with pytest.raises(UserNotFoundError):
            await user_service.update_profile(user, change=UserUpdate(full_name="Alice"))

    async def test_change_does_not_affect_other_users(self, alice: Client, bob: Client) -> None:
        await alice.patch("/users/me", json={"full_name": "Alice"})
        user = (await bob.get("/users/me")).json()
        assert (user["email"], user["full_name"]) == ("bob@example.com", None)
