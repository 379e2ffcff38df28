import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.support.http import PASSWORD, Client, Json, parameters

ADA = "ada@example.com"
NEW = "a completely new pass phrase"


@pytest.fixture
async def ada(anonymous: Client) -> Client:
    """A user who has registered and signed in."""
    assert (await anonymous.post("/users", json={"email": ADA, "password": PASSWORD})).status_code == 201
    await sign_in(anonymous)
    return anonymous


async def sign_in(client: Client, password: str = PASSWORD, email: str = ADA) -> Json:
    tokens: Json = (await client.post("/auth/token", data={"username": email, "password": password})).json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return tokens


async def audit_events(client: Client, **query: Any) -> list[Json]:
    """Return the audit events of the user, oldest first."""
    response = await client.get("/users/me/audit", params=query)
    assert response.status_code == 200, response.text
    items: list[Json] = response.json()["items"]
    return items[::-1]


async def events(client: Client) -> list[str]:
    return [item["event"] for item in await audit_events(client)]


class TestAuditTrail:
    async def test_event_has_the_client_and_the_request(self, ada: Client) -> None:
        ada.headers.update({"User-Agent": "a program", "X-Request-ID": "me-1"})
        tokens = await sign_in(ada)
        (_, signed_in) = await audit_events(ada)
        assert signed_in == {
            "id": signed_in["id"],
            "event": "signed_in",
            "at": signed_in["at"],
            "address": "127.0.0.1",
            "user_agent": "a program",
            "request_id": "me-1",
            "detail": {},
        }
        await ada.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert await events(ada) == ["signed_in", "signed_in", "token_refreshed"]

    async def test_failed_sign_in_is_recorded(self, ada: Client) -> None:
        form = {"username": ADA, "password": "something else"}
        assert (await ada.post("/auth/token", data=form)).status_code == 401
        async with asyncio.timeout(60):
            while await events(ada) != ["signed_in", "sign_in_failed"]:  # noqa: ASYNC110 -- it is recorded in the background
                await asyncio.sleep(0.02)

    async def test_changes_of_the_account_are_recorded(self, ada: Client) -> None:
        email = {"email": "countess@example.com", "current_password": PASSWORD}
        assert (await ada.patch("/users/me", json=email)).status_code == 200
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert (await ada.post("/auth/password", json=body)).status_code == 204
        await sign_in(ada, NEW, "countess@example.com")
        assert (await ada.post("/auth/logout")).status_code == 204
        await sign_in(ada, NEW, "countess@example.com")
        assert await events(ada) == [
            *("signed_in", "email_changed", "password_changed", "signed_in", "signed_out", "signed_in")
        ]

    async def test_api_tokens_are_recorded_without_secrets(self, ada: Client) -> None:
        token = (await ada.post("/auth/api-tokens", json={"name": "Status bar", "scopes": ["read"]})).json()
        await ada.delete(f"/auth/api-tokens/{token['id']}")
        (_, created, revoked) = await audit_events(ada)
        assert (created["event"], revoked["event"]) == ("api_token_created", "api_token_revoked")
        assert created["detail"] == {"id": token["id"], "name": "Status bar", "scopes": ["read"]}
        assert revoked["detail"] == {"id": token["id"]}

    async def test_exports_and_imports_are_recorded(self, ada: Client) -> None:
        batch = await ada.import_csv("2026-11-02 09:00,2026-11-02 10:00,Mail")
        await ada.import_csv("2026-11-02 09:00,2026-11-02 10:00,Mail", dry_run="true")
        await ada.get("/exports/time-entries.csv", params={"from": "2026-11-01", "to": "2026-12-01"})
        await ada.get("/exports/account.ndjson.gz")
        (_, imported, exported, account) = await audit_events(ada)
        assert (imported["event"], exported["event"], account["event"]) == ("imported", "exported", "exported")
        assert imported["detail"] == {"id": batch["id"], "format": "csv", "projects": 0, "tasks": 1, "entries": 1}
        assert exported["detail"] == {"format": "csv", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
        assert account["detail"] == {"format": "account"}

    async def test_retention_is_that_of_the_setting(self, ada: Client, database: Database) -> None:
        (event,) = await database.audit_events.find({}).to_list(None)
        assert event["expires_at"] - event["at"] == timedelta(days=365)
        assert [item["id"] for item in await audit_events(ada)] == [str(event["_id"])]

    async def test_events_of_other_users_are_not_listed(self, ada: Client, bob: Client) -> None:
        assert len(await audit_events(ada)) == 1
        assert await audit_events(bob) == []

    async def test_events_are_paginated_newest_first(self, ada: Client) -> None:
        for _ in range(4):
            await sign_in(ada)
        seen, cursor = [], None
        while True:
            page = (
                await ada.get("/users/me/audit", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            ).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(set(seen)) == len(seen) == 5
        assert seen == sorted(seen, reverse=True)
        assert parameters(await ada.get("/users/me/audit", params={"cursor": "x"})) == {"cursor"}
