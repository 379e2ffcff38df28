"""Listing and revoking sessions."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from jose import jwt

from tests.accounts.test_sessions import ADA, NEW, bearer, me, refresh, refreshed, sign_in
from tests.conftest import Database
from tests.support.http import PASSWORD, Client, Json, problem


@pytest.fixture
async def signed_in(anonymous: Client) -> Json:
    """The tokens of ada, who has just registered and signed in."""
    assert (await anonymous.post("/users", json={"email": ADA, "password": PASSWORD})).status_code == 201
    return await sign_in(anonymous)


async def sessions(client: Client, tokens: Json, **parameters: Any) -> Json:
    response = await client.get("/auth/sessions", params=parameters, headers=bearer(tokens))
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


async def revoke(client: Client, tokens: Json, session_id: str) -> httpx.Response:
    return await client.delete(f"/auth/sessions/{session_id}", headers=bearer(tokens))


class TestListSessions:
    async def test_session_has_its_times_and_the_client_of_the_last_use(
        self, anonymous: Client, signed_in: Json
    ) -> None:
        (session,) = (await sessions(anonymous, signed_in))["items"]
        assert session["id"] == jwt.get_unverified_claims(signed_in["access_token"])["sid"]
        assert (session["address"], session["current"]) == ("127.0.0.1", True)
        assert session["user_agent"] == anonymous.headers["user-agent"]
        assert session["created_at"] == session["last_used_at"] < session["expires_at"]
        tokens = await refreshed(anonymous, signed_in, **{"User-Agent": "Another browser"})
        (after,) = (await sessions(anonymous, tokens))["items"]
        changed = {name: after[name] for name in ("last_used_at", "expires_at", "user_agent")}
        assert after == {**session, **changed}
        assert after["user_agent"] == "Another browser"
        assert after["last_used_at"] > session["last_used_at"]

    async def test_last_used_is_first_and_pages_contain_each_once(self, anonymous: Client, signed_in: Json) -> None:
        others = [await sign_in(anonymous) for _ in range(4)]
        await refreshed(anonymous, others[1])
        expected = [
            jwt.get_unverified_claims(tokens["access_token"])["sid"]
            for tokens in (others[1], others[3], others[2], others[0], signed_in)
        ]
        page = await sessions(anonymous, signed_in)
        assert [session["id"] for session in page["items"]] == expected
        assert [session["current"] for session in page["items"]] == [False] * 4 + [True]
        listed: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await sessions(anonymous, signed_in, limit=2, **cursor)
            listed += [session["id"] for session in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert listed == expected

    async def test_ended_sessions_are_not_listed(self, anonymous: Client, signed_in: Json, database: Database) -> None:
        signed_out, expired = await sign_in(anonymous), await sign_in(anonymous)
        await anonymous.post("/auth/logout", headers=bearer(signed_out))
        expired_id = ObjectId(jwt.get_unverified_claims(expired["access_token"])["sid"])
        past = datetime.now(UTC) - timedelta(seconds=1)
        await database.refresh_tokens.update_one({"_id": expired_id}, {"$set": {"expires_at": past}})
        assert len((await sessions(anonymous, signed_in))["items"]) == 1
        body = {"current_password": PASSWORD, "new_password": NEW}
        await anonymous.post("/auth/password", json=body, headers=bearer(signed_in))
        (session,) = (await sessions(anonymous, await sign_in(anonymous, NEW)))["items"]
        assert session["current"]

    async def test_session_of_an_earlier_version_has_no_client(self, alice: Client, database: Database) -> None:
        stored = await database.refresh_tokens.find_one({})
        assert stored is not None
        assert not stored.keys() & {"address", "user_agent"}
        (session,) = (await alice.get("/auth/sessions")).json()["items"]
        assert (session["address"], session["user_agent"]) == (None, None)

    async def test_response_contains_no_secret(self, anonymous: Client, signed_in: Json) -> None:
        response = await anonymous.get("/auth/sessions", headers=bearer(signed_in))
        secret = signed_in["refresh_token"].rpartition("_")[2]
        assert secret not in response.text
        assert hashlib.sha256(signed_in["refresh_token"].encode()).hexdigest() not in response.text


class TestRevokeSession:
    async def test_tokens_of_the_session_are_refused_and_others_continue(
        self, anonymous: Client, signed_in: Json
    ) -> None:
        other = await sign_in(anonymous)
        assert (await me(anonymous, other)).status_code == 200
        session_id = jwt.get_unverified_claims(other["access_token"])["sid"]
        response = await revoke(anonymous, signed_in, session_id)
        assert (response.status_code, response.content) == (204, b"")
        problem(await me(anonymous, other), 401, "invalid_token")
        problem(await refresh(anonymous, other), 401, "invalid_token")
        assert (await me(anonymous, signed_in)).status_code == 200
        assert len((await sessions(anonymous, signed_in))["items"]) == 1
        problem(await revoke(anonymous, signed_in, session_id), 404, "session_not_found")
        audit = (await anonymous.get("/users/me/audit", headers=bearer(signed_in))).json()["items"]
        assert [(event["event"], event["detail"]) for event in audit[:1]] == [("session_revoked", {"id": session_id})]

    async def test_current_session_can_be_revoked(self, anonymous: Client, signed_in: Json) -> None:
        session_id = jwt.get_unverified_claims(signed_in["access_token"])["sid"]
        assert (await revoke(anonymous, signed_in, session_id)).status_code == 204
        problem(await me(anonymous, signed_in), 401, "invalid_token")

    async def test_session_of_another_user_is_not_found(
        self, anonymous: Client, signed_in: Json, alice: Client
    ) -> None:
        session_id = jwt.get_unverified_claims(signed_in["access_token"])["sid"]
        for unknown in (session_id, "0" * 24, "nonsense"):
            problem(await alice.delete(f"/auth/sessions/{unknown}"), 404, "session_not_found")
        assert (await me(anonymous, signed_in)).status_code == 200
        assert len((await alice.get("/auth/sessions")).json()["items"]) == 1

    async def test_concurrent_refresh_does_not_keep_the_session(self, anonymous: Client, signed_in: Json) -> None:
        other = await sign_in(anonymous)
        session_id = jwt.get_unverified_claims(other["access_token"])["sid"]
        revoked, response = await asyncio.gather(revoke(anonymous, signed_in, session_id), refresh(anonymous, other))
        assert revoked.status_code == 204
        if response.status_code == 200:
            problem(await refresh(anonymous, response.json()), 401, "invalid_token")
