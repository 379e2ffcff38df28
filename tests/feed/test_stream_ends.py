"""Streams end with their token, and their clients get nothing afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.config import Settings
from app.security.tokens import AccessTokens
from services.feed import streams
from tests.conftest import Database
from tests.feed.event_clients import following
from tests.support.feed.changes import wait_until_recorded
from tests.support.http import PASSWORD, Client, problem


@pytest.fixture(autouse=True)
def quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send heartbeats every 0.2 seconds instead of every 15."""
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(streams, "TICK_SECONDS", 0.05)


async def create_api_token(client: Client, **fields: Any) -> dict[str, Any]:
    """Create an API token of the scope read."""
    created = await client.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"], **fields})
    assert created.status_code == 201, created.text
    token: dict[str, Any] = created.json()
    return token


def with_api_token(client: Client, token: dict[str, Any]) -> Client:
    """Return a client with this token."""
    return Client(base_url=client.base_url, headers={"Authorization": f"Bearer {token['token']}"}, timeout=30)


class TestHeartbeat:
    async def test_idle_stream_gets_comments(self, alice: Client) -> None:
        async with following(alice) as stream:
            await stream.block()
            for _ in range(3):
                block = await stream.block()
                assert (block.comment, block.id, block.data) == ("", None, None)

    async def test_heartbeat_has_the_id_of_changes_that_the_filter_left_out(self, alice: Client) -> None:
        async with following(alice, type="timer.started") as stream:
            await alice.make_task()
            while (block := await stream.block()).id != 1:
                assert block.data is None
            assert (await stream.block()).id is None

    async def test_heartbeat_has_the_id_of_stored_changes_that_the_filter_left_out(
        self, alice: Client, database: Database
    ) -> None:
        """A client that repeats an earlier id would get a reset when the changes after it have expired."""
        await alice.start(await alice.make_task())
        await alice.make_task()
        await wait_until_recorded(database, alice, 3)
        async with following(alice, after=0, type="timer.started") as stream:
            assert (await stream.event()).id == 2
            while (block := await stream.block()).id != 3:
                assert (block.id, block.data) == (None, None)
            assert (await stream.block()).id is None


class TestEndOfSession:
    async def test_sign_out_ends_the_stream(self, alice: Client) -> None:
        async with following(alice) as stream:
            assert (await alice.post("/auth/logout", json={})).status_code == 204
            assert await stream.rest() == []
        problem(await alice.get("/events"), 401, "invalid_token")

    async def test_password_change_ends_the_stream(self, alice: Client) -> None:
        async with following(alice) as stream:
            body = {"current_password": PASSWORD, "new_password": "a wholly new pass phrase"}
            assert (await alice.post("/auth/password", json=body)).status_code == 204
            assert await stream.rest() == []

    async def test_deletion_of_the_account_ends_the_stream(self, alice: Client) -> None:
        async with following(alice) as stream:
            assert (await alice.request("DELETE", "/users/me", json={"password": PASSWORD})).status_code == 204
            assert await stream.rest() == []

    async def test_expiry_of_the_access_token_ends_the_stream(self, alice: Client, settings: Settings) -> None:
        tokens = AccessTokens.from_settings(settings)
        claims = tokens.verify(alice.headers["authorization"].removeprefix("Bearer "))
        tokens.lifetime = timedelta(seconds=2)
        token = tokens.issue(user_id=claims.user_id, session_id=claims.session_id, token_version=0)
        alice.headers["Authorization"] = f"Bearer {token}"
        began = datetime.now(UTC)
        async with following(alice) as stream:
            assert await stream.rest() == []
        assert datetime.now(UTC) - began < timedelta(seconds=10)
        problem(await alice.get("/events"), 401, "token_expired")

    @pytest.mark.parametrize(
        ("collection", "key", "change"),
        [
            ("users", "_id", {"is_active": False}),
            ("users", "_id", {"token_version": 1}),
            ("refresh_tokens", "user_id", {"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}),
            ("refresh_tokens", "user_id", {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}),
        ],
    )
    async def test_change_by_another_process_ends_the_stream(
        self, alice: Client, database: Database, collection: str, key: str, change: dict[str, Any]
    ) -> None:
        async with following(alice) as stream:
            await database[collection].update_one({key: alice.user["_id"]}, {"$set": change})
            assert await stream.rest() == []

    async def test_other_streams_go_on(self, alice: Client, bob: Client) -> None:
        async with following(alice) as ended, following(bob) as other:
            await alice.post("/auth/logout", json={})
            assert await ended.rest() == []
            await bob.make_task()
            assert (await other.event()).type == "task.created"


class TestEndOfApiToken:
    async def test_revoked_token_ends_the_stream(self, alice: Client) -> None:
        token = await create_api_token(alice)
        async with with_api_token(alice, token) as program, following(program) as stream:
            await alice.make_task()
            assert (await stream.event()).type == "task.created"
            assert (await alice.delete(f"/auth/api-tokens/{token['id']}")).status_code == 204
            assert await stream.rest() == []

    async def test_token_expires(self, alice: Client) -> None:
        expires_at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        token = await create_api_token(alice, expires_at=expires_at)
        async with with_api_token(alice, token) as program, following(program) as stream:
            assert await stream.rest() == []

    async def test_user_disabled_by_another_process_ends_the_stream(self, alice: Client, database: Database) -> None:
        token = await create_api_token(alice)
        async with with_api_token(alice, token) as program, following(program) as stream:
            await database.users.update_one({"_id": alice.user["_id"]}, {"$set": {"is_active": False}})
            assert await stream.rest() == []

    async def test_deletion_by_another_process_ends_the_stream(self, alice: Client, database: Database) -> None:
        token = await create_api_token(alice)
        async with with_api_token(alice, token) as program, following(program) as stream:
            await database.api_tokens.delete_one({"user_id": alice.user["_id"]})
            assert await stream.rest() == []
