import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from jose import jwt
from passlib.context import CryptContext

from tests.conftest import Database
from tests.support.http import PASSWORD, Client, Json, pointers, problem

ADA = "ada@example.com"
NEW = "a completely new pass phrase"


@pytest.fixture
async def signed_in(anonymous: Client) -> Json:
    """The tokens of ada, who has just registered and signed in."""
    assert (await anonymous.post("/users", json={"email": ADA, "password": PASSWORD})).status_code == 201
    return await sign_in(anonymous)


async def sign_in(client: Client, password: str = PASSWORD) -> Json:
    response = await client.post("/auth/token", data={"username": ADA, "password": password})
    assert response.status_code == 200, response.text
    tokens: Json = response.json()
    return tokens


async def refresh(client: Client, tokens: Json, **headers: str) -> httpx.Response:
    return await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=headers)


async def refreshed(client: Client, tokens: Json, **headers: str) -> Json:
    response = await refresh(client, tokens, **headers)
    assert response.status_code == 200, response.text
    successor: Json = response.json()
    return successor


def bearer(tokens: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def me(client: Client, tokens: Json) -> httpx.Response:
    return await client.get("/users/me", headers=bearer(tokens))


async def age_rotations(database: Database) -> None:
    """Move every rotation eleven seconds into the past."""
    async for session in database.refresh_tokens.find({}):
        for rotation in session["rotated"]:
            rotation["rotated_at"] -= timedelta(seconds=11)
        await database.refresh_tokens.update_one({"_id": session["_id"]}, {"$set": {"rotated": session["rotated"]}})


class TestRefresh:
    async def test_refresh_returns_the_next_tokens_of_the_session(self, anonymous: Client, signed_in: Json) -> None:
        response = await refresh(anonymous, signed_in)
        successor = response.json()
        assert response.headers["cache-control"] == "no-store"
        assert successor.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert successor["refresh_token"] != signed_in["refresh_token"]
        claims = [jwt.get_unverified_claims(tokens["access_token"]) for tokens in (signed_in, successor)]
        assert claims[0]["sid"] == claims[1]["sid"]
        assert claims[0]["jti"] != claims[1]["jti"]
        for tokens in (signed_in, successor):
            assert (await me(anonymous, tokens)).status_code == 200

    async def test_session_can_be_refreshed_any_number_of_times(self, anonymous: Client, signed_in: Json) -> None:
        tokens, seen = signed_in, {signed_in["refresh_token"]}
        for _ in range(15):
            tokens = await refreshed(anonymous, tokens)
            seen.add(tokens["refresh_token"])
        assert len(seen) == 16
        assert (await me(anonymous, tokens)).status_code == 200

    async def test_only_the_hash_of_the_token_is_stored(
        self, anonymous: Client, signed_in: Json, database: Database
    ) -> None:
        successor = await refreshed(anonymous, signed_in)
        (session,) = await database.refresh_tokens.find({}).to_list(None)
        assert session["token_hash"] == hashlib.sha256(successor["refresh_token"].encode()).hexdigest()
        for tokens in (signed_in, successor):
            assert tokens["refresh_token"].rpartition("_")[2] not in str(session)

    async def test_expired_session_is_refused(self, anonymous: Client, signed_in: Json, database: Database) -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await database.refresh_tokens.update_one({}, {"$set": {"expires_at": past}})
        problem(await refresh(anonymous, signed_in), 401, "invalid_token")

    async def test_each_refresh_extends_the_session_by_the_configured_time(
        self, anonymous: Client, signed_in: Json, database: Database
    ) -> None:
        await refreshed(anonymous, signed_in)
        (session,) = await database.refresh_tokens.find({}).to_list(None)
        assert session["expires_at"] - session["updated_at"] == timedelta(days=30)


class TestReusedRefreshToken:
    async def test_same_client_gets_the_same_tokens_again(self, anonymous: Client, signed_in: Json) -> None:
        first = await refreshed(anonymous, signed_in)
        again = await refreshed(anonymous, signed_in)
        assert again["refresh_token"] == first["refresh_token"]
        third = await refreshed(anonymous, again)
        assert (await refreshed(anonymous, signed_in))["refresh_token"] == first["refresh_token"]
        assert (await me(anonymous, third)).status_code == 200

    async def test_concurrent_refreshes_of_one_client_are_one_rotation(
        self, anonymous: Client, signed_in: Json
    ) -> None:
        responses = await asyncio.gather(*(refreshed(anonymous, signed_in) for _ in range(20)))
        assert len({response["refresh_token"] for response in responses}) == 1
        await refreshed(anonymous, responses[0])

    async def test_reuse_after_ten_seconds_ends_the_session(
        self, anonymous: Client, signed_in: Json, database: Database
    ) -> None:
        successor = await refreshed(anonymous, signed_in)
        await age_rotations(database)
        problem(await refresh(anonymous, signed_in), 401, "invalid_token")
        problem(await refresh(anonymous, successor), 401, "invalid_token")
        problem(await me(anonymous, successor), 401, "invalid_token")

    async def test_reuse_by_another_client_ends_the_session(self, anonymous: Client, signed_in: Json) -> None:
        successor = await refreshed(anonymous, signed_in)
        problem(await refresh(anonymous, signed_in, **{"User-Agent": "somebody else"}), 401, "invalid_token")
        problem(await refresh(anonymous, successor), 401, "invalid_token")

    async def test_guessed_token_does_not_end_the_session(self, anonymous: Client, signed_in: Json) -> None:
        session_id = signed_in["refresh_token"].split("_")[3]
        for guess in ("0" * 64, signed_in["refresh_token"][-64:-1] + "0", "f" * 64):
            token = f"task_timer_refresh_{session_id}_{guess}"
            if token != signed_in["refresh_token"]:
                problem(await refresh(anonymous, {"refresh_token": token}), 401, "invalid_token")
        assert (await me(anonymous, await refreshed(anonymous, signed_in))).status_code == 200

    async def test_other_sessions_of_the_user_continue(
        self, anonymous: Client, signed_in: Json, database: Database
    ) -> None:
        other = await sign_in(anonymous)
        await refreshed(anonymous, signed_in)
        await age_rotations(database)
        problem(await refresh(anonymous, signed_in), 401, "invalid_token")
        assert (await me(anonymous, await refreshed(anonymous, other))).status_code == 200

    async def test_concurrent_refreshes_of_several_clients_end_the_session(
        self, anonymous: Client, signed_in: Json
    ) -> None:
        responses = await asyncio.gather(
            *(refresh(anonymous, signed_in, **{"User-Agent": f"client {number}"}) for number in range(10))
        )
        assert sorted(response.status_code for response in responses) == [200] + [401] * 9
        (winner,) = [response.json() for response in responses if response.status_code == 200]
        problem(await refresh(anonymous, winner), 401, "invalid_token")


class TestInvalidRefreshToken:
    @pytest.mark.parametrize(
        "token",
        ["", "x", "task_timer_refresh_", f"task_timer_refresh_{'0' * 24}_{'0' * 64}", "task_timer_refresh_\u0661"],
    )
    async def test_unknown_token_is_refused(self, anonymous: Client, token: str) -> None:
        problem(await refresh(anonymous, {"refresh_token": token}), 401, "invalid_token")

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "#/refresh_token"),
            ({"refresh_token": 1}, "#/refresh_token"),
            ({"refresh_token": {"$gt": ""}}, "#/refresh_token"),
        ],
    )
    async def test_value_that_is_not_a_string_is_422(self, anonymous: Client, body: Any, pointer: str) -> None:
        assert pointers(await anonymous.post("/auth/refresh", json=body)) == {pointer}

    async def test_access_and_refresh_tokens_are_not_interchangeable(self, anonymous: Client, signed_in: Json) -> None:
        problem(await refresh(anonymous, {"refresh_token": signed_in["access_token"]}), 401, "invalid_token")
        problem(
            await anonymous.get("/users/me", headers={"Authorization": f"Bearer {signed_in['refresh_token']}"}),
            401,
            "invalid_token",
        )


