"""Shares: create, list and delete them."""

import asyncio
import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sharing import secrets as public_secrets
from services.sharing.shares import MAX_SHARES
from tests.conftest import Database
from tests.sharing.share_requests import SUMMARY, TIMESHEET, WEEK, post_share, read, secret_of, share
from tests.support.http import API, Client, Json, pointers, problem

UNKNOWN_ID = "0" * 24


async def audit_events(client: Client) -> list[Json]:
    events: list[Json] = (await client.get("/users/me/audit")).json()["items"]
    return events


class TestCreateShare:
    async def test_url_is_shown_once_and_only_the_hash_of_its_secret_is_stored(
        self, alice: Client, database: Database
    ) -> None:
        response = await post_share(alice, name=" November ", expires_at="2999-01-01T00:00:00Z")
        created = response.json()
        assert response.status_code == 201
        assert response.headers["location"] == f"{API}/shares/{created['id']}"
        assert response.headers["cache-control"] == "no-store"
        secret = secret_of(created)
        assert created.pop("url") == f"{alice.base_url}shared/{secret}"
        assert created == {
            "id": created["id"],
            "name": "November",
            "report": SUMMARY,
            "include_notes": False,
            "expires_at": "2999-01-01T00:00:00Z",
            "created_at": created["created_at"],
        }
        assert (await alice.get("/shares")).json() == {"items": [created], "next_cursor": None}
        (stored,) = await database.shares.find({}).to_list(None)
        assert stored["secret_hash"] == hashlib.sha256(secret.encode()).hexdigest()
        assert secret not in str(stored)

    @pytest.mark.parametrize(
        "report",
        [
            TIMESHEET,
            {"type": "timesheet"},
            {"type": "timesheet", "tag": ["mail"], "billable": True, "week_start": 6, "timezone": "Asia/Tokyo"},
            {**SUMMARY, "group_by": "project,task", "rounding": "up:15", "rounding_scope": "day", "explain": True},
            {**SUMMARY, "from": "2026-11-16T08:00:00.500Z", "status": ["completed"], "include_running": True},
            {**SUMMARY, "task_id": UNKNOWN_ID, "project_id": UNKNOWN_ID, "fill": True},
            {**SUMMARY, "project_id": "none", "group_by": "tag"},
        ],
    )
    async def test_report_is_shown_and_read_as_it_was_given(
        self, alice: Client, anonymous: Client, report: Json
    ) -> None:
        created = await share(alice, report)
        assert created["report"] == report
        assert (await alice.get("/shares")).json()["items"][0]["report"] == report
        assert (await read(anonymous, created)).json()["report"]["type"] == report["type"]

    async def test_null_parameters_are_left_out(self, alice: Client) -> None:
        created = await share(alice, {**SUMMARY, "timezone": None, "rounding": None, "billable": None})
        assert created["report"] == SUMMARY

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"name": ""}, "#/name"),
            ({"name": "x" * 101}, "#/name"),
            ({"name": {"$gt": ""}}, "#/name"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
            ({"expires_at": "2999-01-01"}, "#/expires_at"),
            ({"include_notes": "yes"}, "#/include_notes"),
            ({"owner": "me"}, "#/owner"),
            ({"report": None}, "#/report"),
            ({"report": "summary"}, "#/report"),
            ({"report": []}, "#/report"),
        ],
    )
    async def test_invalid_field_is_422_with_its_pointer(
        self, alice: Client, database: Database, fields: Json, pointer: str
    ) -> None:
        assert pointers(await post_share(alice, **fields)) == {pointer}
        assert await database.shares.find_one({}) is None

    @pytest.mark.parametrize(
        ("report", "pointer"),
        [
            (WEEK, "#/report/type"),
            ({**SUMMARY, "type": "today"}, "#/report/type"),
            ({**SUMMARY, "type": ["summary"]}, "#/report/type"),
            ({**SUMMARY, "type": None}, "#/report/type"),
            ({"type": "summary", "to": "2026-11-23"}, "#/report/from"),
            ({**SUMMARY, "from": "yesterday"}, "#/report/from"),
            ({**SUMMARY, "from": 5}, "#/report/from"),
            ({**SUMMARY, "from": "2026-11-23"}, "#/report/from"),
            ({**SUMMARY, "group_by": "note"}, "#/report/group_by"),
            ({**SUMMARY, "group_by": "day,task,tag"}, "#/report/group_by"),
            ({**SUMMARY, "group_by": ["day", "task", "tag"]}, "#/report/group_by"),
            ({**SUMMARY, "group_by": ["day"]}, "#/report/group_by"),
            ({**SUMMARY, "rounding": "up:0"}, "#/report/rounding"),
            ({**SUMMARY, "rounding": {"mode": "up", "minutes": 0}}, "#/report/rounding"),
            ({**SUMMARY, "task_id": "nonsense"}, "#/report/task_id"),
            ({**SUMMARY, "task_id": {"$gt": ""}}, "#/report/task_id"),
            ({**SUMMARY, "project_id": "all"}, "#/report/project_id"),
            ({**SUMMARY, "week_start": 7}, "#/report/week_start"),
            ({**SUMMARY, "week_start": True}, "#/report/week_start"),
            ({**SUMMARY, "timezone": "Mars/Base"}, "#/report/timezone"),
            ({**SUMMARY, "tag": "mail"}, "#/report/tag"),
            ({**SUMMARY, "tag": [""]}, "#/report/tag/0"),
            ({**SUMMARY, "status": ["done"]}, "#/report/status/0"),
            ({**SUMMARY, "billable": 1}, "#/report/billable"),
            ({**SUMMARY, "user_id": UNKNOWN_ID}, "#/report/user_id"),
            ({**SUMMARY, "date": "2026-11-18"}, "#/report/date"),
            ({**SUMMARY, "from": "1970-01-01", "to": "9998-01-01", "fill": True}, "#/report/fill"),
            ({**TIMESHEET, "date": "18.11.2026"}, "#/report/date"),
            ({**TIMESHEET, "group_by": "day"}, "#/report/group_by"),
        ],
    )
    async def test_invalid_report_is_422_with_its_pointer(
        self, alice: Client, database: Database, report: Json, pointer: str
    ) -> None:
        assert pointers(await post_share(alice, report)) == {pointer}
        assert await database.shares.find_one({}) is None

    async def test_creation_and_deletion_are_audit_events_without_secrets(self, alice: Client) -> None:
        created = await share(alice)
        await alice.delete(f"/shares/{created['id']}")
        revoked, added = await audit_events(alice)
        assert (added["event"], added["detail"]) == ("share_created", {"id": created["id"], "name": "November"})
        assert (revoked["event"], revoked["detail"]) == ("share_revoked", {"id": created["id"]})


