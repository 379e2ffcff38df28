import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.support.http import API, Client, Json, pointers, problem

SCOPES = {"read", "write", "timer", "reports", "exports"}


async def make_token(client: Client, *scopes: str, **fields: Any) -> Json:
    response = await client.post("/auth/api-tokens", json={"name": "Status bar", "scopes": [*scopes], **fields})
    assert response.status_code == 201, response.text
    token: Json = response.json()
    return token


def bearer(token: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['token']}"}


class TestCreateToken:
    async def test_secret_is_shown_once_and_only_its_hash_is_stored(self, alice: Client, database: Database) -> None:
        expires_at = "2999-01-01T00:00:00Z"
        response = await alice.post(
            "/auth/api-tokens",
            json={"name": " Status bar ", "scopes": ["read", "timer", "read"], "expires_at": expires_at},
        )
        created = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"{API}/auth/api-tokens/{created['id']}"
        assert response.headers["cache-control"] == "no-store"
        secret = created.pop("token")
        assert secret.startswith(created["prefix"])
        assert created == {
            "id": created["id"],
            "name": "Status bar",
            "prefix": created["prefix"],
            "scopes": ["read", "timer"],
            "expires_at": expires_at,
            "last_used_at": None,
            "created_at": created["created_at"],
        }
        assert (await alice.get("/auth/api-tokens")).json() == {"items": [created], "next_cursor": None}
        (stored,) = await database.api_tokens.find({}).to_list(None)
        assert stored["token_hash"] == hashlib.sha256(secret.encode()).hexdigest()
        assert secret not in str(stored)

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"name": ""}, "#/name"),
            ({"name": "x" * 101}, "#/name"),
            ({"name": {"$gt": ""}}, "#/name"),
            ({"scopes": []}, "#/scopes"),
            ({"scopes": ["everything"]}, "#/scopes/0"),
            ({"scopes": "read"}, "#/scopes"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
            ({"expires_at": "2999-01-01"}, "#/expires_at"),
            ({"owner": "me"}, "#/owner"),
        ],
    )
    async def test_invalid_field_is_422_with_its_pointer(
        self, alice: Client, database: Database, fields: Json, pointer: str
    ) -> None:
        body = {"name": "Status bar", "scopes": ["read"], **fields}
        assert pointers(await alice.post("/auth/api-tokens", json=body)) == {pointer}
        assert await database.api_tokens.find_one({}) is None


class TestListTokens:
    async def test_tokens_are_listed_newest_first(self, alice: Client, bob: Client) -> None:
        await make_token(bob, "read")
        created = [await make_token(alice, "read", name=str(number)) for number in range(5)]
        names, cursor = [], None
        while True:
            parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await alice.get("/auth/api-tokens", params=parameters)).json()
            names += [token["name"] for token in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert names == [token["name"] for token in reversed(created)]


class TestUseToken:
    async def test_last_used_at_is_written_at_most_once_a_minute(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        token = await make_token(alice, "read")
        await asyncio.gather(*(anonymous.get("/tasks", headers=bearer(token)) for _ in range(10)))
        (listed,) = (await alice.get("/auth/api-tokens")).json()["items"]
        assert listed["last_used_at"] is not None
        recently = datetime.now(UTC).replace(microsecond=0, tzinfo=None) - timedelta(seconds=50)
        await database.api_tokens.update_one({}, {"$set": {"last_used_at": recently}})
        await alice.patch("/users/me", json={"full_name": "Alice"})  # removes the token from the cache
        assert (await anonymous.get("/tasks", headers=bearer(token))).status_code == 200
        (stored,) = await database.api_tokens.find({}).to_list(None)
        assert stored["last_used_at"] == recently

    async def test_revoked_token_is_refused_at_once(self, alice: Client, anonymous: Client) -> None:
        token = await make_token(alice, "read")
        assert (await anonymous.get("/tasks", headers=bearer(token))).status_code == 200
        response = await alice.delete(f"/auth/api-tokens/{token['id']}")
        assert (response.status_code, response.content) == (204, b"")
        problem(await anonymous.get("/tasks", headers=bearer(token)), 401, "invalid_token")
        problem(await alice.delete(f"/auth/api-tokens/{token['id']}"), 404, "token_not_found")

    async def test_expired_token_is_refused(self, alice: Client, anonymous: Client, database: Database) -> None:
        token = await make_token(alice, "read", expires_at="2999-01-01T00:00:00Z")
        await database.api_tokens.update_one({}, {"$set": {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}})
        problem(await anonymous.get("/tasks", headers=bearer(token)), 401, "token_expired")

    async def test_token_of_another_user_cannot_be_revoked(self, alice: Client, bob: Client, anonymous: Client) -> None:
        token = await make_token(alice, "read")
        problem(await bob.delete(f"/auth/api-tokens/{token['id']}"), 404, "token_not_found")
        assert (await anonymous.get("/tasks", headers=bearer(token))).status_code == 200

    async def test_token_reads_only_the_data_of_its_user(self, alice: Client, bob: Client, anonymous: Client) -> None:
        await alice.make_task(title="Hers")
        token = await make_token(bob, "read")
        assert (await anonymous.get("/tasks", headers=bearer(token))).json()["items"] == []

    @pytest.mark.parametrize("token", ["task_timer_api_", f"task_timer_api_{'0' * 64}", "task_timer_api_{$gt}"])
    async def test_unknown_token_is_refused(self, anonymous: Client, token: str) -> None:
        response = await anonymous.get("/tasks", headers={"Authorization": f"Bearer {token}"})
        problem(response, 401, "invalid_token")


class TestScopes:
    async def test_no_scope_allows_managing_tokens_or_the_password(self, alice: Client, anonymous: Client) -> None:
        token = await make_token(alice, *sorted(SCOPES))
        for method, path in (("POST", "/auth/api-tokens"), ("GET", "/auth/api-tokens"), ("POST", "/auth/password")):
            response = await anonymous.request(method, path, json={}, headers=bearer(token))
            problem(response, 403, "insufficient_scope")