class TestSignOut:
    async def test_tokens_of_the_session_are_refused(self, anonymous: Client, signed_in: Json) -> None:
        assert (await me(anonymous, signed_in)).status_code == 200
        response = await anonymous.post("/auth/logout", headers=bearer(signed_in))
        assert (response.status_code, response.content) == (204, b"")
        problem(await me(anonymous, signed_in), 401, "invalid_token")
        problem(await refresh(anonymous, signed_in), 401, "invalid_token")

    async def test_other_sessions_of_the_user_continue(self, anonymous: Client, signed_in: Json) -> None:
        other = await sign_in(anonymous)
        await anonymous.post("/auth/logout", headers=bearer(signed_in))
        assert (await me(anonymous, other)).status_code == 200
        await refreshed(anonymous, other)

    async def test_concurrent_refresh_does_not_keep_the_session(self, anonymous: Client, signed_in: Json) -> None:
        out, response = await asyncio.gather(
            anonymous.post("/auth/logout", headers=bearer(signed_in)), refresh(anonymous, signed_in)
        )
        assert out.status_code == 204
        if response.status_code == 200:
            problem(await refresh(anonymous, response.json()), 401, "invalid_token")
            problem(await me(anonymous, response.json()), 401, "invalid_token")


class TestChangePassword:
    async def test_all_sessions_end(self, anonymous: Client, signed_in: Json) -> None:
        other = await sign_in(anonymous)
        body = {"current_password": PASSWORD, "new_password": NEW}
        response = await anonymous.post("/auth/password", json=body, headers=bearer(signed_in))
        assert (response.status_code, response.content) == (204, b"")
        for tokens in (signed_in, other):
            problem(await me(anonymous, tokens), 401, "invalid_token")
            problem(await refresh(anonymous, tokens), 401, "invalid_token")
        problem(
            await anonymous.post("/auth/token", data={"username": ADA, "password": PASSWORD}),
            401,
            "invalid_credentials",
        )
        assert (await me(anonymous, await sign_in(anonymous, NEW))).status_code == 200

    async def test_wrong_current_password_is_refused(self, anonymous: Client, signed_in: Json) -> None:
        body = {"current_password": "something else", "new_password": NEW}
        problem(await anonymous.post("/auth/password", json=body, headers=bearer(signed_in)), 403, "wrong_password")
        assert (await me(anonymous, signed_in)).status_code == 200
        await sign_in(anonymous)

    async def test_one_of_concurrent_changes_succeeds(self, anonymous: Client, signed_in: Json) -> None:
        responses = await asyncio.gather(
            *(
                anonymous.post(
                    "/auth/password",
                    json={"current_password": PASSWORD, "new_password": f"{NEW} {number}"},
                    headers=bearer(signed_in),
                )
                for number in range(4)
            )
        )
        assert [response.status_code for response in responses].count(204) == 1
        won = next(number for number, response in enumerate(responses) if response.status_code == 204)
        await sign_in(anonymous, f"{NEW} {won}")


