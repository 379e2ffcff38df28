"""The status of every operation for every kind of token, as in the table tests/cases/access.yaml.

No response contains data of another user, or internals of the service.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import httpx
import pytest
import yaml
from bson import ObjectId
from fastapi import FastAPI

from app.config import Settings
from app.security.tokens import AccessTokens, Claims
from tests.conftest import Database, MakeUser
from tests.contract.operations import (
    ALL_TIME,
    NOT_FOUND,
    REQUESTS,
    Operation,
    create_one_of_each,
    create_refresh_token,
    fill_placeholders,
    operations,
    stored_documents,
)
from tests.paths import CASES
from tests.support.http import PASSWORD, Client, Json, problem
from tests.support.stored_documents import ended_entry, paged_task

TABLE = yaml.safe_load((CASES / "access.yaml").read_text())
ROWS: dict[str, Json] = {name: dict(zip(TABLE["columns"], cells, strict=True)) for name, cells in TABLE["rows"].items()}
REFUSED_COLUMNS = ("no_token", "forged", "expired", "deleted", "wrong_scope")
SCOPES = {"read", "write", "timer", "reports", "exports"}
SESSION_ENDING = {"sign_out", "change_password", "delete_me"}
"""Operations that end the session. Each is sent by a user of its own."""

CANARY = "canary7f3a"
INTERNAL_WORDS = (
    b"traceback",
    b"site-packages",
    b"uvicorn",
    b"python",
    b"starlette",
    b"pydantic",
    b"mongodb",
    b"pymongo",
    b"/tmp",
)

INVALID_REQUEST: Json = {
    "content": b"{",
    "headers": {"Content-Type": "text/plain", "If-Match": "nonsense", "Idempotency-Key": "a b"},
    "params": {"nonsense": "1"},
}

OTHER_USER_REQUESTS: dict[str, Json] = {
    "register": {"json": {"email": "{others_email}", "password": PASSWORD}},
    "sign_in": {"data": {"username": "{others_email}", "password": "not their password"}},
    "change_me": {"json": {"email": "{others_email}", "current_password": PASSWORD}},
    "stop_timer": {"json": {"entry_id": "{entry_id}"}},  # task_id is only a hint
}
"""The requests about resources of another user that differ from REQUESTS."""


class ResponseRecorder:
    """Records every response to its clients."""

    def __init__(self) -> None:
        self.responses: list[httpx.Response] = []

    async def _record(self, response: httpx.Response) -> None:
        await response.aread()
        self.responses.append(response)

    def attach(self, client: Client) -> Client:
        """Record the responses to this client."""
        client.event_hooks = {"response": [self._record]}
        client.headers["User-Agent"] = "Client"
        return client


def row_of(operation: Operation) -> Json:
    """Return the row of the table."""
    return ROWS[operation.id]


async def send_request(client: Client, operation: Operation, names: Json, sent: Json, **headers: str) -> httpx.Response:
    """Send the request with its placeholders replaced by these values."""
    path = client.base_url.join(operation.path_with(names))
    return await client.request(operation.method, path, headers=headers, **fill_placeholders(sent, names))


def assert_status(response: httpx.Response, operation: Operation, column: str) -> None:
    """Assert that the response has the status and the code of its cell in the table."""
    status, _, code = str(row_of(operation)[column]).partition(" ")
    cell = f"{operation.id}, {column}: {response.status_code} {response.text[:300]}"
    assert response.status_code == int(status), cell
    code = code or TABLE["codes"].get(column, {}).get(response.status_code, "")
    if response.status_code == 403:
        code = "insufficient_scope"
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"], cell
    if code:
        assert response.json()["code"] == code, cell
        problem(response, int(status), code)


async def create_token(client: Client, *scopes: str) -> str:
    """Create an API token, and return its secret."""
    created = await client.post("/auth/api-tokens", json={"name": "Program", "scopes": [*scopes]})
    secret: str = created.json()["token"]
    return secret


def bearer_token(client: Client) -> str:
    return str(client.headers["authorization"]).removeprefix("Bearer ")


def issue_like(tokens: AccessTokens, claims: Claims) -> str:
    """Issue a token with the same claims."""
    return tokens.issue(user_id=claims.user_id, session_id=claims.session_id, token_version=claims.token_version)


def expired_token(settings: Settings, client: Client) -> str:
    """Return an expired access token. There is none for API tokens: the database deletes expired ones."""
    assert settings.secret_key is not None
    past = AccessTokens(
        key=settings.secret_key.get_secret_value(),
        algorithm=settings.algorithm,
        issuer=settings.app_name,
        lifetime=timedelta(seconds=-1),
    )
    return issue_like(past, AccessTokens.from_settings(settings).verify(bearer_token(client)))


def forged_tokens(settings: Settings, client: Client) -> list[str]:
    """Return a truncated token, one signed with another key, and an unknown API token."""
    claims = AccessTokens.from_settings(settings).verify(bearer_token(client))
    other = AccessTokens(key="x" * 32, algorithm="HS256", issuer=settings.app_name, lifetime=timedelta(days=1))
    return [bearer_token(client)[:-1], issue_like(other, claims), f"task_timer_api_{'0' * 64}"]


async def tokens_of_deleted_account(make_user: MakeUser) -> list[str]:
    """Return tokens of a deleted account: of its session, an API token, and a revoked API token."""
    client = await make_user("deleted@example.com")
    revoked = await create_token(client, *sorted(SCOPES))
    (listed,) = (await client.get("/auth/api-tokens")).json()["items"]
    assert (await client.delete(f"/auth/api-tokens/{listed['id']}")).status_code == 204
    tokens = [bearer_token(client), await create_token(client, *sorted(SCOPES)), revoked]
    assert (await client.get("/tasks")).status_code == 200
    response = await client.request("DELETE", "/users/me", json={"password": PASSWORD})
    assert response.status_code == 204
    return tokens


def operations_in_table_order(app: FastAPI) -> list[Operation]:
    """Return the operations in the order of the rows."""
    by_id = {operation.id: operation for operation in operations(app)}
    return [by_id[name] for name in ROWS]


async def send_all_requests(client: Client, app: FastAPI, names: Json, *, column: str, make_user: MakeUser) -> None:
    """Send the request of every operation, in the order of the rows, about resources of the client."""
    for operation in operations_in_table_order(app):
        sender = client
        if column == "owner" and operation.id in SESSION_ENDING:
            sender = await make_user(f"{operation.id.replace('_', '-')}@example.com")
        assert_status(await send_request(sender, operation, names, REQUESTS.get(operation.id, {})), operation, column)


def searchable_bytes(response: httpx.Response) -> bytes:
    """Return headers and body in lower case, decompressed, without the path of the request."""
    content = response.content
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            content = b"\n".join(chain.from_iterable((name.encode(), book.read(name)) for name in book.namelist()))
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if response.is_error:
        content = content.replace(response.request.url.raw_path.partition(b"?")[0], b"")
    headers = b"\n".join(name + b": " + value for name, value in response.headers.raw)
    return (headers + b"\n\n" + content).lower()


def ids_in(value: Any) -> Iterator[bytes]:
    """Yield every object id in a document."""
    if isinstance(value, ObjectId):
        yield str(value).encode()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from ids_in(inner)


def documents_of_user(stored: dict[str, list[Json]], user_id: ObjectId) -> dict[str, list[Json]]:
    """Return the documents of this user."""
    return {name: [row for row in rows if user_id in (row["_id"], row.get("user_id"))] for name, rows in stored.items()}


@pytest.fixture
async def canary(make_user: MakeUser, database: Database) -> tuple[Client, Json]:
    """A user whose resources are all named CANARY, with the values of the placeholders."""
    client = await make_user(f"{CANARY}@example.com", full_name=CANARY)
    client.headers["User-Agent"] = CANARY
    names = await create_one_of_each(client, CANARY)
    await client.post("/tasks", json={"title": "The same"}, headers={"Idempotency-Key": "the-same"})
    discarded = await client.start({"id": names["other_task_id"]}, note=CANARY, tags=[CANARY])
    assert discarded["entry"]["note"] == CANARY
    await client.delete("/timer")
    await client.start({"id": names["task_id"]}, note=CANARY, tags=[CANARY])
    await client.get("/exports/account.ndjson.gz")
    await client.patch(f"/webhooks/{names['webhook_id']}", json={"active": False})  # so that nothing more is sent
    entries = [ended_entry(note=CANARY, tags=[CANARY]) for _ in range(2)]
    paged, pages = paged_task(client.user["_id"], entries[:1], entries[1:], title=CANARY)
    await database.tasks.insert_one(paged)
    await database.task_pages.insert_many(pages)
    return client, names


def ids_of_request(operation: Operation, sent: Json) -> list[str]:
    """Return the placeholders of the ids in this request, if there are several."""
    ids = sorted(set(re.findall(r"\{(\w+_id)\}", operation.path + str(sent))))
    return ids if len(ids) > 1 else []


async def search_everywhere(client: Client, owner: Client, app: FastAPI, names: Json) -> None:
    """Read all lists, reports and files, without filters and with texts, cursor and key of the owner."""
    cursor = (await owner.list(limit=1))["next_cursor"]
    assert cursor is not None
    for operation in operations(app):
        if operation.method == "GET" and operation.scope != "open":
            needed = {**ALL_TIME} if "exports/time" in operation.path or "/summar" in operation.path else {}
            needed |= {"group_by": "task"} if operation.id == "report_summaries" else {}
            needed |= {"date": "2026-11-18"} if "timesheet" in operation.path else {}
            assert (await send_request(client, operation, names, {"params": needed})).status_code in {200, 204}, (
                operation.id
            )
            for name, value in (("q", CANARY), ("tag", CANARY), ("cursor", cursor)):
                response = await send_request(client, operation, names, {"params": {**needed, name: value}})
                assert response.status_code in {200, 422}, (operation.id, name)
    created = await client.post("/tasks", json={"title": "The same"}, headers={"Idempotency-Key": "the-same"})
    assert created.status_code == 201
    assert "idempotency-replayed" not in created.headers
    for wrong in ({"name": {"$gt": ""}}, {"name": "word"}):
        assert (await client.post("/projects", json=wrong)).is_client_error


def assert_no_response_contains(recorder: ResponseRecorder, words: tuple[bytes, ...]) -> None:
    """Assert that no recorded response contains one of the words."""
    assert len(recorder.responses) >= len(ROWS)
    for response in recorder.responses:
        content = searchable_bytes(response)
        for word in words:
            assert word not in content, (word, response.request.method, response.request.url, response.text[:500])


class TestAccessMatrix:
    def test_table_has_a_row_for_every_operation(self, app: FastAPI) -> None:
        by_id = {operation.id: operation for operation in operations(app)}
        assert set(ROWS) == set(by_id)
        assert set(REQUESTS) | set(OTHER_USER_REQUESTS) <= set(by_id)
        assert {name: row["scope"] for name, row in ROWS.items()} == {
            name: operation.scope for name, operation in by_id.items()
        }

    async def test_requests_without_access_are_refused_before_they_are_read(
        self, app: FastAPI, settings: Settings, make_user: MakeUser, anonymous: Client, bob: Client, database: Database
    ) -> None:
        names, recorder = await create_one_of_each(bob, "word"), ResponseRecorder()
        bearers: dict[str, Sequence[str | None]] = {
            "no_token": [None],
            "forged": forged_tokens(settings, bob),
            "expired": [expired_token(settings, bob)],
            "deleted": await tokens_of_deleted_account(make_user),
        }
        wrong_scope: dict[str, Sequence[str | None]] = {
            scope: [await create_token(bob, *sorted(SCOPES - set(scope.split())))]
            for scope in sorted({row["scope"] for row in ROWS.values()})
        }
        before, client = await stored_documents(database), recorder.attach(anonymous)
        for operation in operations_in_table_order(app):
            for column in REFUSED_COLUMNS:
                for token in bearers.get(column) or wrong_scope[row_of(operation)["scope"]]:
                    sent = {**INVALID_REQUEST, "headers": dict(INVALID_REQUEST["headers"])}
                    if token is not None:
                        sent["headers"]["Authorization"] = f"Bearer {token}"
                    path = client.base_url.join(operation.path_with(names))
                    assert_status(await client.request(operation.method, path, **sent), operation, column)
        after = await stored_documents(database)
        # last_used_at changes, and the deletion of the account ends after a while
        changing: dict[str, list[Json]] = {"api_tokens": [], "account_deletions": []}
        assert {**after, **changing} == {**before, **changing}
        assert len(after["api_tokens"]) == len(before["api_tokens"])
        assert_no_response_contains(recorder, INTERNAL_WORDS)

    async def test_requests_with_access_get_the_status_of_the_table(
        self, app: FastAPI, make_user: MakeUser, canary: tuple[Client, Json], database: Database
    ) -> None:
        user_id, recorder = canary[0].user["_id"], ResponseRecorder()
        before = documents_of_user(await stored_documents(database), user_id)
        for column in ("reader", "all_scopes", "owner"):
            client = recorder.attach(await make_user(f"{column}@example.com"))
            names = await create_one_of_each(client, "word")
            names["refresh_token"] = await create_refresh_token(client)
            if column != "owner":
                scopes = ["read"] if column == "reader" else sorted(SCOPES)
                client.headers["Authorization"] = f"Bearer {await create_token(client, *scopes)}"
            await send_all_requests(client, app, names, column=column, make_user=make_user)
        assert documents_of_user(await stored_documents(database), user_id) == before
        assert_no_response_contains(recorder, (*INTERNAL_WORDS, CANARY.encode(), *ids_in(before)))
        files = [
            response
            for response in recorder.responses
            if "/exports/" in response.request.url.path and response.is_success
        ]
        assert len(files) == 10
        assert all(b"word" in searchable_bytes(response) for response in files), "the search does not find its words"


class TestResourcesOfAnotherUser:
    async def test_other_user_can_neither_change_nor_detect_them(
        self, app: FastAPI, bob: Client, canary: tuple[Client, Json], database: Database
    ) -> None:
        (alice, other_names), recorder = canary, ResponseRecorder()
        mine = await create_one_of_each(recorder.attach(bob), "word")
        other_names = {**other_names, "others_email": other_names["email"], "email": mine["email"]}
        unknown_names = dict.fromkeys([*NOT_FOUND, "other_task_id"], "0" * 24)
        unknown_names |= {"word": "word", "others_email": "nobody"}
        before = documents_of_user(await stored_documents(database), alice.user["_id"])
        for operation in operations_in_table_order(app):
            if row_of(operation)["other_user"] == "-":
                continue
            sent = OTHER_USER_REQUESTS.get(operation.id, REQUESTS.get(operation.id, {}))
            response = await send_request(bob, operation, other_names, sent)
            assert_status(response, operation, "other_user")
            if response.status_code == 404:
                unknown = await send_request(bob, operation, unknown_names, sent)
                assert unknown.status_code == 404
                assert unknown.json()["detail"] == response.json()["detail"], "the detail reveals that it exists"
            for name in ids_of_request(operation, sent):
                mixed = await send_request(bob, operation, {**mine, name: other_names[name]}, sent)
                assert mixed.status_code == response.status_code, (operation.id, name, mixed.text)
        await search_everywhere(bob, alice, app, mine)
        after = documents_of_user(await stored_documents(database), alice.user["_id"])
        (event,) = after["audit_events"][len(before["audit_events"]) :]
        assert event["event"] == "sign_in_failed"
        assert {**after, "audit_events": []} == {**before, "audit_events": []}
        assert_no_response_contains(recorder, (*INTERNAL_WORDS, CANARY.encode(), *ids_in(before)))