class TestAccountBeingDeleted:
    async def test_report_cannot_be_shared(self, alice: Client, database: Database) -> None:
        """A process that has the user cached still accepts their token."""
        assert (await alice.get("/shares")).status_code == 200
        being_deleted = {"is_active": False, "deleted_at": datetime.now(UTC)}
        await database.users.update_one({"_id": alice.user["_id"]}, {"$set": being_deleted})
        problem(await post_share(alice), 401, "invalid_token")
        assert await database.shares.find_one({}) is None


class TestMaximum:
    async def test_concurrent_requests_do_not_exceed_the_maximum(self, alice: Client, bob: Client) -> None:
        for _ in range(MAX_SHARES - 2):
            await share(alice)
        responses = await asyncio.gather(*(post_share(alice) for _ in range(5)))
        assert Counter(response.status_code for response in responses) == {201: 2, 409: 3}
        problem(await post_share(alice), 409, "too_many_shares")
        assert len((await alice.get("/shares", params={"limit": 200})).json()["items"]) == MAX_SHARES
        assert (await post_share(bob)).status_code == 201

    async def test_deleted_share_makes_room_for_another(self, alice: Client, database: Database) -> None:
        created = await share(alice)
        (stored,) = await database.shares.find({}, {"_id": 0}).to_list(None)
        await database.shares.insert_many({**stored, "secret_hash": str(number)} for number in range(MAX_SHARES - 1))
        problem(await post_share(alice), 409, "too_many_shares")
        assert (await alice.delete(f"/shares/{created['id']}")).status_code == 204
        assert (await post_share(alice)).status_code == 201


class TestListShares:
    async def test_shares_are_listed_newest_first(self, alice: Client, bob: Client) -> None:
        await share(bob)
        created = [await share(alice, name=str(number)) for number in range(5)]
        names: list[str] = []
        cursor = None
        while True:
            parameters: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await alice.get("/shares", params=parameters)).json()
            names += [listed["name"] for listed in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert names == [listed["name"] for listed in reversed(created)]


class TestDeleteShare:
    async def test_deleted_share_is_not_found(self, alice: Client, anonymous: Client) -> None:
        created = await share(alice)
        assert (await read(anonymous, created)).status_code == 200
        response = await alice.delete(f"/shares/{created['id']}")
        assert (response.status_code, response.content) == (204, b"")
        problem(await read(anonymous, created), 404, "share_not_found")
        problem(await alice.delete(f"/shares/{created['id']}"), 404, "share_not_found")

    async def test_share_of_another_user_is_not_found(self, alice: Client, bob: Client, anonymous: Client) -> None:
        created = await share(alice)
        problem(await bob.delete(f"/shares/{created['id']}"), 404, "share_not_found")
        assert (await bob.get("/shares")).json()["items"] == []
        assert (await read(anonymous, created)).status_code == 200

    @pytest.mark.parametrize("share_id", [UNKNOWN_ID, "nonsense", "$gt"])
    async def test_unknown_id_is_not_found(self, alice: Client, share_id: str) -> None:
        problem(await alice.delete(f"/shares/{share_id}"), 404, "share_not_found")


class TestSessionsOnly:
    async def test_api_token_of_all_scopes_is_refused(self, alice: Client, anonymous: Client) -> None:
        scopes = ["read", "write", "timer", "reports", "exports"]
        token = (await alice.post("/auth/api-tokens", json={"name": "Program", "scopes": scopes})).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for method, path in (("GET", "/shares"), ("POST", "/shares"), ("DELETE", f"/shares/{UNKNOWN_ID}")):
            problem(await anonymous.request(method, path, json={}, headers=headers), 403, "insufficient_scope")


class TestExpiredShare:
    async def test_expired_share_is_not_found(self, alice: Client, anonymous: Client, database: Database) -> None:
        created = await share(alice, expires_at="2999-01-01T00:00:00Z")
        assert (await read(anonymous, created)).status_code == 200
        expired = datetime.now(UTC) - timedelta(seconds=1)
        await database.shares.update_one({}, {"$set": {"expires_at": expired}})
        problem(await read(anonymous, created), 404, "share_not_found")

    async def test_share_expires_at_the_instant(
        self, alice: Client, anonymous: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expires_at = datetime(2999, 1, 1, tzinfo=UTC)
        created = await share(alice, expires_at=expires_at.isoformat())
        for now, status in ((expires_at - timedelta(milliseconds=1), 200), (expires_at, 404)):
            monkeypatch.setattr(public_secrets, "utc_now", lambda now=now: now)
            assert (await read(anonymous, created)).status_code == status