class TestChangeEmail:
    async def test_current_password_is_required(self, anonymous: Client, signed_in: Json) -> None:
        change = {"email": "Countess@Example.com"}
        response = await anonymous.patch("/users/me", json=change, headers=bearer(signed_in))
        assert pointers(response) == {"#/current_password"}
        wrong = {**change, "current_password": "something else"}
        problem(await anonymous.patch("/users/me", json=wrong, headers=bearer(signed_in)), 403, "wrong_password")
        assert (await me(anonymous, signed_in)).json()["email"] == ADA

        right = {**change, "current_password": PASSWORD}
        response = await anonymous.patch("/users/me", json=right, headers=bearer(signed_in))
        assert (response.status_code, response.json()["email"]) == (200, "Countess@Example.com")
        form = {"username": "countess@example.com", "password": PASSWORD}
        assert (await anonymous.post("/auth/token", data=form)).status_code == 200
        form["username"] = ADA
        problem(await anonymous.post("/auth/token", data=form), 401, "invalid_credentials")

    async def test_address_of_another_account_is_409(self, anonymous: Client, signed_in: Json) -> None:
        assert (await anonymous.post("/users", json={"email": "bob@example.com", "password": NEW})).status_code == 201
        change = {"email": "BOB@example.com", "current_password": PASSWORD}
        problem(await anonymous.patch("/users/me", json=change, headers=bearer(signed_in)), 409, "email_taken")
        assert (await me(anonymous, signed_in)).json()["email"] == ADA


class TestOutdatedHash:
    @pytest.mark.parametrize("less", [{"argon2__rounds": 1}, {"argon2__memory_cost": 8192}])
    async def test_sign_in_replaces_a_weaker_hash_and_sessions_continue(
        self, anonymous: Client, signed_in: Json, database: Database, less: dict[str, int]
    ) -> None:
        weak = CryptContext(schemes=["argon2"], argon2__type="ID", **less).hash(PASSWORD)
        await database.users.update_one({}, {"$set": {"password_hash": weak}})
        await sign_in(anonymous)
        without_outbox = {"outbox": 0, "outbox_since": 0}  # the relay removes its items
        user = await database.users.find_one({}, without_outbox)
        assert user is not None
        assert user["password_hash"] != weak
        assert (await me(anonymous, signed_in)).status_code == 200
        await sign_in(anonymous)
        assert await database.users.find_one({}, without_outbox) == user


class TestWeakPassword:
    @pytest.mark.parametrize("new", ["password1", "QWERTYUIOP", ADA, " Ada@Example.com "])
    async def test_weak_password_is_refused_as_new_password(self, anonymous: Client, signed_in: Json, new: str) -> None:
        body = {"current_password": PASSWORD, "new_password": new}
        response = await anonymous.post("/auth/password", json=body, headers=bearer(signed_in))
        assert pointers(response) == {"#/new_password"}
        assert (await me(anonymous, signed_in)).status_code == 200


class TestUnknownSession:
    async def test_signed_token_of_an_unknown_session_is_refused(
        self, anonymous: Client, signed_in: Json, database: Database
    ) -> None:
        sid = jwt.get_unverified_claims(signed_in["access_token"])["sid"]
        await database.refresh_tokens.delete_one({"_id": ObjectId(sid)})
        problem(await me(anonymous, signed_in), 401, "invalid_token")
